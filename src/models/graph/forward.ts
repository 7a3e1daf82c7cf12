/** The forward pass over packed sequences: what training differentiates and what scoring runs. */
import type { HostTensor } from '../../runtime/program.ts'
import { mul } from '../../tensor/operators.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { ModelConfig } from '../config.ts'
import { attendWithin, decoderLayers, finalHidden, type DecoderParts } from './decoder.ts'
import { rotaryInputs, type RotaryTable } from './rotary.ts'

/**
 * Trees of sequences packed into bins: B bins of S positions, each holding whole trees one after another. A tree is a
 * stem and the branches that go on from it: each branch sees the stem and itself, so that what several sequences begin
 * with is computed once. A sequence that shares nothing is a single branch. Flat arrays are [B * S], row-major.
 */
export interface PackedBatch {
  readonly bins: number
  readonly length: number
  readonly ids: BigInt64Array
  /** Position within its sequence: stem from 0, each branch from where the stem ends. */
  readonly positions: Int32Array
  /** Which tree a position belongs to, a part of a tree that was split being one of its own; −1 is padding. */
  readonly segments: Int32Array
  /** Number of the branch within its tree; −1 is the stem. */
  readonly branches: Int32Array
  /** What is predicted, N in all: at `positions[n]` (index into [B * S]) the token `labels[n]`, for sequence `sequences[n]`. */
  readonly targets: {
    readonly positions: Int32Array
    readonly labels: BigInt64Array
    /** Indices into `sequences`; −1 − t for a target in the stem of the batch's tree t (index into `trees`). */
    readonly sequences: Int32Array
  }
  /** The trees of this batch, in order, by their number among those that were packed. */
  readonly trees: Int32Array
  /** The branches of this batch, Q in all, tree after tree. */
  readonly sequences: {
    /** Number of the tree among those that were packed. */
    readonly trees: Int32Array
    /** Number of the branch within its tree. */
    readonly branches: Int32Array
  }
  /** Tokens of the packed trees, whole: what a run's tokens per second count. */
  readonly tokens: number
}

/** The decoder over a packed batch, as far as losses need it. */
export interface PackedForward {
  /** Normed hidden states at the targets' positions, [N, H]. */
  readonly hidden_NH: Tensor
  /** Log-probability of every target at temperature 1, or at another one: of softmax(logits / T). [N] */
  logprobs(temperature?: number): Tensor
}

/** The forward pass over a packed batch. Its graph inputs are those that `forwardFeeds` fills. */
export function packedForward(config: ModelConfig, parts: DecoderParts): PackedForward {
  const ids_BS = input('ids', 'int64', ['B', 'S'])
  const mask = input('mask', 'float32', ['B', 1, 'S', 'S'])
  const hidden = decoderLayers(config, parts, ids_BS, rotaryInputs(config), attendWithin(mask))
  const hidden_NH = finalHidden(config, parts, hidden, input('target_positions', 'int64', ['N']))
  const labels_N = input('labels', 'int64', ['N'])
  return {
    hidden_NH,
    // The head is linear: a hidden state divided by T gives the logits divided by T.
    logprobs: (temperature = 1) => parts.logprobs(temperature === 1 ? hidden_NH : mul(hidden_NH, 1 / temperature), labels_N),
  }
}

/** Log-probability of every target of a packed batch, [N]. Its graph inputs are those that `forwardFeeds` fills. */
export function packedLogprobs(config: ModelConfig, parts: DecoderParts): Tensor {
  return packedForward(config, parts).logprobs()
}

/** The graph inputs of `packedLogprobs` for one batch. */
export function forwardFeeds(config: ModelConfig, batch: PackedBatch, rotary: RotaryTable): Record<string, HostTensor> {
  const { bins, length, targets } = batch
  const count = [targets.labels.length]
  return {
    ids: { data: batch.ids, shape: [bins, length] },
    ...rotary.feeds(batch.positions, bins, length),
    mask: { data: packedMask(batch, config.slidingWindow), shape: [bins, 1, length, length] },
    target_positions: { data: BigInt64Array.from(targets.positions, BigInt), shape: count },
    labels: { data: targets.labels, shape: count },
  }
}

/** Added to the score of a pair that may not attend: exp of it is 0, and it overflows with no other score. */
export const masked = -1e30

/** 0 where a query may see a key: same tree, of the stem or the same branch, not later, within the window; [B, 1, S, S]. */
export function packedMask({ bins, length, positions, segments, branches }: PackedBatch, window = Infinity): Float32Array {
  const mask = new Float32Array(bins * length * length).fill(masked)
  for (let query = 0; query < bins * length; query++) {
    const binStart = query - (query % length)
    const row = query * length - binStart
    const firstPosition = positions[query]! - window + 1
    for (let key = query; key >= binStart && segments[key] === segments[query]; key--) {
      const seen = branches[key] === branches[query] || branches[key] === -1
      if (seen && positions[key]! >= firstPosition) mask[row + key] = 0
    }
  }
  return mask
}

/** Packs each sequence into a bin of its own; a target is each token after the first, or those with mask[i] = 1 for ids[i + 1]. */
export function onePerBin(rows: readonly ArrayLike<number>[], masks?: readonly ArrayLike<number>[]): PackedBatch {
  const bins = rows.length
  const length = Math.max(...rows.map((ids) => ids.length))
  const ids = new BigInt64Array(bins * length)
  const positions = new Int32Array(bins * length)
  const segments = new Int32Array(bins * length).fill(-1)
  const at: number[] = []
  const labels: bigint[] = []
  const sequences: number[] = []
  rows.forEach((row, number) => {
    for (let i = 0; i < row.length; i++) {
      const place = number * length + i
      ids[place] = BigInt(row[i]!)
      positions[place] = i
      segments[place] = number
      if (i + 1 === row.length || masks?.[number]![i] === 0) continue
      at.push(place)
      labels.push(BigInt(row[i + 1]!))
      sequences.push(number)
    }
  })
  const trees = Int32Array.from(rows.keys())
  return {
    bins,
    length,
    ids,
    positions,
    segments,
    branches: new Int32Array(bins * length),
    targets: { positions: Int32Array.from(at), labels: BigInt64Array.from(labels), sequences: Int32Array.from(sequences) },
    trees,
    sequences: { trees, branches: new Int32Array(bins) },
    tokens: rows.reduce((sum, { length }) => sum + length, 0),
  }
}
