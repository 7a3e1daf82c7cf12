/** The peak of a run's resident memory, part by part. */
import type { DataKindName } from '../data/kinds.ts'
import type { ModelConfig } from '../models/config.ts'
import { linearModules } from '../models/graph/decoder.ts'
import type { Precision } from '../models/graph/linear-maps.ts'
import { sizesOf, type BatchShape, type Sizes } from './work.ts'

export interface MemoryPart {
  readonly name: 'process' | 'base' | 'optimizer' | 'activations' | 'attention' | 'logits' | 'cache'
  readonly mb: number
}

export interface MemoryInput {
  readonly sizes: Sizes
  readonly precision: Precision
  readonly kind: DataKindName
  /** Micro-batches of some steps. */
  readonly batches: readonly BatchShape[]
  /** Where answers are sampled: tokens of the longest prompt and of an answer, and answers of a step. */
  readonly prompt: number
  readonly answerTokens: number
  readonly rows: number
}

/** Bytes of a weight of the blocks' linear layers: copies for both directions, scales and rearranged copies included. */
const bytesOfWeight: Readonly<Record<Precision, number>> = { f32: 4, int8: 4.3, int4: 1.5, nf4: 0.6 }

const mib = 2 ** 20

export function memoryParts({ sizes, precision, kind, batches, prompt, answerTokens, rows }: MemoryInput): MemoryPart[] {
  const { config, linear, embedding, trained, adapter } = sizes
  const full = adapter === 0
  const largest = <Value>(of: (shape: BatchShape) => Value & number): number => batches.reduce((most, shape) => Math.max(most, of(shape)), 0)
  const positions = largest(({ bins, length }) => bins * length)
  const scores = largest(({ bins, length }) => bins * length * length)
  const targets = largest((shape) => shape.targets)
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim } = config
  return [
    { name: 'process', mb: 180 },
    { name: 'base', mb: (full ? 0 : linear * bytesOfWeight[precision] + embedding * 4) / mib },
    // Values, two moments, gradients, and the gradients that a run of the graph gives.
    { name: 'optimizer', mb: (trained * 4 * 5) / mib },
    { name: 'activations', mb: (positions * layers * (8 * hiddenSize + 4 * intermediateSize) * 4) / mib },
    { name: 'attention', mb: (scores * layers * heads * 4) / mib },
    { name: 'logits', mb: (targets * config.vocabSize * 4 * 2) / mib },
    { name: 'cache', mb: kind === 'prompts' ? (rows * (prompt + answerTokens) * layers * 2 * kvHeads * headDim * 4 * 2) / mib : 0 },
  ]
}

/** Positions of a micro-batch unless the recipe says otherwise. */
const microBatch = 512

/** Peak memory of training an adapter of rank 8 on rows that are at most so long, MiB. */
export function trainingMemory(config: ModelConfig, precision: Precision, longest: number): number {
  const sizes = sizesOf(config, { rank: 8, modules: linearModules(config) })
  const bins = Math.max(1, Math.floor(microBatch / longest))
  const batch = { bins, length: longest, targets: Math.ceil((bins * longest) / 2) }
  const parts = memoryParts({ sizes, precision, kind: 'sft', batches: [batch], prompt: 0, answerTokens: 0, rows: 0 })
  return Math.round(parts.reduce((sum, { mb }) => sum + mb, 0))
}
