/** Who changed what: a log that is only ever added to. */
import type { Store } from '../store/index.ts'

export interface AuditEntry {
  /** Counts up: the order of the entries. */
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** null: without a key, from this machine. */
  readonly keyId: string | null
  /** `POST /v1/keys`, `keys create` */
  readonly action: string
  /** What was changed: the id of a key, an alias, a user. */
  readonly target: string
  readonly detail: unknown
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[]
  readonly hasMore: boolean
}

export class Audit {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Adds an entry. @param detail what JSON can hold; no contents, no secrets */
  async append({ keyId, action, target, detail = {} }: {
    readonly keyId: string | null
    readonly action: string
    readonly target: string
    readonly detail?: unknown
  }): Promise<void> {
    await this.#store.write(this.#store.db.insertInto('audit').values({
      created_at: Date.now(), key_id: keyId, action, target, detail_json: JSON.stringify(detail),
    }))
  }

  /** Entries, the newest first. @param before only those before this sequence number: the last of the page before */
  async page({ before, limit = 100 }: { readonly before?: number | undefined; readonly limit?: number | undefined } = {}): Promise<AuditPage> {
    let query = this.#store.db.selectFrom('audit').selectAll().orderBy('sequence', 'desc').limit(limit + 1)
    if (before !== undefined) query = query.where('sequence', '<', before)
    const rows = await query.execute()
    const entries = rows.slice(0, limit).map((row) => ({
      sequence: row.sequence, createdAt: row.created_at, keyId: row.key_id, action: row.action, target: row.target,
      detail: JSON.parse(row.detail_json) as unknown,
    }))
    return { entries, hasMore: rows.length > limit }
  }
}
