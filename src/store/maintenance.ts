/** What a server does for its store from time to time. */
import { sql } from 'kysely'
import type { Store } from './store.ts'

const hour = 60 * 60 * 1000
/** Completions of one transaction: other writes wait for no longer than these take. */
const batch = 200

/**
 * Forgets the completions whose time has come, with their answers, tags and feedback. Versions of datasets that were made of
 * them stay.
 * @param now milliseconds since 1970
 * @returns how many
 */
export async function removeExpired({ db, write }: Store, now = Date.now()): Promise<number> {
  let removed = 0
  for (;;) {
    const rows = await db.selectFrom('completions').select('id').where('expires_at', '<=', now).limit(batch).execute()
    if (rows.length === 0) return removed
    const ids = rows.map(({ id }) => id)
    await write(
      db.deleteFrom('tags').where('completion_id', 'in', ids),
      db.deleteFrom('feedback').where('completion_id', 'in', ids),
      db.deleteFrom('choices').where('completion_id', 'in', ids),
      db.deleteFrom('completions').where('id', 'in', ids),
    )
    removed += ids.length
  }
}

/** Statistics, by which queries are planned, where tables have grown much since the last ones. PostgreSQL makes them by itself. */
export async function optimize({ db, dialect }: Pick<Store, 'db' | 'dialect'>): Promise<void> {
  if (dialect === 'sqlite') await sql`pragma optimize = 0x10002`.execute(db)
}

export interface Maintenance {
  /** Resolves when nothing of it runs any more. */
  stop(): Promise<void>
}

/** Does all of it now and every hour, until it is stopped. @param log hears of failures; the next hour tries again */
export function maintain(store: Store, log: (error: unknown) => void): Maintenance {
  let running = Promise.resolve()
  const run = (): void => {
    running = running.then(async () => {
      await removeExpired(store)
      await optimize(store)
    }).catch(log)
  }
  run()
  const timer = setInterval(run, hour).unref()
  return {
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}
