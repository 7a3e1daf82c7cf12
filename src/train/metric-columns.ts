/** The metrics of a run by key, to be drawn: one row for each step, thinned so that no spike is lost. */
import type { LineSink } from './growing-lines.ts'

/** More keys than these belong to no run of ours, and are passed over. */
const mostKeys = 256

/** Rows of numbers by ascending step; NaN where a row has no such number. */
export class MetricColumns {
  #length = 0
  #steps = new Float64Array(256)
  readonly #columns = new Map<string, Float64Array>()

  get length(): number {
    return this.#length
  }

  /** Bytes that are taken. */
  get bytes(): number {
    return this.#steps.byteLength * (this.#columns.size + 1)
  }

  get keys(): string[] {
    return [...this.#columns.keys()]
  }

  clear(): void {
    this.#length = 0
    this.#columns.clear()
  }

  /** Adds to the row of `step`; rows of later steps, which a resumed run takes once more, go. Only numbers are kept. */
  add(step: number, values: Readonly<Record<string, unknown>>): void {
    while (this.#length > 0 && this.#steps[this.#length - 1]! > step) this.#length -= 1
    if (this.#length === 0 || this.#steps[this.#length - 1]! < step) this.#addRow(step)
    const row = this.#length - 1
    for (const key in values) {
      const value = values[key]
      if (typeof value === 'number' && key !== 'step') this.#set(key, row, value)
    }
  }

  #addRow(step: number): void {
    if (this.#length === this.#steps.length) this.#grow()
    this.#steps[this.#length] = step
    for (const column of this.#columns.values()) column[this.#length] = NaN
    this.#length += 1
  }

  #grow(): void {
    const doubled = (column: Float64Array): Float64Array<ArrayBuffer> => {
      const larger = new Float64Array(column.length * 2).fill(NaN, column.length)
      larger.set(column)
      return larger
    }
    this.#steps = doubled(this.#steps)
    for (const [key, column] of this.#columns) this.#columns.set(key, doubled(column))
  }

  #set(key: string, row: number, value: number): void {
    let column = this.#columns.get(key)
    if (column === undefined) {
      if (this.#columns.size === mostKeys) return
      column = new Float64Array(this.#steps.length).fill(NaN)
      this.#columns.set(key, column)
    }
    column[row] = value
  }

  step(row: number): number {
    return this.#steps[row]!
  }

  /** A number for each row, NaN where it has none; undefined: no row has this key. Valid until the next row. */
  column(key: string): Float64Array | undefined {
    return this.#columns.get(key)?.subarray(0, this.#length)
  }

  /** The last value that there is; undefined where there is none. */
  last(key: string): number | undefined {
    return this.column(key)?.findLast((value) => !Number.isNaN(value))
  }

  /** The greatest value; undefined where there is none. */
  greatest(key: string): number | undefined {
    return this.column(key)?.reduce((greatest: number | undefined, value) => (value <= (greatest ?? -Infinity) || Number.isNaN(value) ? greatest : value), undefined)
  }

  /** The numbers of a row by key. */
  row(row: number): Record<string, number> {
    return Object.fromEntries([...this.#columns].flatMap(([key, column]) => (Number.isNaN(column[row]) ? [] : [[key, column[row]!]])))
  }

  /** The first row whose step is not below `step`. */
  rowAt(step: number): number {
    let [low, high] = [0, this.#length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#steps[middle]! < step) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Reads lines of metrics.jsonl into columns; a line that is none is passed over. */
export function metricSink(columns: MetricColumns): LineSink {
  return {
    line(bytes) {
      const record = parseRecord(bytes.toString())
      if (record !== undefined) columns.add(record.step, record)
    },
    clear() { columns.clear() },
  }
}

/** A line of a log; undefined where it is no JSON object with a step. */
export function parseRecord(line: string): Readonly<Record<string, unknown>> & { readonly step: number } | undefined {
  try {
    const record: unknown = JSON.parse(line)
    return typeof record === 'object' && record !== null && 'step' in record && Number.isSafeInteger(record.step)
      ? record as Readonly<Record<string, unknown>> & { readonly step: number }
      : undefined
  } catch {
    return undefined
  }
}
