import type { Statement, StatementResult } from './statement.ts'

/** A caller's statements, all of which are done or none. */
export type Write = readonly Statement[]

/** Does the writes of several callers in one transaction. One that fails for itself is rejected, and the others are done. */
export type Commit = (writes: readonly Write[]) => Promise<readonly PromiseSettledResult<readonly StatementResult[]>[]>

/** Bounds what one transaction holds: callers that wait for it, and characters in memory. */
const maxWrites = 500
const maxCharacters = 2 ** 24

interface Waiting {
  readonly write: Write
  readonly resolve: (results: readonly StatementResult[]) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Group commit: a flush to the disk costs milliseconds however much it flushes, so the writes that arrive during one go
 * into the next transaction together. They are done in the order of their arrival.
 */
export class GroupCommit {
  readonly #commit: Commit
  #waiting: Waiting[] = []
  #loop: Promise<void> | undefined

  constructor(commit: Commit) {
    this.#commit = commit
  }

  /** Resolves after the commit. */
  async write(write: Write): Promise<readonly StatementResult[]> {
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ write, resolve, reject })
      this.#loop ??= this.#commitAll()
    })
  }

  /** Resolves when everything that was written is committed. */
  async settled(): Promise<void> {
    await this.#loop
  }

  async #commitAll(): Promise<void> {
    // Those who write in the same turn of the event loop already go together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        const results = await this.#commit(group.map(({ write }) => write))
        for (const [i, { resolve, reject }] of group.entries()) {
          const result = results[i]!
          if (result.status === 'fulfilled') resolve(result.value)
          else reject(result.reason)
        }
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    // Here and not in a callback of the promise: between the two, someone could write and be left waiting.
    this.#loop = undefined
  }

  #nextGroup(): Waiting[] {
    let length = 0
    let characters = 0
    for (const { write } of this.#waiting) {
      characters += charactersOf(write)
      if (length > 0 && (length === maxWrites || characters > maxCharacters)) break
      length++
    }
    return this.#waiting.splice(0, length)
  }
}

function charactersOf(write: Write): number {
  let sum = 0
  for (const { parameters } of write) {
    for (const value of parameters) if (typeof value === 'string') sum += value.length
  }
  return sum
}
