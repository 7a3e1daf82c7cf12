/** What a chart draws, and says to those who do not see it: without the browser. */
import { count, figure } from '../format.ts'

/** A number, or that there is none here. */
export type Value = number | null

export interface ChartSeries {
  readonly label: string
  /** Ascending. */
  readonly x: readonly number[]
  /** One for each x; what is null is bridged. */
  readonly y: readonly Value[]
  /** Least and greatest values of which `y` are means; drawn as a band. */
  readonly low?: readonly Value[] | undefined
  readonly high?: readonly Value[] | undefined
  /** Few values, each of its own (evaluations): drawn with dots, and never smoothed. */
  readonly dots?: boolean
  readonly dashed?: boolean
  /** Which of the six series colours, 1 to 6; by its place unless given. */
  readonly colour?: number
}

export interface Range {
  readonly from: number
  readonly to: number
}

/** A line that is drawn. `raw`: the pale one beneath its smoothed self; `low` and `high`: the edges of a band. */
export interface Line {
  readonly of: number
  readonly role: 'main' | 'raw' | 'low' | 'high'
  readonly colour: number
  readonly dots: boolean
  readonly dashed: boolean
}

/** Lines over one common x, as uPlot takes them. */
export interface Plan {
  readonly lines: readonly Line[]
  readonly x: readonly number[]
  /** One row for each line; undefined where the line has no value of its own at that x. */
  readonly rows: readonly (readonly (Value | undefined)[])[]
}

/** @param smoothing 0 to 1: weight of what came before; 0 draws the values as they are */
export function planOf(series: readonly ChartSeries[], { log = false, smoothing = 0 } = {}): Plan {
  const x = [...new Set(series.flatMap((each) => each.x))].sort((a, b) => a - b)
  const place = new Map(x.map((value, i) => [value, i]))
  const lines: Line[] = []
  const rows: (Value | undefined)[][] = []
  series.forEach(({ x: own, y, low, high, dots = false, dashed = false, colour }, of) => {
    const add = (role: Line['role'], values: readonly Value[]): void => {
      const row = new Array<Value | undefined>(x.length).fill(undefined)
      own.forEach((at, i) => { row[place.get(at)!] = drawable(values[i] ?? null, log) })
      lines.push({ of, role, colour: colour ?? (of % 6) + 1, dots, dashed })
      rows.push(row)
    }
    if (low !== undefined && high !== undefined) {
      add('high', high)
      add('low', low)
    }
    const smooth = smoothing > 0 && !dots
    if (smooth) add('raw', y)
    add('main', smooth ? smoothed(y, smoothing) : y)
  })
  return { lines, x, rows }
}

/** A logarithm knows no numbers that are not above 0. */
function drawable(value: Value, log: boolean): Value {
  return value === null || !Number.isFinite(value) || (log && value <= 0) ? null : value
}

/** Exponential moving average, freed from the weight of its start (as Adam's moments are). */
export function smoothed(values: readonly Value[], weight: number): Value[] {
  let [sum, total] = [0, 0]
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return null
    sum = weight * sum + (1 - weight) * value
    total = weight * total + (1 - weight)
    return sum / total
  })
}

/** The value of a series at `x`, or its last before. */
export function valueAt({ x, y }: ChartSeries, at: number): Value {
  let [low, high] = [0, x.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (x[middle]! <= at) low = middle + 1
    else high = middle
  }
  for (let i = low - 1; i >= 0; i--) if (y[i] != null) return y[i]!
  return null
}

/** A sentence on each series: where it begins and ends, its least and greatest value, those of its band. @param along what x counts: "step" */
export function described(series: readonly ChartSeries[], along: string, range?: Range): string {
  return series.map((each) => `${each.label}: ${course(each, along, range)}`).join(' ')
}

function course({ x, y, low = y, high = y }: ChartSeries, along: string, { from = -Infinity, to = Infinity }: Partial<Range> = {}): string {
  const seen = y.flatMap((value, i) => (value !== null && x[i]! >= from && x[i]! <= to ? [{ at: x[i]!, value, low: low[i] ?? value, high: high[i] ?? value }] : []))
  const [first, last] = [seen[0], seen.at(-1)]
  if (first === undefined || last === undefined) return 'no values.'
  if (seen.length === 1) return `${figure(first.value)} at ${along} ${count(first.at)}.`
  const least = seen.reduce((a, b) => (b.low < a.low ? b : a))
  const greatest = seen.reduce((a, b) => (b.high > a.high ? b : a))
  return `from ${figure(first.value)} at ${along} ${count(first.at)} to ${figure(last.value)} at ${along} ${count(last.at)}; ` +
    `lowest ${figure(least.low)} at ${count(least.at)}, highest ${figure(greatest.high)} at ${count(greatest.at)}.`
}

/** At most `most` of the places of `x` within the range, evenly spread, the first and the last among them. */
export function tablePlaces(x: readonly number[], range: Range | undefined, most = 40): number[] {
  const seen = range === undefined ? [...x] : x.filter((at) => at >= range.from && at <= range.to)
  if (seen.length <= most) return seen
  return Array.from({ length: most }, (_, i) => seen[Math.round((i * (seen.length - 1)) / (most - 1))]!)
}
