/** The adapters that can be asked for by name. */
import type { AdapterFacts, AdapterRef } from '../generate/live-model.ts'
import { newId, type Row, type Store } from '../store/index.ts'
import { Aliases } from './aliases.ts'
import { ConflictError, NotFoundError } from './errors.ts'
import { checkName } from './names.ts'

export interface Adapter {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** A PEFT directory. */
  readonly directory: string
  readonly facts: AdapterFacts
  readonly source: Row<'adapters'>['source']
  readonly jobId: string | null
  /** The adapter that its training started from; null: the base. */
  readonly parentId: string | null
  readonly pinned: boolean
  /** What was measured of it: {"eval/loss": …} */
  readonly metrics: Readonly<Record<string, number>>
}

/** What is registered: `facts` are what `LiveModel.inspect` found. */
export type NewAdapter =
  & Pick<Adapter, 'directory' | 'facts' | 'source'>
  & { readonly [Key in 'id' | 'jobId' | 'parentId' | 'pinned' | 'metrics']?: Adapter[Key] | undefined }

/** What a name stands for. */
export interface Resolved {
  /** undefined: the base alone. */
  readonly adapter: AdapterRef | undefined
  readonly adapterId: string | null
  /** The alias by which it was asked for. */
  readonly alias: string | null
}

/**
 * The registered adapters and their aliases. One server has a store for itself, so all are held in memory beside it:
 * a name is resolved at every request, among thousands.
 */
export class AdapterRegistry {
  /** The base's name. */
  readonly base: string
  readonly aliases: Aliases
  readonly #store: Store
  readonly #byId: Map<string, Adapter>

  private constructor(store: Store, base: string, byId: Map<string, Adapter>, aliases: Aliases) {
    this.base = base
    this.aliases = aliases
    this.#store = store
    this.#byId = byId
  }

  /** @param base the base's name in the API */
  static async open(store: Store, base: string): Promise<AdapterRegistry> {
    const rows = await store.db.selectFrom('adapters').selectAll().orderBy('created_at').orderBy('id').execute()
    const byId = new Map(rows.map((row) => [row.id, adapterOf(row)]))
    const aliases = await Aliases.open(store, {
      isAdapter: (id) => byId.has(id),
      takenBy: (name) => (name === base ? 'the base model' : byId.has(name) ? 'an adapter' : undefined),
    })
    return new AdapterRegistry(store, base, byId, aliases)
  }

  /**
   * Registers an adapter whose files are in place: the next request may ask for it.
   * @throws UserError for a name that is none; ConflictError where the name is taken
   */
  async add(entry: NewAdapter): Promise<Adapter> {
    const adapter = newAdapter(entry)
    this.#checkFree(adapter.id)
    // Taken from here on: a second call of the same name finds it so.
    this.#byId.set(adapter.id, adapter)
    try {
      await this.#store.write(this.#store.db.insertInto('adapters').values(rowOf(adapter)))
    } catch (error) {
      this.#byId.delete(adapter.id)
      throw error
    }
    return adapter
  }

  /** Registers an adapter in the place of the one of the same id, or as a new one. */
  async replace(entry: NewAdapter & { readonly id: string }): Promise<Adapter> {
    if (!this.#byId.has(entry.id)) return this.add(entry)
    const adapter = newAdapter(entry)
    const { id: _id, ...columns } = rowOf(adapter)
    await this.#store.write(this.#store.db.updateTable('adapters').set(columns).where('id', '=', entry.id))
    this.#byId.set(adapter.id, adapter)
    return adapter
  }

  get(id: string): Adapter | undefined {
    return this.#byId.get(id)
  }

  /**
   * The adapters, the oldest first.
   * @param after id of the last one of the page before
   * @throws NotFoundError where there is no adapter `after`
   */
  list({ after, limit = Infinity }: { after?: string | undefined; limit?: number | undefined } = {}): Adapter[] {
    const all = [...this.#byId.values()]
    if (after === undefined) return all.slice(0, limit)
    if (!this.#byId.has(after)) throw new NotFoundError(`There is no adapter ${after} to list after`)
    const start = all.findIndex(({ id }) => id === after) + 1
    return all.slice(start, start + limit)
  }

  /**
   * Takes an adapter out of the register; its files stay.
   * @param force also where aliases point to it: they point to the base then
   * @throws NotFoundError; ConflictError where an alias points to it
   */
  async remove(id: string, { force = false }: { force?: boolean | undefined } = {}): Promise<Adapter> {
    const adapter = this.#require(id)
    const aliases = this.aliases.pointingTo(id).map(({ name }) => name)
    if (aliases.length > 0 && !force) {
      throw new ConflictError(`adapter ${id} is what the alias ${aliases.join(', ')} points to: move the alias first, or force it`)
    }
    await this.aliases.moveAway(id, `adapter ${id} was removed`, this.#store.db.deleteFrom('adapters').where('id', '=', id))
    this.#byId.delete(id)
    return adapter
  }

  /** Notes whether an adapter stays in memory. @throws NotFoundError */
  async setPinned(id: string, pinned: boolean): Promise<Adapter> {
    this.#require(id)
    await this.#store.write(this.#store.db.updateTable('adapters').set({ pinned: pinned ? 1 : 0 }).where('id', '=', id))
    const adapter = { ...this.#require(id), pinned }
    this.#byId.set(id, adapter)
    return adapter
  }

  /**
   * What a model's name in a request stands for: the base, an adapter or an alias, the latter two also as `base:NAME`.
   * @returns undefined where there is nothing of this name
   */
  resolve(name: string): Resolved | undefined {
    if (name === this.base) return { adapter: undefined, adapterId: null, alias: null }
    const prefix = `${this.base}:`
    return this.#resolveShort(name) ?? (name.startsWith(prefix) ? this.#resolveShort(name.slice(prefix.length)) : undefined)
  }

  #resolveShort(name: string): Resolved | undefined {
    const adapter = this.#byId.get(name)
    if (adapter !== undefined) return { adapter: referenceTo(adapter), adapterId: name, alias: null }
    const alias = this.aliases.get(name)
    if (alias === undefined) return undefined
    if (alias.adapterId === null) return { adapter: undefined, adapterId: null, alias: name }
    const target = this.#byId.get(alias.adapterId)
    return target && { adapter: referenceTo(target), adapterId: target.id, alias: name }
  }

  #require(id: string): Adapter {
    const adapter = this.#byId.get(id)
    if (adapter === undefined) throw new NotFoundError(`There is no adapter ${id}`)
    return adapter
  }

  #checkFree(id: string): void {
    if (id === this.base) throw new ConflictError(`${id} is the base model's name: choose another for the adapter`)
    if (this.#byId.has(id)) throw new ConflictError(`There is an adapter ${id} already: choose another name, or remove that one`)
    if (this.aliases.get(id) !== undefined) throw new ConflictError(`${id} is an alias: choose another name for the adapter`)
  }
}

/** How the engine knows an adapter: other weights under the same name are another adapter to it. */
export function referenceTo({ id, directory, facts }: Pick<Adapter, 'id' | 'directory' | 'facts'>): AdapterRef {
  return { id: `${id}@${facts.sha256.slice(0, 16)}`, directory }
}

function newAdapter(entry: NewAdapter): Adapter {
  return {
    id: entry.id === undefined ? newId('adapter-') : checkName(entry.id, 'adapter'),
    createdAt: Date.now(),
    directory: entry.directory,
    facts: entry.facts,
    source: entry.source,
    jobId: entry.jobId ?? null,
    parentId: entry.parentId ?? null,
    pinned: entry.pinned ?? false,
    metrics: entry.metrics ?? {},
  }
}

function adapterOf(row: Row<'adapters'>): Adapter {
  return {
    id: row.id,
    createdAt: row.created_at,
    directory: row.directory,
    facts: { rank: row.rank, bytes: row.bytes, sha256: row.sha256 },
    source: row.source,
    jobId: row.job_id,
    parentId: row.parent_id,
    pinned: row.pinned === 1,
    metrics: JSON.parse(row.metrics_json) as Record<string, number>,
  }
}

function rowOf(adapter: Adapter): Row<'adapters'> {
  return {
    id: adapter.id,
    created_at: adapter.createdAt,
    directory: adapter.directory,
    ...adapter.facts,
    source: adapter.source,
    job_id: adapter.jobId,
    parent_id: adapter.parentId,
    pinned: adapter.pinned ? 1 : 0,
    metrics_json: JSON.stringify(adapter.metrics),
  }
}
