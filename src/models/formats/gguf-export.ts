import { existsSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { UserError } from '../../errors.ts'
import type { ModelConfig } from '../config.ts'
import { parameterShapes } from '../graph/decoder.ts'
import { storedType } from './export.ts'
import type { FinalWeights } from './export.ts'
import type { ModelFiles } from '../files.ts'
import { ropeFactors } from './gguf-config.ts'
import { ggufName, interleaveHeads, interleavedHeads } from './gguf-names.ts'
import type { GgufField } from './gguf-parser.ts'
import type { GgufOutputType } from './gguf-quants.ts'
import { writeGguf } from './gguf-writer.ts'
import type { GgufTensorInput } from './gguf-writer.ts'
import { openGguf } from './gguf.ts'
import { ggufTokenizerMetadata } from '../tokenizer/tokenizer-to-gguf.ts'

/** `general.file_type` (llama.cpp's enum llama_ftype) of a file whose matrices have this type. */
const fileTypes: Readonly<Record<GgufOutputType, number>> = { F32: 0, F16: 1, Q8_0: 7, BF16: 32 }

/**
 * Writes a GGUF file that llama.cpp loads: matrices in `dtype` (default: storedType(model)), norms and biases in F32.
 *
 * `model` is what the weights came from; its tokenizer goes into the file. Throws a UserError for what llama.cpp has
 * no form for.
 */
export async function writeGgufModel(
  path: string, model: ModelFiles, weights: FinalWeights = model, options: { dtype?: GgufOutputType } = {},
): Promise<void> {
  const { config } = model
  const dtype = options.dtype ?? storedType(model)
  if (config.architecture === 'qwen3' && config.qkvBias) {
    throw new UserError(`${model.path}: llama.cpp has no qwen3 with attention_bias. Write safetensors instead`)
  }
  const architecture = config.architecture === 'mistral' ? 'llama' : config.architecture
  const fields = [
    ...generalFields(model, architecture, dtype), ...configFields(config, architecture), ...tokenizerFields(model),
  ]
  const tensors = [...ropeTensor(config), ...tensorsOf(config, architecture, weights, dtype)]
  await writeGguf(path, new Map(fields), tensors)
}

function tensorsOf(
  config: ModelConfig, architecture: string, weights: FinalWeights, dtype: GgufOutputType,
): GgufTensorInput[] {
  return [...parameterShapes(config)].map(([name, shape]) => {
    const heads = architecture === 'llama' ? interleavedHeads(name, config) : undefined
    return {
      name: ggufName(name),
      shape,
      type: typeOf(shape, dtype),
      data: () => heads === undefined ? weights.read(name) : interleaveHeads(weights.read(name), shape[0]!, heads),
    }
  })
}

/** llama.cpp adds and multiplies vectors in F32 alone; rows that are not whole Q8_0 blocks fall back to F16. */
function typeOf(shape: readonly number[], dtype: GgufOutputType): GgufOutputType {
  if (shape.length === 1) return 'F32'
  return dtype === 'Q8_0' && shape.at(-1)! % 32 !== 0 ? 'F16' : dtype
}

function ropeTensor(config: ModelConfig): GgufTensorInput[] {
  if (config.ropeScaling.type !== 'llama3') return []
  return [{ name: 'rope_freqs.weight', type: 'F32', shape: [config.headDim / 2], data: ropeFactors(config) }]
}

function generalFields(model: ModelFiles, architecture: string, dtype: GgufOutputType): [string, GgufField][] {
  return [
    ['general.architecture', text(architecture)],
    ['general.type', text('model')],
    ['general.name', text(basename(model.path, extname(model.path)))],
    ['general.file_type', whole(fileTypes[dtype])],
    ['general.quantization_version', whole(2)],
  ]
}

function configFields(config: ModelConfig, architecture: string): [string, GgufField][] {
  const { ropeScaling } = config
  const fields: [string, GgufField][] = [
    ['block_count', whole(config.layers)],
    // llama.cpp gives these architectures no sliding window: within the window the two compute the same.
    ['context_length', whole(Math.min(config.maxPositions, config.slidingWindow ?? Infinity))],
    ['embedding_length', whole(config.hiddenSize)],
    ['feed_forward_length', whole(config.intermediateSize)],
    ['attention.head_count', whole(config.heads)],
    ['attention.head_count_kv', whole(config.kvHeads)],
    ['attention.key_length', whole(config.headDim)],
    ['attention.value_length', whole(config.headDim)],
    ['attention.layer_norm_rms_epsilon', decimal(config.normEps)],
    ['rope.freq_base', decimal(config.ropeTheta)],
    ['rope.dimension_count', whole(config.headDim)],
    ['vocab_size', whole(config.vocabSize)],
  ]
  if (ropeScaling.type === 'linear') {
    fields.push(['rope.scaling.type', text('linear')], ['rope.scaling.factor', decimal(ropeScaling.factor)])
  }
  return fields.map(([key, field]) => [`${architecture}.${key}`, field])
}

/** A GGUF file's own tokenizer tables, unchanged; else tables made from the Hugging Face tokenizer. */
function tokenizerFields({ path, tokenizer, config }: ModelFiles): [string, GgufField][] {
  if (path.endsWith('.gguf') && existsSync(path)) {
    const source = openGguf(path)
    source.close()
    return [...source.fields].filter(([key]) => key.startsWith('tokenizer.'))
  }
  const fields = [...ggufTokenizerMetadata(tokenizer, config.vocabSize)]
  const otherEnd = config.eosTokenIds.find(id => id !== tokenizer.eosTokenId)
  return otherEnd === undefined ? fields : [...fields, ['tokenizer.ggml.eot_token_id', whole(otherEnd)]]
}

function whole(value: number): GgufField {
  return { type: 'uint32', value }
}

function decimal(value: number): GgufField {
  return { type: 'float32', value }
}

function text(value: string): GgufField {
  return { type: 'string', value }
}
