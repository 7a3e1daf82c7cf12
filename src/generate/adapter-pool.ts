import { UserError } from '../errors.ts'
import type { AdapterRef } from './live-model.ts'
import type { PackedAdapter } from './packed-adapter.ts'

interface Place {
  readonly id: string
  readonly adapter: Promise<PackedAdapter>
  /** Known once it is loaded. */
  bytes: number
  /** Requests that run with it, or wait for it. */
  users: number
  isPinned: boolean
  /** Goes as soon as nobody uses it. */
  isDropped: boolean
}

/**
 * Adapters in memory: a bounded number, the least recently used goes first. One that is in use or pinned stays; where all
 * are, who asks for another one waits. Requests for one adapter load it once.
 */
export class AdapterPool {
  readonly #load: (ref: AdapterRef) => Promise<PackedAdapter>
  readonly #most: number
  /** The least recently used first. */
  readonly #places = new Map<string, Place>()
  /** Wakes those that wait for a place, the first first. */
  readonly #queue: (() => void)[] = []
  #loads = 0
  #evictions = 0

  constructor(load: (ref: AdapterRef) => Promise<PackedAdapter>, most: number) {
    this.#load = load
    this.#most = most
  }

  get ids(): string[] {
    return [...this.#places.keys()]
  }

  get bytes(): number {
    return [...this.#places.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get loads(): number {
    return this.#loads
  }

  get evictions(): number {
    return this.#evictions
  }

  /** An adapter, which stays in memory until it is released as often as it was acquired. Throws what loading throws. */
  async acquire(ref: AdapterRef): Promise<PackedAdapter> {
    let place = this.#use(ref)
    while (place === undefined) {
      await new Promise<void>((resolve) => { this.#queue.push(resolve) })
      place = this.#use(ref)
    }
    try {
      return await place.adapter
    } catch (error) {
      this.#release(place)
      throw error
    }
  }

  release(id: string): void {
    const place = this.#places.get(id)
    if (place !== undefined) this.#release(place)
  }

  /** Loads an adapter and keeps it. Throws a UserError where the others that are pinned leave no room for more. */
  async pin(ref: AdapterRef): Promise<void> {
    const pinned = [...this.#places.values()].filter(({ id, isPinned }) => isPinned && id !== ref.id).length
    if (pinned + 1 >= this.#most) {
      throw new UserError(`${pinned} adapters are pinned and at most ${this.#most} are kept in memory: one place is left for the others. Unpin one`, { exitCode: 2 })
    }
    await this.acquire(ref)
    const place = this.#places.get(ref.id)!
    place.isPinned = true
    place.isDropped = false
    this.#release(place)
  }

  unpin(id: string): void {
    const place = this.#places.get(id)
    if (place === undefined) return
    place.isPinned = false
    this.#wake()
  }

  /** Forgets an adapter once nobody uses it. */
  drop(id: string): void {
    const place = this.#places.get(id)
    if (place === undefined) return
    place.isPinned = false
    place.isDropped = true
    if (place.users === 0) this.#remove(place)
  }

  /** The adapter's place, with one user more; undefined where there is no room for it. */
  #use(ref: AdapterRef): Place | undefined {
    const place = this.#places.get(ref.id) ?? (this.#hasRoom() ? this.#begin(ref) : undefined)
    if (place === undefined) return undefined
    place.users++
    this.#places.delete(ref.id)
    this.#places.set(ref.id, place)
    // Whoever was woken for this room may not have needed it.
    if (this.#queue.length > 0) this.#wake()
    return place
  }

  #begin(ref: AdapterRef): Place {
    this.#loads++
    const place: Place = { id: ref.id, adapter: this.#load(ref), bytes: 0, users: 0, isPinned: false, isDropped: false }
    place.adapter.then(({ bytes }) => { place.bytes = bytes }, () => { this.#remove(place) })
    return place
  }

  /** Makes room for one more, if need be by putting the least recently used out. */
  #hasRoom(): boolean {
    if (this.#places.size < this.#most) return true
    const idle = [...this.#places.values()].find(({ users, isPinned }) => users === 0 && !isPinned)
    if (idle === undefined) return false
    this.#evictions++
    this.#places.delete(idle.id)
    return true
  }

  #release(place: Place): void {
    place.users--
    if (place.users > 0) return
    if (place.isDropped) this.#remove(place)
    else this.#wake()
  }

  #remove(place: Place): void {
    if (this.#places.get(place.id) === place) this.#places.delete(place.id)
    this.#wake()
  }

  #wake(): void {
    this.#queue.shift()?.()
  }
}
