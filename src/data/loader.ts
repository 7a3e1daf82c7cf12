import { Random } from '../random.ts'

/** Where a loader stands: `index` rows of `epoch` (both from 0) are taken. With the seed it is all a resume needs. */
export interface LoaderState {
  readonly epoch: number
  readonly index: number
}

/** One data set of a run. */
export interface LoaderPart {
  readonly rows: number
  /**
   * How often each row comes in an epoch: 1 (the default) once, 2 twice, 0.5 every other row, drawn anew each epoch.
   */
  readonly weight?: number
}

export interface LoaderOptions {
  readonly parts: readonly LoaderPart[]
  /** Rows of an optimizer step; the last step of an epoch takes what is left. */
  readonly batch: number
  readonly seed: number
  readonly shuffle: boolean
}

/** The rows of one optimizer step. */
export interface LoaderBatch {
  readonly epoch: number
  /** Indices into the parts' rows, laid end to end. */
  readonly rows: readonly number[]
}

/** A seeded order of rows, epoch after epoch without end, that continues from any state as if it had never stopped. */
export class Loader {
  readonly #options: LoaderOptions
  #state: LoaderState
  #order: { readonly epoch: number; readonly rows: readonly number[] } | undefined

  constructor(options: LoaderOptions, state: LoaderState = { epoch: 0, index: 0 }) {
    this.#options = options
    this.#state = state
  }

  /** Rows in an epoch, the same in each. */
  get rowsPerEpoch(): number {
    return this.#options.parts.reduce((sum, part) => sum + Math.round(part.rows * (part.weight ?? 1)), 0)
  }

  get stepsPerEpoch(): number {
    return Math.ceil(this.rowsPerEpoch / this.#options.batch)
  }

  /** Where the next batch begins. */
  get state(): LoaderState {
    return this.#state
  }

  /** The next batch; batches do not reach over the end of an epoch. Throws a RangeError where there are no rows. */
  next(): LoaderBatch {
    if (this.rowsPerEpoch === 0) throw new RangeError('The data sets have no rows.')
    const { epoch, index } = this.#state
    if (this.#order?.epoch !== epoch) this.#order = { epoch, rows: this.#epochOrder(epoch) }
    const rows = this.#order.rows.slice(index, index + this.#options.batch)
    const end = index + rows.length
    this.#state = end >= this.rowsPerEpoch ? { epoch: epoch + 1, index: 0 } : { epoch, index: end }
    return { epoch, rows }
  }

  #epochOrder(epoch: number): number[] {
    const random = new Random(this.#options.seed, epoch)
    const rows: number[] = []
    let offset = 0
    for (const part of this.#options.parts) {
      for (const row of weightedRows(part, random)) rows.push(offset + row)
      offset += part.rows
    }
    return this.#options.shuffle ? random.shuffle(rows) : rows
  }
}

/** Whole copies of a part, then a random choice of its rows, in their order, for the fraction. */
function weightedRows({ rows, weight = 1 }: LoaderPart, random: Random): number[] {
  const all = Array.from({ length: rows }, (_, row) => row)
  const copies = Math.floor(weight)
  const rest = Math.round(rows * weight) - rows * copies
  const chosen = rest === 0 ? [] : random.shuffle([...all]).slice(0, rest).toSorted((a, b) => a - b)
  return [...Array.from({ length: copies }, () => all).flat(), ...chosen]
}
