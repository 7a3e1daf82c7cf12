import { UserError } from '../../errors.ts'
import type { ArchitectureName, ModelConfig, RopeScaling } from '../config.ts'
import type { GgufValue } from './gguf-parser.ts'
import { inverseFrequencies } from '../graph/rotary.ts'

/** llama.cpp calls mistral models llama, too: the two compute the same. */
const architectures: readonly ArchitectureName[] = ['llama', 'qwen2', 'qwen3']

/** What the tensors of the file say about the configuration. */
export interface GgufTensorFacts {
  readonly has: (ggufName: string) => boolean
  readonly vocabSize: number
  /** Values of `rope_freqs.weight`, by which llama-3 files divide the rotary frequencies. */
  readonly ropeFactors: Float32Array | undefined
}

/** The decoder's configuration from a GGUF file's metadata. Throws a UserError that names the key at fault. */
export function parseGgufConfig(
  metadata: ReadonlyMap<string, GgufValue>, facts: GgufTensorFacts, path: string,
): ModelConfig {
  const read = new ConfigReader(metadata, path)
  const architecture = read.architecture()
  read.refuseUnimplemented()
  const hiddenSize = read.count('embedding_length')
  const heads = read.count('attention.head_count')
  const headDim = read.optional('attention.key_length') ?? read.optional('rope.dimension_count') ?? hiddenSize / heads
  read.require('attention.value_length', headDim)
  read.require('rope.dimension_count', headDim)
  const config: ModelConfig = {
    architecture,
    hiddenSize,
    intermediateSize: read.count('feed_forward_length'),
    layers: read.count('block_count'),
    heads,
    kvHeads: read.optional('attention.head_count_kv') ?? heads,
    headDim,
    vocabSize: facts.vocabSize,
    normEps: read.decimal('attention.layer_norm_rms_epsilon'),
    ropeTheta: read.optionalDecimal('rope.freq_base') ?? 10_000,
    ropeScaling: { type: 'none' },
    tieEmbeddings: !facts.has('output.weight'),
    qkvBias: facts.has('blk.0.attn_q.bias'),
    outputBias: facts.has('blk.0.attn_output.bias'),
    mlpBias: facts.has('blk.0.ffn_up.bias'),
    qkNorm: facts.has('blk.0.attn_q_norm.weight'),
    maxPositions: read.count('context_length'),
    slidingWindow: read.optional('attention.sliding_window'),
    bosTokenId: read.tokenId('bos'),
    eosTokenIds: [...new Set([read.tokenId('eos'), read.tokenId('eot')].filter(id => id !== undefined))],
    padTokenId: read.tokenId('padding'),
  }
  read.checkHeads(config)
  return { ...config, ropeScaling: read.ropeScaling(config, facts.ropeFactors) }
}

/** Typed access to the keys of one architecture, with errors that name the key. */
class ConfigReader {
  readonly #metadata: ReadonlyMap<string, GgufValue>
  readonly #path: string
  readonly #prefix: string

  constructor(metadata: ReadonlyMap<string, GgufValue>, path: string) {
    this.#metadata = metadata
    this.#path = path
    this.#prefix = String(metadata.get('general.architecture'))
  }

  architecture(): ArchitectureName {
    const known = architectures.find(name => name === this.#prefix)
    if (known !== undefined) return known
    throw this.#error(`architecture "${this.#prefix}" is not implemented. ` +
      `posttrain reads ${architectures.join(', ')} from GGUF files (mistral models are stored as llama)`)
  }

  refuseUnimplemented(): void {
    const experts = this.optional('expert_count') ?? 0
    if (experts > 0) {
      throw this.#error(`a mixture of experts (${this.#prefix}.expert_count: ${experts}) is not implemented`)
    }
    if (Number(this.#metadata.get('split.count') ?? 1) > 1) {
      throw this.#error('it is one of several parts. Join them with llama.cpp (llama-gguf-split --merge)')
    }
  }

  /** A positive whole number. */
  count(key: string): number {
    const value = this.optional(key)
    if (value === undefined) throw this.#error(`its metadata has no ${this.#prefix}.${key}`)
    if (value === 0) throw this.#error(`its metadata has ${this.#prefix}.${key}: 0`)
    return value
  }

  /** A whole number that is not negative. */
  optional(key: string): number | undefined {
    const value = this.#metadata.get(`${this.#prefix}.${key}`)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    const shown = Array.isArray(value) ? 'a list (one for each layer)' : String(value)
    throw this.#error(`its metadata has ${this.#prefix}.${key}: ${shown}, where posttrain reads one whole number`)
  }

  decimal(key: string): number {
    const value = this.optionalDecimal(key)
    if (value === undefined) throw this.#error(`its metadata has no ${this.#prefix}.${key}`)
    return value
  }

  /** A positive number: the shortest decimal among those that the stored f32 stands for. */
  optionalDecimal(key: string): number | undefined {
    const value = this.#metadata.get(`${this.#prefix}.${key}`)
    if (value === undefined) return undefined
    if (typeof value !== 'number' || !(value > 0)) {
      throw this.#error(`its metadata has ${this.#prefix}.${key}: ${String(value)}, which is not a positive number`)
    }
    const short = Number(value.toPrecision(7))
    return Math.fround(short) === Math.fround(value) ? short : value
  }

  /** Refuses the file if the key is there and is not `expected`. */
  require(key: string, expected: number): void {
    const value = this.optional(key)
    if (value === undefined || value === expected) return
    throw this.#error(`its metadata has ${this.#prefix}.${key}: ${value}; ` +
      `only the size of a head, ${expected}, is implemented`)
  }

  tokenId(name: string): number | undefined {
    const value = this.#metadata.get(`tokenizer.ggml.${name}_token_id`)
    return typeof value === 'number' ? value : undefined
  }

  checkHeads({ headDim, heads, kvHeads }: ModelConfig): void {
    const isEven = Number.isInteger(headDim) && headDim % 2 === 0
    if (!isEven) throw this.#error(`a head has ${headDim} dimensions, not an even number`)
    const isShared = kvHeads > 0 && heads % kvHeads === 0
    if (!isShared) throw this.#error(`${heads} heads cannot share ${kvHeads} key-value heads`)
  }

  ropeScaling(config: ModelConfig, factors: Float32Array | undefined): RopeScaling {
    const type = this.#metadata.get(`${this.#prefix}.rope.scaling.type`) ?? 'none'
    if (type !== 'none' && type !== 'linear') {
      throw this.#error(`rope scaling "${String(type)}" is not implemented; posttrain has linear`)
    }
    const factor = this.optionalDecimal('rope.scaling.factor') ?? this.optionalDecimal('rope.scale_linear') ?? 1
    if (factors !== undefined) return this.#llama3Scaling(config, factors)
    return factor === 1 ? { type: 'none' } : { type: 'linear', factor }
  }

  /** Finds the llama-3 rule whose factors these are; the file holds only its outcome. */
  #llama3Scaling(config: ModelConfig, factors: Float32Array): RopeScaling {
    const factor = factors.reduce((largest, value) => Math.max(largest, value), 0)
    for (let originalMaxPositions = 32; originalMaxPositions <= 1 << 20; originalMaxPositions *= 2) {
      const ropeScaling = { ...llama3Rule, factor, originalMaxPositions }
      const expected = ropeFactors({ ...config, ropeScaling })
      const fits = factors.length === expected.length &&
        expected.every((value, i) => Math.abs(value - factors[i]!) <= 1e-4 * value)
      if (fits) return ropeScaling
    }
    throw this.#error('its rope_freqs.weight follows no rule that posttrain implements (that of Llama 3.1)')
  }

  #error(fault: string): UserError {
    return new UserError(`${this.#path}: ${fault}`)
  }
}

/** What all Llama 3 models have in common. */
const llama3Rule = { type: 'llama3', lowFrequencyFactor: 1, highFrequencyFactor: 4 } as const

/** By how much each rotary frequency is divided. headDim / 2 values */
export function ropeFactors(config: ModelConfig): Float32Array {
  const scaled = inverseFrequencies(config)
  const plain = inverseFrequencies({ ...config, ropeScaling: { type: 'none' } })
  return new Float32Array(plain.map((frequency, i) => frequency / scaled[i]!))
}
