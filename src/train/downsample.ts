import type { MetricColumns } from './metric-columns.ts'

/** One number for each point; null where its rows have none. */
export interface ThinnedSeries {
  readonly mean: readonly (number | null)[]
  /** Least and greatest value of the point's rows; left out where each point is one row. */
  readonly min?: readonly (number | null)[]
  readonly max?: readonly (number | null)[]
}

export interface Thinned {
  /** Rows of each point. */
  readonly rows: number
  /** The step in the middle of each point. */
  readonly steps: readonly number[]
  readonly series: Readonly<Record<string, ThinnedSeries>>
}

export interface ThinRequest {
  readonly keys: readonly string[]
  /** The most points, but for those that the range cuts. */
  readonly points: number
  /** First and last step. The nearest rows on either side are given too: a line goes on beyond what is seen of it. */
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/**
 * Rows drawn together into at most `points` points, each with mean, least and greatest value: a spike of one step stays.
 * A point has 1, 2, 4 … rows and begins at a multiple of that number, so that points stay where they are while a run grows.
 */
export function downsample(columns: MetricColumns, { keys, points, from = -Infinity, to = Infinity }: ThinRequest): Thinned {
  const [first, end] = [Math.max(0, columns.rowAt(from) - 1), Math.min(columns.length, columns.rowAt(nextAbove(to)) + 1)]
  const rows = sizeOf(end - first, points)
  const edges: number[] = []
  for (let row = first; row < end; row += rows - (row % rows)) edges.push(row)
  edges.push(end)
  const steps = edges.slice(0, -1).map((start, i) => columns.step((start + edges[i + 1]! - 1) >>> 1))
  const series = keys.flatMap((key) => {
    const column = columns.column(key)
    return column === undefined ? [] : [[key, rows === 1 ? exact(column.subarray(first, end)) : thinned(column, edges)] as const]
  })
  return { rows, steps, series: Object.fromEntries(series) }
}

/** Steps are whole numbers, ranges need not be. */
function nextAbove(step: number): number {
  return Number.isInteger(step) ? step + 1 : Math.ceil(step)
}

/** The least power of two with which so many rows make no more points. */
function sizeOf(rows: number, points: number): number {
  return rows <= points ? 1 : 2 ** Math.ceil(Math.log2(rows / points))
}

function exact(values: Float64Array): ThinnedSeries {
  return { mean: Array.from(values, (value) => (Number.isFinite(value) ? value : null)) }
}

function thinned(column: Float64Array, edges: readonly number[]): ThinnedSeries {
  const mean: (number | null)[] = []
  const min: (number | null)[] = []
  const max: (number | null)[] = []
  for (let i = 0; i + 1 < edges.length; i++) {
    let [sum, count, least, greatest] = [0, 0, Infinity, -Infinity]
    for (let row = edges[i]!; row < edges[i + 1]!; row++) {
      const value = column[row]!
      if (!Number.isFinite(value)) continue
      sum += value
      count += 1
      if (value < least) least = value
      if (value > greatest) greatest = value
    }
    mean.push(count === 0 ? null : sum / count)
    min.push(count === 0 ? null : least)
    max.push(count === 0 ? null : greatest)
  }
  return { mean, min, max }
}
