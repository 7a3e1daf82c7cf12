import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelConfig, RopeScaling } from '../config.ts'
import type { ModelFiles } from '../files.ts'
import type { FloatType } from './float.ts'
import { readJson } from './huggingface.ts'
import { isObject } from './json.ts'
import type { TextFile } from '../tokenizer/tokenizer.ts'

const torchTypes: Readonly<Record<FloatType, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }

const classes: Readonly<Record<ModelConfig['architecture'], string>> = {
  llama: 'LlamaForCausalLM', mistral: 'MistralForCausalLM', qwen2: 'Qwen2ForCausalLM', qwen3: 'Qwen3ForCausalLM',
}

/**
 * config.json and generation_config.json for weights of this type: the model's own, else made from its ModelConfig.
 * A classifier is a reward model: one label, scored by a head of its own.
 */
export function huggingFaceConfig(model: Pick<ModelFiles, 'path' | 'config'>, dtype: FloatType, classifier = false): TextFile[] {
  const own = ownJson(join(model.path, 'config.json'))
  // Releases before 4.56 know only torch_dtype; later ones take either.
  const typeKey = own !== undefined && 'dtype' in own ? 'dtype' : 'torch_dtype'
  const { auto_map: _, ...config } = own ?? configJson(model.config)
  const generation = ownJson(join(model.path, 'generation_config.json')) ?? generationJson(model.config)
  return [
    jsonFile('config.json', { ...config, [typeKey]: torchTypes[dtype], ...(classifier && classifierKeys(model.config)) }),
    jsonFile('generation_config.json', generation),
  ]
}

/** One label: transformers takes the number of labels from `id2label`. */
function classifierKeys({ architecture }: ModelConfig): Readonly<Record<string, unknown>> {
  const name = classes[architecture].replace('CausalLM', 'SequenceClassification')
  return { architectures: [name], id2label: { 0: 'LABEL_0' }, label2id: { LABEL_0: 0 } }
}

function ownJson(path: string): Readonly<Record<string, unknown>> | undefined {
  if (!existsSync(path)) return undefined
  const value = readJson(path)
  return isObject(value) ? value : undefined
}

function jsonFile(name: string, value: object): TextFile {
  return { name, content: JSON.stringify(value, null, 2) + '\n' }
}

/** config.json in the older spelling of the rotary settings, which every release of transformers reads. */
function configJson(config: ModelConfig): Record<string, unknown> {
  const { architecture } = config
  const window = architecture === 'llama' ? {} : { sliding_window: config.slidingWindow ?? null }
  const isQwen = architecture === 'qwen2' || architecture === 'qwen3'
  return {
    architectures: [classes[architecture]],
    model_type: architecture,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    hidden_act: 'silu',
    max_position_embeddings: config.maxPositions,
    rms_norm_eps: config.normEps,
    rope_theta: config.ropeTheta,
    rope_scaling: ropeScalingJson(config.ropeScaling),
    tie_word_embeddings: config.tieEmbeddings,
    ...(architecture === 'llama' || architecture === 'qwen3' ? { attention_bias: config.qkvBias } : {}),
    ...(architecture === 'llama' ? { mlp_bias: config.mlpBias } : {}),
    ...(isQwen ? { use_sliding_window: config.slidingWindow !== undefined, max_window_layers: 0 } : {}),
    ...window,
    ...tokenIds(config),
  }
}

function ropeScalingJson(scaling: RopeScaling): Record<string, unknown> | null {
  switch (scaling.type) {
    case 'none':
      return null
    case 'linear':
      return { rope_type: 'linear', type: 'linear', factor: scaling.factor }
    case 'llama3':
      return {
        rope_type: 'llama3',
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalMaxPositions,
      }
  }
}

function generationJson(config: ModelConfig): Record<string, unknown> {
  return { _from_model_config: true, ...tokenIds(config) }
}

function tokenIds({ bosTokenId, eosTokenIds, padTokenId }: ModelConfig): Record<string, unknown> {
  const [only] = eosTokenIds
  return {
    bos_token_id: bosTokenId ?? null,
    eos_token_id: eosTokenIds.length > 1 ? eosTokenIds : only ?? null,
    pad_token_id: padTokenId ?? null,
  }
}
