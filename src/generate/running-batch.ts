import type { ModelConfig } from '../models/config.ts'
import type { HostTensor } from '../runtime/program.ts'
import { AdapterSlots } from './adapter-slots.ts'
import { rowsInCache, type BatchLimits, type Group } from './admission.ts'
import { KeyValueCache, type NewRow } from './cache.ts'
import { blockLength } from './key-value-block.ts'
import type { PackedAdapter } from './packed-adapter.ts'
import type { Row } from './row.ts'
import type { Submission } from './submission.ts'

export interface SubmittedGroup extends Group {
  readonly submission: Submission
}

/** A row that decodes, and whose it is. */
export interface RunningRow {
  readonly row: Row
  readonly group: SubmittedGroup
}

/** A row that left the batch for want of memory, until there is room for it. */
interface ParkedRow extends RunningRow {
  readonly keysAndValues: Float32Array<ArrayBuffer>
}

/** The rows that decode, with their keys and values and the slots of their adapters. */
export class RunningBatch {
  readonly cache: KeyValueCache
  readonly slots: AdapterSlots
  readonly #config: ModelConfig
  readonly #limits: BatchLimits
  #rows: RunningRow[] = []
  /** The one that was parked last is the first to return. */
  #parked: ParkedRow[] = []

  constructor(config: ModelConfig, limits: BatchLimits) {
    this.#config = config
    this.#limits = limits
    this.cache = new KeyValueCache(config)
    this.slots = new AdapterSlots(config)
  }

  get rows(): readonly RunningRow[] {
    return this.#rows
  }

  get hasParked(): boolean {
    return this.#parked.length > 0
  }

  /** Those of the rows and of the parked ones, in the order of the rows, each once. */
  get groups(): SubmittedGroup[] {
    return [...new Set([...this.#rows, ...this.#parked].map(({ group }) => group))]
  }

  get adapters(): (PackedAdapter | undefined)[] {
    return this.#rows.map(({ group }) => group.adapter)
  }

  /** Takes in rows with their prompts' keys and values (KeyValueCache.add). */
  add(rows: readonly RunningRow[], outputs: Readonly<Record<string, HostTensor>>, places: readonly NewRow[]): void {
    this.cache.add(outputs, places)
    this.#rows.push(...rows)
  }

  /** Rows that came to their end or whose request ended leave; the last row takes a free place, as in the cache. */
  removeEnded(): void {
    this.#parked = this.#parked.filter(({ group }) => !group.submission.ended)
    for (let place = this.#rows.length - 1; place >= 0; place--) {
      const { row, group } = this.#rows[place]!
      if (row.completion === undefined && !group.submission.ended) continue
      this.cache.remove(place)
      this.#rows[place] = this.#rows.at(-1)!
      this.#rows.pop()
    }
  }

  /** Parks rows, the last ones, while the others have no room for their next token. */
  park(): void {
    while (this.#rows.length > 1 && this.#rows.length > rowsInCache(this.cache.longest + 1, this.#config, this.#limits)) {
      const last = this.#rows.length - 1
      this.#parked.push({ ...this.#rows.pop()!, keysAndValues: this.cache.copyOf(last) })
      this.cache.remove(last)
    }
  }

  /** Parked rows return when there is room for them, and for what they and the others say next. */
  returnParked(): void {
    while (this.#parked.length > 0) {
      const { row, group, keysAndValues } = this.#parked.at(-1)!
      const longest = Math.max(this.cache.longest, row.request.prompt.length + row.ids.length) + blockLength
      if (this.#rows.length > 0 && this.#rows.length + 1 > rowsInCache(longest, this.#config, this.#limits)) return
      this.#parked.pop()
      this.cache.restore(keysAndValues)
      this.#rows.push({ row, group })
    }
  }

  /** Gives the memory back, when there are no rows. */
  clear(): void {
    this.cache.clear()
    this.slots.clear()
  }
}
