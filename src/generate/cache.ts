import type { HostTensor } from '../runtime/program.ts'
import { cacheNames } from '../models/graph/cached.ts'
import type { ModelConfig } from '../models/config.ts'
import { blockLength, free, freeFresh, freshNames, type KeyValueBlock } from './key-value-block.ts'

/** Room grows by this many positions at a time, so that few shapes occur and few copies are made. */
const granule = 64

/** Memory that a position of one row takes, in bytes. */
export function bytesPerPosition({ layers, kvHeads, headDim }: ModelConfig): number {
  return 2 * layers * kvHeads * headDim * Float32Array.BYTES_PER_ELEMENT
}

/** A row that joins, its prompt read. */
export interface NewRow {
  /** Which of the run's prompts is its. */
  readonly from: number
  /** How many of the run's S positions are that prompt's. */
  readonly length: number
  /** What comes before them. */
  readonly before: readonly KeyValueBlock[]
}

/**
 * Keys and values of the running rows, in the host's memory: for each layer [rows, G, room, D]. The first rows are in
 * use; one that ends is replaced by the last.
 */
export class KeyValueCache {
  readonly #config: ModelConfig
  /** The outputs with what each store gets. */
  readonly #fresh: readonly string[]
  readonly #lengths: number[] = []
  #room = 0
  #capacity = 0
  /** Keys and values of layer l at 2l and 2l + 1. */
  #stores: Float32Array<ArrayBuffer>[] = []

  constructor(config: ModelConfig) {
    this.#config = config
    this.#fresh = freshNames(config.layers)
    this.#stores = Array.from({ length: config.layers * 2 }, () => new Float32Array(0))
  }

  get rows(): number {
    return this.#lengths.length
  }

  /** Positions for which there is room, P. */
  get room(): number {
    return this.#room
  }

  length(row: number): number {
    return this.#lengths[row]!
  }

  /** Adds rows with the keys and values of their prompts, whose last positions a run returned as [n, G, S, D]. */
  add(outputs: Readonly<Record<string, HostTensor>>, rows: readonly NewRow[]): void {
    const lengths = rows.map(({ length, before }) => before.length * blockLength + length)
    this.#reserve(this.rows + rows.length, Math.max(this.#room, ...lengths))
    for (const { from, length, before } of rows) {
      this.#lengths.push(0)
      for (const block of before) this.#appendBlock(block, this.rows - 1)
      this.#append(outputs, from, this.rows - 1, length)
    }
  }

  /** Positions that the longest row has. */
  get longest(): number {
    return Math.max(0, ...this.#lengths)
  }

  /** Appends the one new position of each row, [rows, G, 1, D]. The outputs' memory is given back. */
  extend(outputs: Readonly<Record<string, HostTensor>>): void {
    this.#reserve(this.rows, Math.max(...this.#lengths) + 1)
    for (let row = 0; row < this.rows; row++) this.#append(outputs, row, row, 1)
    freeFresh(outputs, this.#config)
  }

  /** Takes a row out; the last row moves into its place. */
  remove(row: number): void {
    const last = this.rows - 1
    const size = this.#config.kvHeads * this.#room * this.#config.headDim
    if (row !== last) for (const store of this.#stores) store.copyWithin(row * size, last * size, (last + 1) * size)
    this.#lengths[row] = this.#lengths[last]!
    this.#lengths.pop()
  }

  /** A copy of a row's keys and values, [2 layers, G, length, D], for `restore`. */
  copyOf(row: number): Float32Array<ArrayBuffer> {
    const { kvHeads, headDim } = this.#config
    const size = this.#lengths[row]! * headDim
    const copy = new Float32Array(this.#stores.length * kvHeads * size)
    this.#stores.forEach((store, which) => {
      for (let group = 0; group < kvHeads; group++) {
        const from = (row * kvHeads + group) * this.#room * headDim
        copy.set(store.subarray(from, from + size), (which * kvHeads + group) * size)
      }
    })
    return copy
  }

  /** Adds a row that was there before; the copy's memory is given back. */
  restore(copy: Float32Array<ArrayBuffer>): void {
    const { kvHeads, headDim } = this.#config
    const size = copy.length / (this.#stores.length * kvHeads)
    const length = size / headDim
    this.#reserve(this.rows + 1, Math.max(this.#room, length))
    const row = this.#lengths.push(length) - 1
    this.#stores.forEach((store, which) => {
      for (let group = 0; group < kvHeads; group++) {
        const from = (which * kvHeads + group) * size
        store.set(copy.subarray(from, from + size), (row * kvHeads + group) * this.#room * headDim)
      }
    })
    free(copy)
  }

  /** Takes all rows out and gives the memory back at once; the garbage collector would let several rollouts' caches pile up. */
  clear(): void {
    for (const store of this.#stores) free(store)
    this.#stores = this.#stores.map(() => new Float32Array(0))
    this.#lengths.length = this.#room = this.#capacity = 0
  }

  /**
   * Graph inputs: views, not copies.
   * @param rows how many; places that are not in use hold some finite numbers
   */
  feeds(rows: number): Record<string, HostTensor> {
    const { layers, kvHeads, headDim } = this.#config
    const shape = [rows, kvHeads, this.#room, headDim]
    const size = rows * kvHeads * this.#room * headDim
    const feeds: Record<string, HostTensor> = {}
    for (let layer = 0; layer < layers; layer++) {
      const { k, v } = cacheNames.past(layer)
      feeds[k] = { data: this.#stores[2 * layer]!.subarray(0, size), shape }
      feeds[v] = { data: this.#stores[2 * layer + 1]!.subarray(0, size), shape }
    }
    return feeds
  }

  #append(outputs: Readonly<Record<string, HostTensor>>, from: number, row: number, count: number): void {
    const { kvHeads, headDim } = this.#config
    const start = this.#lengths[row]!
    this.#fresh.forEach((name, which) => {
      const { data, shape } = outputs[name]!
      const positions = shape[2]!
      const store = this.#stores[which]!
      for (let group = 0; group < kvHeads; group++) {
        const source = (from * kvHeads + group) * positions * headDim
        const target = ((row * kvHeads + group) * this.#room + start) * headDim
        store.set((data as Float32Array).subarray(source, source + count * headDim), target)
      }
    })
    this.#lengths[row] = start + count
  }

  #appendBlock({ values }: KeyValueBlock, row: number): void {
    const { kvHeads, headDim } = this.#config
    const start = this.#lengths[row]!
    const size = blockLength * headDim
    this.#stores.forEach((store, which) => {
      for (let group = 0; group < kvHeads; group++) {
        const source = (which * kvHeads + group) * size
        store.set(values.subarray(source, source + size), ((row * kvHeads + group) * this.#room + start) * headDim)
      }
    })
    this.#lengths[row] = start + blockLength
  }

  /** Makes room for `rows` rows of `positions` positions. */
  #reserve(rows: number, positions: number): void {
    const needed = Math.ceil(positions / granule) * granule
    // A copy costs as much as some steps over room that is not needed: a little of it is left as it is.
    const isTooMuch = needed <= this.#room - 2 * granule
    const room = needed > this.#room || isTooMuch ? needed : this.#room
    const grows = rows > this.#capacity
    if (!grows && room === this.#room) return
    const capacity = grows ? Math.max(2, rows, Math.min(2 * this.#capacity, rows + 32)) : Math.min(this.#capacity, Math.max(2, 2 * rows))
    const { kvHeads, headDim } = this.#config
    this.#stores = this.#stores.map((old) => {
      const store = new Float32Array(capacity * kvHeads * room * headDim)
      const kept = Math.min(room, this.#room) * headDim
      for (let head = 0; head < this.rows * kvHeads; head++) {
        const start = head * this.#room * headDim
        store.set(old.subarray(start, start + kept), head * room * headDim)
      }
      free(old)
      return store
    })
    this.#room = room
    this.#capacity = capacity
  }
}
