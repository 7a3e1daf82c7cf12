/** The forward pass over packed sequences: what training differentiates and what scoring runs. */
import type { HostTensor } from '../../runtime/program.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { ModelConfig } from '../config.ts'
import { attendWithin, decoderLayers, finalHidden, type DecoderParts } from './decoder.ts'
import { rotaryInputs, type RotaryTable } from './rotary.ts'

/**
 * Sequences packed into bins: B bins of S positions, each holding whole sequences one after another.
 * Flat arrays are [B * S], row-major.
 */
export interface PackedBatch {
  readonly bins: number
  readonly length: number
  readonly ids: BigInt64Array
  /** Position within its sequence: restarts at 0 where a sequence begins. */
  readonly positions: Int32Array
  /** Number of the sequence within the batch; −1 is padding. */
  readonly segments: Int32Array
  /** What is predicted, N in all: at `positions[n]` (index into [B * S]) the token `labels[n]`, for input row `rows[n]`. */
  readonly targets: {
    readonly positions: Int32Array
    readonly labels: BigInt64Array
    readonly rows: Int32Array
  }
  /** Tokens of the packed rows, whole: what a run's tokens per second count. */
  readonly tokens: number
}

/** Log-probability of every target of a packed batch, [N]. Its graph inputs are those that `forwardFeeds` fills. */
export function packedLogprobs(config: ModelConfig, parts: DecoderParts): Tensor {
  const ids_BS = input('ids', 'int64', ['B', 'S'])
  const mask = input('mask', 'float32', ['B', 1, 'S', 'S'])
  const hidden = decoderLayers(config, parts, ids_BS, rotaryInputs(config), attendWithin(mask))
  const hidden_NH = finalHidden(config, parts, hidden, input('target_positions', 'int64', ['N']))
  return parts.logprobs(hidden_NH, input('labels', 'int64', ['N']))
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

/** 0 where a query may see a key: same sequence, not later, within the sliding window; [B, 1, S, S]. */
export function packedMask({ bins, length, segments }: PackedBatch, window: number | undefined): Float32Array {
  const mask = new Float32Array(bins * length * length).fill(masked)
  for (let query = 0; query < bins * length; query++) {
    const binStart = query - (query % length)
    const firstInWindow = window === undefined ? binStart : Math.max(binStart, query - window + 1)
    const row = query * length - binStart
    for (let key = query; key >= firstInWindow && segments[key] === segments[query]; key--) mask[row + key] = 0
  }
  return mask
}

/** Packs each sequence into a bin of its own; a target is each token after the first, or those with mask[i] = 1 for ids[i + 1]. */
export function onePerBin(sequences: readonly ArrayLike<number>[], masks?: readonly ArrayLike<number>[]): PackedBatch {
  const bins = sequences.length
  const length = Math.max(...sequences.map((ids) => ids.length))
  const ids = new BigInt64Array(bins * length)
  const positions = new Int32Array(bins * length)
  const segments = new Int32Array(bins * length).fill(-1)
  const at: number[] = []
  const labels: bigint[] = []
  const rows: number[] = []
  sequences.forEach((sequence, row) => {
    for (let i = 0; i < sequence.length; i++) {
      const place = row * length + i
      ids[place] = BigInt(sequence[i]!)
      positions[place] = i
      segments[place] = row
      if (i + 1 === sequence.length || masks?.[row]![i] === 0) continue
      at.push(place)
      labels.push(BigInt(sequence[i + 1]!))
      rows.push(row)
    }
  })
  return {
    bins,
    length,
    ids,
    positions,
    segments,
    targets: { positions: Int32Array.from(at), labels: BigInt64Array.from(labels), rows: Int32Array.from(rows) },
    tokens: sequences.reduce((sum, { length }) => sum + length, 0),
  }
}
