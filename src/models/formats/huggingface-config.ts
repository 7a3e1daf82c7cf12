import { z } from 'zod'
import { UserError, nearest } from '../../errors.ts'
import type { ArchitectureName, ModelConfig, RopeScaling } from '../config.ts'

/** What transformers takes for a key that config.json leaves out (its configuration_*.py, release 5). */
interface Defaults {
  readonly vocabSize: number
  readonly intermediateSize: number
  readonly maxPositions: number
  readonly kvHeads?: number
  readonly headDim?: number
  readonly bos?: number
  readonly eos?: number
}

const defaults: Readonly<Record<ArchitectureName, Defaults>> = {
  llama: { vocabSize: 32_000, intermediateSize: 11_008, maxPositions: 2048, bos: 1, eos: 2 },
  mistral: { vocabSize: 32_000, intermediateSize: 14_336, maxPositions: 131_072, kvHeads: 8, bos: 1, eos: 2 },
  qwen2: { vocabSize: 151_936, intermediateSize: 22_016, maxPositions: 32_768, kvHeads: 32 },
  qwen3: { vocabSize: 151_936, intermediateSize: 22_016, maxPositions: 32_768, kvHeads: 32, headDim: 128 },
}

const architectureNames = Object.keys(defaults) as ArchitectureName[]

const count = z.int().positive()
const tokenId = z.int().nonnegative()
const tokenIds = z.union([tokenId, z.array(tokenId)]).nullable()
/** -1 stands for "none" in some files. */
const padTokenId = z.int().nullish()

const ropeSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().nullish(),
  factor: z.number().positive().nullish(),
  low_freq_factor: z.number().positive().nullish(),
  high_freq_factor: z.number().positive().nullish(),
  original_max_position_embeddings: z.number().positive().nullish(),
})

/** config.json of one architecture. Null is not the same as left out: it overrides the default with "none". */
function configSchema({ vocabSize, intermediateSize, maxPositions, kvHeads, headDim, bos, eos }: Defaults) {
  return z.looseObject({
    vocab_size: count.default(vocabSize),
    hidden_size: count.default(4096),
    intermediate_size: count.default(intermediateSize),
    num_hidden_layers: count.default(32),
    num_attention_heads: count.default(32),
    num_key_value_heads: count.nullable().default(kvHeads ?? null),
    head_dim: count.nullable().default(headDim ?? null),
    max_position_embeddings: count.default(maxPositions),
    rms_norm_eps: z.number().positive().default(1e-6),
    hidden_act: z.string().default('silu'),
    tie_word_embeddings: z.boolean().default(false),
    attention_bias: z.boolean().default(false),
    mlp_bias: z.boolean().default(false),
    rope_theta: z.number().positive().default(10_000),
    rope_scaling: ropeSchema.nullish(),
    rope_parameters: ropeSchema.nullish(),
    partial_rotary_factor: z.number().nullish(),
    sliding_window: count.nullable().default(4096),
    use_sliding_window: z.boolean().default(false),
    max_window_layers: z.int().nonnegative().default(28),
    layer_types: z.array(z.string()).nullish(),
    bos_token_id: tokenId.nullable().default(bos ?? null),
    eos_token_id: tokenIds.default(eos ?? null),
    pad_token_id: padTokenId,
  })
}

const generationSchema = z.looseObject({ eos_token_id: tokenIds.default(null), pad_token_id: padTokenId })

type Config = z.infer<ReturnType<typeof configSchema>>

/**
 * The decoder's configuration from a parsed config.json and generation_config.json (undefined: there is none).
 *
 * Left-out keys have transformers' defaults. What the decoder does not implement is refused by name, never ignored;
 * `auto_map` (code that comes with a model) is never run. `path` names config.json in errors.
 */
export function parseHuggingFaceConfig(value: unknown, generation: unknown, path: string): ModelConfig {
  const architecture = architectureOf(check(z.looseObject({ model_type: z.string() }), value, path).model_type, path)
  const config = check(configSchema(defaults[architecture]), value, path)
  refuseUnimplemented(config, path)
  const ending = check(generationSchema, generation ?? {}, path.replace(/config\.json$/, 'generation_config.json'))
  const heads = config.num_attention_heads
  const headDim = config.head_dim ?? config.hidden_size / heads
  const kvHeads = config.num_key_value_heads ?? heads
  checkHeads(headDim, heads, kvHeads, path)
  return {
    architecture,
    hiddenSize: config.hidden_size,
    intermediateSize: config.intermediate_size,
    layers: config.num_hidden_layers,
    heads,
    kvHeads,
    headDim,
    vocabSize: config.vocab_size,
    normEps: config.rms_norm_eps,
    ropeTheta: config.rope_parameters?.rope_theta ?? config.rope_scaling?.rope_theta ?? config.rope_theta,
    ropeScaling: ropeScaling(config, path),
    tieEmbeddings: config.tie_word_embeddings,
    ...biases(architecture, config),
    qkNorm: architecture === 'qwen3',
    maxPositions: config.max_position_embeddings,
    slidingWindow: slidingWindow(config, architecture, path),
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: [...new Set([config.eos_token_id ?? [], ending.eos_token_id ?? []].flat())],
    padTokenId: [config.pad_token_id, ending.pad_token_id].find(id => id != null && id >= 0) ?? undefined,
  }
}

function check<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new UserError(`${path} is not a configuration that can be read:\n${z.prettifyError(result.error)}`)
}

function architectureOf(name: string, path: string): ArchitectureName {
  const architecture = architectureNames.find(known => known === name)
  if (architecture !== undefined) return architecture
  const near = nearest(name, architectureNames)
  throw new UserError(`${path}: model_type "${name}" is not implemented. ` +
    `posttrain has ${architectureNames.join(', ')}${near === undefined ? '' : `; the nearest is ${near}`}`)
}

/** Qwen2 always has biases on q, k and v; llama and qwen3 where they say so; mistral never. */
function biases(
  architecture: ArchitectureName, config: Config,
): Pick<ModelConfig, 'qkvBias' | 'outputBias' | 'mlpBias'> {
  const attention = (architecture === 'llama' || architecture === 'qwen3') && config.attention_bias
  return {
    qkvBias: attention || architecture === 'qwen2',
    outputBias: attention,
    mlpBias: architecture === 'llama' && config.mlp_bias,
  }
}

/** How configurations of mixtures of experts call the number of experts. */
const expertCounts = ['num_experts', 'num_local_experts', 'n_routed_experts']

function refuseUnimplemented(config: Config, path: string): void {
  const refuse = (what: string): never => {
    throw new UserError(`${path}: ${what} is not implemented, and the model would be wrong without it`)
  }
  if (config.hidden_act !== 'silu') refuse(`hidden_act "${config.hidden_act}" (posttrain has silu)`)
  const experts = expertCounts.find(key => Number(config[key] ?? 0) > 0)
  if (experts !== undefined) refuse(`mixture of experts (${experts}: ${String(config[experts])})`)
  const partial = [config, config.rope_parameters, config.rope_scaling]
    .map(holder => holder?.partial_rotary_factor).find(factor => factor != null && factor !== 1)
  if (partial !== undefined) refuse(`partial_rotary_factor ${partial}`)
  if (config.quantization_config != null) {
    throw new UserError(`${path}: the weights are stored quantized (quantization_config). ` +
      'Take the unquantized model, or a GGUF file; posttrain quantizes by itself with base.precision')
  }
}

function checkHeads(headDim: number, heads: number, kvHeads: number, path: string): void {
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw new UserError(`${path}: a head has ${headDim} dimensions (hidden_size / num_attention_heads, or head_dim); ` +
      'it must be an even whole number')
  }
  if (heads % kvHeads !== 0) {
    throw new UserError(`${path}: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`)
  }
}

/** Both forms: `rope_scaling` (transformers 4, with `type` before 4.43) and `rope_parameters` (transformers 5). */
function ropeScaling(config: Config, path: string): RopeScaling {
  const key = config.rope_parameters != null ? 'rope_parameters' : 'rope_scaling'
  const rope = config.rope_parameters ?? config.rope_scaling ?? {}
  const type = rope.rope_type ?? rope.type ?? 'default'
  const needed = (name: 'factor' | 'low_freq_factor' | 'high_freq_factor'): number => {
    const value = rope[name]
    if (value == null) throw new UserError(`${path}: ${key} of type "${type}" has no ${name}`)
    return value
  }
  switch (type) {
    case 'default':
      return { type: 'none' }
    case 'linear':
      return { type: 'linear', factor: needed('factor') }
    case 'llama3':
      return {
        type: 'llama3',
        factor: needed('factor'),
        lowFrequencyFactor: needed('low_freq_factor'),
        highFrequencyFactor: needed('high_freq_factor'),
        originalMaxPositions: rope.original_max_position_embeddings ?? config.max_position_embeddings,
      }
    default:
      throw new UserError(`${path}: ${key} of type "${type}" is not implemented; ` +
        'posttrain has default, linear and llama3')
  }
}

/** The window that all layers share. Models whose layers differ in it are refused. */
function slidingWindow(config: Config, architecture: ArchitectureName, path: string): number | undefined {
  const window = config.sliding_window ?? undefined
  if (architecture === 'llama' || window === undefined) return undefined
  if (architecture === 'mistral') return window
  if (!config.use_sliding_window) return undefined
  const layers = config.num_hidden_layers
  const sliding = config.layer_types?.filter(type => type === 'sliding_attention').length
    ?? Math.max(0, layers - config.max_window_layers)
  if (sliding === 0) return undefined
  if (sliding === layers) return window
  throw new UserError(`${path}: ${sliding} of ${layers} layers have a sliding window, the others have none. ` +
    'posttrain implements a window only where all layers share it')
}
