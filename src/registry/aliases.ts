/** Names that stand for an adapter and can be moved to another while clients keep asking for them. */
import type { Compilable } from 'kysely'
import type { Row, Store } from '../store/index.ts'
import { ConflictError, NotFoundError } from './errors.ts'
import { checkName } from './names.ts'

export interface Alias {
  readonly name: string
  /** null: the base. */
  readonly adapterId: string | null
  /** Milliseconds since 1970. */
  readonly updatedAt: number
}

export interface AliasMove {
  readonly alias: string
  readonly adapterId: string | null
  /** Where it pointed before; null also for an alias that was new. */
  readonly previousId: string | null
  readonly createdAt: number
  readonly reason: string
}

/** What the aliases must know of the other names. */
export interface AliasTargets {
  isAdapter(id: string): boolean
  /** What else goes by this name, for the error: `the base model`; undefined: nothing. */
  takenBy(name: string): string | undefined
}

/** All aliases, held in memory beside the store: every request asks for them. */
export class Aliases {
  readonly #store: Store
  readonly #targets: AliasTargets
  readonly #byName: Map<string, Alias>
  /** Ends when the move before has: two moves at once would both take the same adapter for the previous one. */
  #lastMove: Promise<unknown> = Promise.resolve()

  private constructor(store: Store, targets: AliasTargets, aliases: readonly Alias[]) {
    this.#store = store
    this.#targets = targets
    this.#byName = new Map(aliases.map((alias) => [alias.name, alias]))
  }

  static async open(store: Store, targets: AliasTargets): Promise<Aliases> {
    const rows = await store.db.selectFrom('aliases').selectAll().orderBy('name').execute()
    return new Aliases(store, targets, rows.map((row) => ({ name: row.name, adapterId: row.adapter_id, updatedAt: row.updated_at })))
  }

  get(name: string): Alias | undefined {
    return this.#byName.get(name)
  }

  list(): Alias[] {
    return [...this.#byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** The aliases that point to an adapter. */
  pointingTo(adapterId: string): Alias[] {
    return this.list().filter((alias) => alias.adapterId === adapterId)
  }

  /**
   * Points an alias to an adapter, or to the base (null); the next request is answered by it. Makes the alias if there is none.
   * @param reason why, for the history
   * @throws NotFoundError where there is no such adapter; ConflictError where the name is taken
   */
  async move(name: string, adapterId: string | null, reason: string): Promise<AliasMove> {
    return this.#inTurn(() => this.#move(name, adapterId, reason))
  }

  /**
   * Points an alias to where it pointed before its last move. That is a move too: a second rollback undoes the first.
   * @throws NotFoundError where there is no such alias; ConflictError where it was never moved, or where the adapter is gone
   */
  async rollback(name: string, reason = 'rolled back'): Promise<AliasMove> {
    return this.#inTurn(async () => {
      const [last, first] = await this.history(name, 2)
      if (first === undefined) throw new ConflictError(`alias ${name} was never moved: there is nothing to roll back to`)
      const target = last!.previousId
      if (target !== null && !this.#targets.isAdapter(target)) {
        throw new ConflictError(`alias ${name} pointed to ${target} before, which was removed. Move it to another adapter`)
      }
      return this.#move(name, target, reason)
    })
  }

  /** The moves of an alias, the newest first. @throws NotFoundError */
  async history(name: string, limit = 100): Promise<AliasMove[]> {
    if (!this.#byName.has(name)) throw new NotFoundError(`There is no alias ${name}`)
    const rows = await this.#store.db.selectFrom('alias_moves').selectAll()
      .where('alias', '=', name).orderBy('sequence', 'desc').limit(limit).execute()
    return rows.map(moveOf)
  }

  /** Removes an alias; its history stays. @throws NotFoundError */
  async remove(name: string): Promise<void> {
    await this.#inTurn(async () => {
      if (!this.#byName.has(name)) throw new NotFoundError(`There is no alias ${name}`)
      await this.#store.write(this.#store.db.deleteFrom('aliases').where('name', '=', name))
      this.#byName.delete(name)
    })
  }

  /**
   * Takes an adapter away: its aliases point to the base from then on.
   * @param removal what else is written with it
   */
  async moveAway(adapterId: string, reason: string, removal: Compilable): Promise<void> {
    await this.#inTurn(async () => {
      const aliases = this.pointingTo(adapterId)
      const now = Date.now()
      await this.#store.write(...aliases.flatMap(({ name }) => this.#queries(name, null, adapterId, now, reason)), removal)
      for (const { name } of aliases) this.#byName.set(name, { name, adapterId: null, updatedAt: now })
    })
  }

  async #move(name: string, adapterId: string | null, reason: string): Promise<AliasMove> {
    checkName(name, 'alias')
    const owner = this.#targets.takenBy(name)
    if (owner !== undefined) throw new ConflictError(`${name} is the name of ${owner}: choose another for the alias`)
    if (adapterId !== null && !this.#targets.isAdapter(adapterId)) throw new NotFoundError(`There is no adapter ${adapterId}`)
    const previousId = this.#byName.get(name)?.adapterId ?? null
    const now = Date.now()
    await this.#store.write(...this.#queries(name, adapterId, previousId, now, reason))
    this.#byName.set(name, { name, adapterId, updatedAt: now })
    return { alias: name, adapterId, previousId, createdAt: now, reason }
  }

  #queries(alias: string, adapterId: string | null, previousId: string | null, now: number, reason: string): Compilable[] {
    const { db } = this.#store
    return [
      db.insertInto('aliases').values({ name: alias, adapter_id: adapterId, updated_at: now })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ adapter_id: adapterId, updated_at: now })),
      db.insertInto('alias_moves').values({ alias, adapter_id: adapterId, previous_id: previousId, created_at: now, reason }),
    ]
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#lastMove.then(work)
    this.#lastMove = result.catch(() => undefined)
    return result
  }
}

function moveOf(row: Row<'alias_moves'>): AliasMove {
  return { alias: row.alias, adapterId: row.adapter_id, previousId: row.previous_id, createdAt: row.created_at, reason: row.reason }
}
