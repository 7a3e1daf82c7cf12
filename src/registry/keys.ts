/** API keys: shown once, stored as hashes, limited by scopes and time. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { UserError } from '../errors.ts'
import { newId, type Row, type Store } from '../store/index.ts'
import { NotFoundError } from './errors.ts'

/** What a scope lets its holder do: ask for completions, send feedback, train and change adapters, everything. */
export const scopes = ['infer', 'feedback', 'train', 'admin'] as const
export type Scope = (typeof scopes)[number]

/** What is known of a key; the key itself is not. */
export interface KeyRecord {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** The last four characters, to recognize it by. */
  readonly hint: string
  /** Times are milliseconds since 1970. */
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly revokedAt: number | null
}

/** A key that was checked. */
export interface VerifiedKey {
  readonly id: string
  readonly scopes: readonly Scope[]
}

export interface NewKey {
  /** For people: who uses it, for what. */
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly expiresAt?: number | undefined
}

const form = /^pt-[A-Za-z0-9_-]{43}$/
const longestName = 200
/** For so long a record that was read is taken as it was: another process (`posttrain keys revoke`) may have changed it. */
const trustedMilliseconds = 2000

interface Trusted {
  readonly row: Row<'keys'>
  readonly until: number
}

/** The keys of a store. */
export class Keys {
  readonly #store: Store
  readonly #now: () => number
  /** By hash, only those that exist: there are few, and whoever guesses cannot fill the memory. */
  readonly #trusted = new Map<string, Trusted>()
  /** Counts revocations: what was read before one is not to be trusted after it. */
  #revocations = 0

  constructor(store: Store, now: () => number = Date.now) {
    this.#store = store
    this.#now = now
  }

  /** @returns the key, which is never to be seen again, and its id. @throws UserError (exitCode 2) */
  async create({ name, scopes: granted, expiresAt }: NewKey): Promise<{ key: string; record: KeyRecord }> {
    const refuse = (message: string): never => { throw new UserError(message, { exitCode: 2 }) }
    if (name.trim() === '' || name.length > longestName) refuse(`a key needs a name of 1 to ${longestName} characters: who uses it, for what`)
    if (granted.length === 0) refuse(`a key needs at least one scope of ${scopes.join(', ')}`)
    if (expiresAt !== undefined && !(expiresAt > this.#now())) refuse('a key cannot expire in the past')
    const key = `pt-${randomBytes(32).toString('base64url')}`
    const row: Row<'keys'> = {
      id: newId('key_'), name, hash: hashOf(key), hint: key.slice(-4), scopes_json: JSON.stringify(scopes.filter((scope) => granted.includes(scope))),
      created_at: this.#now(), expires_at: expiresAt ?? null, revoked_at: null,
    }
    await this.#store.write(this.#store.db.insertInto('keys').values(row))
    return { key, record: recordOf(row) }
  }

  /**
   * Whose key it is and what it may do; undefined for one that is unknown, expired or revoked. It is looked for by its
   * hash, so how long that takes says nothing of the characters that fit.
   */
  async verify(key: string): Promise<VerifiedKey | undefined> {
    if (!form.test(key)) return undefined
    const hash = hashOf(key)
    const row = await this.#find(hash)
    if (row === undefined || !timingSafeEqual(Buffer.from(row.hash, 'hex'), Buffer.from(hash, 'hex'))) return undefined
    if (row.revoked_at !== null || (row.expires_at !== null && row.expires_at <= this.#now())) return undefined
    const { id, scopes } = recordOf(row)
    return { id, scopes }
  }

  /** The key is refused from now on; its record stays. @throws NotFoundError */
  async revoke(id: string): Promise<KeyRecord> {
    const { db } = this.#store
    await this.#store.write(db.updateTable('keys').set({ revoked_at: this.#now() }).where('id', '=', id).where('revoked_at', 'is', null))
    this.#revocations++
    this.#trusted.clear()
    const row = await db.selectFrom('keys').selectAll().where('id', '=', id).executeTakeFirst()
    if (row === undefined) throw new NotFoundError(`There is no key ${JSON.stringify(id)}`)
    return recordOf(row)
  }

  /** All of them, the newest first, with those that were revoked. */
  async list(): Promise<KeyRecord[]> {
    const rows = await this.#store.db.selectFrom('keys').selectAll().orderBy('created_at', 'desc').orderBy('id', 'desc').execute()
    return rows.map(recordOf)
  }

  async #find(hash: string): Promise<Row<'keys'> | undefined> {
    const trusted = this.#trusted.get(hash)
    if (trusted !== undefined && this.#now() < trusted.until) return trusted.row
    const revocations = this.#revocations
    const row = await this.#store.db.selectFrom('keys').selectAll().where('hash', '=', hash).executeTakeFirst()
    if (row === undefined) this.#trusted.delete(hash)
    else if (revocations === this.#revocations) this.#trusted.set(hash, { row, until: this.#now() + trustedMilliseconds })
    return row
  }
}

/** A key has 256 random bits: a fast hash is enough. */
function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

function recordOf(row: Row<'keys'>): KeyRecord {
  return {
    id: row.id, name: row.name, scopes: JSON.parse(row.scopes_json) as Scope[], hint: row.hint,
    createdAt: row.created_at, expiresAt: row.expires_at, revokedAt: row.revoked_at,
  }
}
