import type { KeyValueBlock } from './key-value-block.ts'

/** A prompt's beginning: an adapter and whole blocks of tokens. */
export interface Prefix {
  readonly id: number
  readonly parent: Prefix | undefined
  readonly key: string
}

interface Entry {
  readonly prefix: Prefix
  readonly block: KeyValueBlock
}

/**
 * Blocks of prompts that were read before, by adapter and all tokens up to their end: a tree, in which a block hangs below
 * the one before it. Blocks of an adapter serve that adapter alone. The least recently used go first, and a block never
 * before those below it.
 */
export class PrefixCache {
  readonly #budget: number
  /** By key, the least recently used first. */
  readonly #entries = new Map<string, Entry>()
  readonly #roots = new Map<string | undefined, Prefix>()
  #bytes = 0
  #ids = 0

  /** @param budget in bytes */
  constructor(budget: number) {
    this.#budget = budget
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The empty beginning. @param adapter its id; undefined: none */
  root(adapter: string | undefined): Prefix {
    const known = this.#roots.get(adapter)
    if (known !== undefined) return known
    const root = { id: this.#ids++, parent: undefined, key: '' }
    this.#roots.set(adapter, root)
    return root
  }

  /** The name of the block of these tokens after a beginning: equal for equal tokens. */
  keyOf(before: Prefix, tokens: readonly number[]): string {
    return `${before.id}:${tokens.join()}`
  }

  /** The block of that name, which is then in use by the caller too, and the beginning that ends with it. */
  find(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#touch(entry.prefix)
    entry.block.retain()
    return entry
  }

  /** Keeps a block beside its reader. @returns the beginning that ends with it */
  keep(before: Prefix, key: string, block: KeyValueBlock): Prefix {
    const known = this.#entries.get(key)
    if (known !== undefined) return known.prefix
    const prefix = { id: this.#ids++, parent: before, key }
    this.#entries.set(key, { prefix, block: block.retain() })
    this.#bytes += block.bytes
    this.#touch(prefix)
    this.#shrink(this.#budget)
    return prefix
  }

  /** Forgets the blocks of an adapter that is not asked for again. */
  forget(adapter: string): void {
    const root = this.#roots.get(adapter)
    this.#roots.delete(adapter)
    for (const { prefix } of [...this.#entries.values()]) if (rootOf(prefix) === root) this.#remove(prefix.key)
  }

  clear(): void {
    this.#shrink(0)
    this.#roots.clear()
  }

  /** Makes a beginning the latest, and each shorter one later still: what is oldest has nothing below it. */
  #touch(prefix: Prefix): void {
    for (let at: Prefix | undefined = prefix; at !== undefined; at = at.parent) {
      const entry = this.#entries.get(at.key)
      if (entry === undefined) continue
      this.#entries.delete(at.key)
      this.#entries.set(at.key, entry)
    }
  }

  #shrink(budget: number): void {
    for (const key of this.#entries.keys()) {
      if (this.#bytes <= budget) return
      this.#remove(key)
    }
  }

  #remove(key: string): void {
    const { block } = this.#entries.get(key)!
    this.#entries.delete(key)
    this.#bytes -= block.bytes
    block.release()
  }
}

function rootOf(prefix: Prefix): Prefix {
  let at = prefix
  while (at.parent !== undefined) at = at.parent
  return at
}
