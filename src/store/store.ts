import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Kysely, type Compilable } from 'kysely'
import { Blobs } from './blobs.ts'
import { migrate } from './migrations.ts'
import { postgresDialect } from './postgres.ts'
import type { Tables } from './schema.ts'
import { SqliteConnection, sqliteDialect } from './sqlite.ts'

/** Where everything is kept that outlives the server. */
export interface Store extends AsyncDisposable {
  /** Reads, and transactions of several steps. */
  readonly db: Kysely<Tables>
  /**
   * Writes that belong together, all or none, in one transaction with those of other callers of the same moment (a group
   * commit). When the promise resolves they survive a kill -9 and a power cut.
   * @returns how many rows each changed
   */
  write(...queries: readonly Compilable[]): Promise<number[]>
  readonly blobs: Blobs
  close(): Promise<void>
}

export interface StoreOptions {
  /** Folder of the database file and the blobs. */
  readonly directory: string
  /** `postgres://…` in place of the database file. */
  readonly url?: string | undefined
}

/** Opens the store and brings its tables up to date. @throws UserError where it cannot be opened */
export async function openStore({ directory, url }: StoreOptions): Promise<Store> {
  await mkdir(directory, { recursive: true })
  const blobs = new Blobs(join(directory, 'blobs'))
  if (url !== undefined) {
    const db = new Kysely<Tables>({ dialect: postgresDialect(url) })
    await migrate(db, 'postgres')
    return opened(db, blobs, (queries) => db.transaction().execute(async (transaction) => {
      const changes: number[] = []
      for (const query of queries) changes.push(Number((await transaction.executeQuery(query.compile())).numAffectedRows ?? 0n))
      return changes
    }))
  }
  const path = join(directory, 'store.sqlite')
  const db = new Kysely<Tables>({ dialect: sqliteDialect(await SqliteConnection.open(path)) })
  await migrate(db, 'sqlite')
  const writer = await SqliteConnection.open(path)
  return opened(db, blobs, (queries) => writer.transaction(queries.map((query) => query.compile())), () => writer.close())
}

function opened(
  db: Kysely<Tables>,
  blobs: Blobs,
  write: (queries: readonly Compilable[]) => Promise<number[]>,
  closeWriter: () => Promise<void> = async () => {},
): Store {
  const close = async (): Promise<void> => {
    await closeWriter()
    await db.destroy()
  }
  return { db, blobs, write: (...queries) => write(queries), close, [Symbol.asyncDispose]: close }
}
