/**
 * The peak of a run's resident memory, part by part. The constants were fitted to 22 runs of SmolLM2-135M; none of them is off
 * by more than 16%. bench/estimates.ts compares other runs with what comes of them.
 */
import type { DataKindName } from '../data/kinds.ts'
import type { ModelConfig } from '../models/config.ts'
import { linearModules } from '../models/graph/decoder.ts'
import type { Precision } from '../models/graph/linear-maps.ts'
import type { MemoryPart } from './run-estimate.ts'
import { sizesOf, type BatchShape, type Sizes } from './work.ts'

export interface MemoryInput {
  readonly sizes: Sizes
  readonly precision: Precision
  readonly kind: DataKindName
  /** Micro-batches of some steps. */
  readonly batches: readonly BatchShape[]
  /** Graphs without gradients that stay compiled beside the one that trains, the sampler's among them. */
  readonly forwardGraphs: number
  /** Where answers are sampled: how many a step has, and tokens of the longest prompt and of an answer. */
  readonly rows: number
  readonly prompt: number
  readonly answerTokens: number
}

/** Bytes for each weight: of the blocks' linear layers, and of the output head with the embedding. */
interface WeightBytes {
  readonly linear: number
  readonly head: number
}

/** Of the graph that trains: both directions, scales, what kernels rearrange and what is unpacked meanwhile. */
const training: Readonly<Record<Precision, WeightBytes>> = {
  f32: { linear: 4, head: 4 }, int8: { linear: 3, head: 2.4 }, int4: { linear: 2.1, head: 2.4 }, nf4: { linear: 1.8, head: 4 },
}
/** Of each further graph that runs forwards alone: the same pages are mapped again. */
const forwards: Readonly<Record<Precision, WeightBytes>> = {
  f32: { linear: 4, head: 4 }, int8: { linear: 1.7, head: 1.8 }, int4: { linear: 1.2, head: 1.8 }, nf4: { linear: 0.6, head: 4 },
}

/** Values, gradients, those that a run of the graph gives, two moments, and room between them. */
const copiesOfTrained = 5.5
/** Of what a sampler's cache takes at its largest, what is still taken when the graph that trains runs. */
const cacheShare = 0.65
const float = 4
const mib = 2 ** 20

export function memoryParts(input: MemoryInput): MemoryPart[] {
  const { sizes, precision, kind, batches, forwardGraphs, rows, prompt, answerTokens } = input
  const { config, linear, embedding, trained, adapter, normRows } = sizes
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config
  const weights = ({ linear: ofLinear, head }: WeightBytes): number => (adapter === 0 ? 0 : linear * ofLinear + embedding * head)
  const largest = (of: (shape: BatchShape) => number): number => batches.reduce((most, shape) => Math.max(most, of(shape)), 0)
  const positions = largest(({ bins, length }) => bins * length)
  const targets = largest((shape) => shape.targets)
  const scores = largest(({ bins, length }) => bins * length * length * scoreCopies(length))
  const kept = 5 * hiddenSize + 3 * intermediateSize + (normRows > 0 ? outputsOf(config) : 0)
  const cache = rows * (prompt + answerTokens) * layers * 2 * kvHeads * headDim * float
  const parts: readonly (readonly [MemoryPart['name'], bytes: number])[] = [
    ['process', 150 * mib + 1500 * vocabSize + 4.5 * mib * layers],
    ['base', weights(training[precision]) + forwardGraphs * weights(forwards[precision])],
    ['optimizer', trained * float * copiesOfTrained],
    ['activations', positions * layers * kept * float],
    ['attention', scores * layers * heads * float],
    ['logits', 2 * targets * vocabSize * float],
    ['sampling', kind === 'prompts' ? cacheShare * cache : 0],
  ]
  return parts.map(([name, bytes]) => ({ name, mb: bytes / mib }))
}

/** Of the probabilities of every layer, kept for the backward pass. Long sequences leave holes in ONNX Runtime's arena. */
function scoreCopies(length: number): number {
  return 1.2 + 0.85 * Math.min(1, Math.max(0, (length - 512) / 512))
}

/** Values that the linear layers of a block give for one position: DoRA's magnitudes keep them. */
function outputsOf({ hiddenSize, intermediateSize, heads, kvHeads, headDim }: ModelConfig): number {
  return (heads + 2 * kvHeads) * headDim + 2 * hiddenSize + 2 * intermediateSize
}

/** Positions of a micro-batch unless the recipe says otherwise. */
const microBatch = 512

/** Peak memory of training an adapter of rank 8 on rows that are at most so long, MiB. */
export function trainingMemory(config: ModelConfig, precision: Precision, longest: number): number {
  const sizes = sizesOf(config, { rank: 8, modules: linearModules(config) })
  const bins = Math.max(1, Math.floor(microBatch / longest))
  const batch = { bins, length: longest, targets: Math.ceil((bins * longest) / 2) }
  const parts = memoryParts({ sizes, precision, kind: 'sft', batches: [batch], forwardGraphs: 0, prompt: 0, answerTokens: 0, rows: 0 })
  return Math.round(parts.reduce((sum, { mb }) => sum + mb, 0))
}
