import { UserError } from '../errors.ts'
import type { PackedBatch } from '../models/graph/forward.ts'
import type { RenderedRow } from './render.ts'

export interface PackOptions {
  /** The most positions (B*S) of a micro-batch; a longer row gets a micro-batch of its own. */
  readonly maxTokens?: number
}

/** Bin lengths are multiples of this, so that few shapes of graph inputs occur. */
const granule = 16

/**
 * Sequence length at which attention costs as much as all linear layers of a small model (for SmolLM2-135M:
 * 2.1e8 operations a token in linear layers, 6.9e4 for each position attended to).
 */
const attentionLength = 3000

/**
 * Packs the rows of an optimizer step into micro-batches, without padding between rows, best fit decreasing.
 * A sequence is in a batch only as far as a prediction needs it: through the token before its last loss-carrying one.
 * Each loss-carrying token is the label of exactly one target. The result depends on nothing but the arguments.
 * Throws where a row carries no loss: such rows are to be left out before, and counted.
 */
export function packRows(rows: readonly RenderedRow[], { maxTokens = 512 }: PackOptions = {}): PackedBatch[] {
  const lengths = rows.map((row, index) => {
    const needed = row.mask.lastIndexOf(1)
    if (needed > 0) return needed
    throw new UserError(`Row ${index + 1} of this step has no token that carries loss.`)
  })
  if (rows.length === 0) return []
  const { length, bins } = bestLayout(lengths, maxTokens)
  const binsAtOnce = Math.max(1, Math.floor(maxTokens / length))
  const batches = Math.ceil(bins.length / binsAtOnce)
  const share = Math.ceil(bins.length / batches)
  return Array.from({ length: Math.ceil(bins.length / share) }, (_, batch) =>
    fill(bins.slice(batch * share, (batch + 1) * share), rows, lengths),
  )
}

/** The share of positions that hold no token. */
export function paddingShare(batches: readonly PackedBatch[]): number {
  let positions = 0
  let padding = 0
  for (const { segments } of batches) {
    positions += segments.length
    for (const segment of segments) if (segment === -1) padding++
  }
  return positions === 0 ? 0 : padding / positions
}

interface Bin {
  readonly rows: number[]
  used: number
}

/** The bin length, among those from the longest row to a whole micro-batch, that costs the least to compute. */
function bestLayout(lengths: readonly number[], maxTokens: number): { length: number; bins: Bin[] } {
  const shortest = roundUp(lengths.reduce((longest, length) => Math.max(longest, length), 0))
  const longest = Math.max(shortest, Math.floor(maxTokens / granule) * granule)
  const order = lengths.map((_, index) => index).toSorted((a, b) => lengths[b]! - lengths[a]! || a - b)
  let best: { length: number; bins: Bin[]; cost: number } | undefined
  for (let length = shortest; length <= longest; length += granule) {
    const bins = bestFit(order, lengths, length)
    const cost = bins.length * length * (1 + length / attentionLength)
    if (best === undefined || cost < best.cost) best = { length, bins, cost }
    if (bins.length === 1) break
  }
  return best!
}

/** Each row, longest first, goes into the bin where the least room is left. */
function bestFit(order: readonly number[], lengths: readonly number[], capacity: number): Bin[] {
  const bins: Bin[] = []
  for (const row of order) {
    const length = lengths[row]!
    let tightest: Bin | undefined
    for (const bin of bins) {
      if (bin.used + length <= capacity && (tightest === undefined || bin.used > tightest.used)) tightest = bin
    }
    if (tightest === undefined) bins.push({ rows: [row], used: length })
    else {
      tightest.rows.push(row)
      tightest.used += length
    }
  }
  return bins.toSorted((a, b) => b.used - a.used)
}

function fill(bins: readonly Bin[], rows: readonly RenderedRow[], lengths: readonly number[]): PackedBatch {
  const length = roundUp(Math.max(...bins.map(bin => bin.used)))
  const ids = new BigInt64Array(bins.length * length)
  const positions = new Int32Array(ids.length)
  const segments = new Int32Array(ids.length).fill(-1)
  const targetPositions: number[] = []
  const labels: bigint[] = []
  const targetRows: number[] = []
  let tokens = 0
  bins.forEach((bin, binIndex) => {
    let at = binIndex * length
    for (const row of bin.rows) {
      const { ids: rowIds, mask } = rows[row]!
      tokens += rowIds.length
      for (let position = 0; position < lengths[row]!; position++, at++) {
        ids[at] = BigInt(rowIds[position]!)
        positions[at] = position
        segments[at] = row
        if (mask[position + 1] !== 1) continue
        targetPositions.push(at)
        labels.push(BigInt(rowIds[position + 1]!))
        targetRows.push(row)
      }
    }
  })
  return {
    bins: bins.length,
    length,
    ids,
    positions,
    segments,
    targets: {
      positions: Int32Array.from(targetPositions),
      labels: BigInt64Array.from(labels),
      rows: Int32Array.from(targetRows),
    },
    tokens,
  }
}

function roundUp(length: number): number {
  return Math.ceil(length / granule) * granule
}
