import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Kysely, type Compilable } from 'kysely'
import { explainWrite } from '../files.ts'
import { acquireLock } from '../train/lock.ts'
import { Blobs } from './blobs.ts'
import type { Database } from './database.ts'
import { optimize } from './maintenance.ts'
import { migrate, type DialectName } from './migrations.ts'
import { PostgresDatabase, postgresDialect } from './postgres.ts'
import type { Tables } from './schema.ts'
import { SqliteDatabase, sqliteDialect } from './sqlite.ts'
import { statementOf } from './statement.ts'

/**
 * Where everything is kept that outlives the server: the same in SQLite and PostgreSQL.
 *
 * Texts are any text; NUL and lone surrogates in them become U+FFFD. Numbers are finite. Errors of a statement are the
 * database's own (`isUniqueViolation` knows one kind); where the database itself is at fault, a StoreError says what to do.
 */
export interface Store extends AsyncDisposable {
  /**
   * Reads, and transactions of several steps. A read does not wait for writes, nor for other reads; within a transaction
   * that has the access mode `read only` all of them see the same moment. A single write goes the way of `write`. Of the
   * other transactions there is one at a time, and no write beside it: what it has read holds until its end. So wait for
   * nothing in it that writes outside of it. Where one of its statements fails, all of it is undone.
   */
  readonly db: Kysely<Tables>
  /**
   * Writes that belong together, all or none, in one transaction with those of other callers of the same moment (a group
   * commit), in the order of the calls. When the promise resolves they survive a kill -9 and a power cut; where one fails
   * (`isUniqueViolation`), it is rejected and the other callers' are done.
   * @returns how many rows each changed
   */
  write(...queries: readonly Compilable[]): Promise<number[]>
  readonly blobs: Blobs
  readonly dialect: DialectName
  /** Finishes what was begun. */
  close(): Promise<void>
}

export interface StoreOptions {
  /** Folder of the database file and the blobs. */
  readonly directory: string
  /** `postgres://…` in place of the database file. */
  readonly url?: string | undefined
  /** For a server: no second one may use the folder. Commands may, beside it. */
  readonly exclusive?: boolean | undefined
  /** A transaction without a statement for so long is undone. */
  readonly idleMilliseconds?: number | undefined
  /** For so long a write waits for other processes that hold the file. */
  readonly busyMilliseconds?: number | undefined
}

/** Opens the store and brings its tables up to date. @throws StoreError where it cannot be opened */
export async function openStore(
  { directory, url, exclusive = false, idleMilliseconds = 30_000, busyMilliseconds = 10_000 }: StoreOptions,
): Promise<Store> {
  await mkdir(directory, { recursive: true }).catch((error: unknown) => { throw explainWrite(directory, error) })
  const lock = exclusive ? acquireLock(join(directory, 'server.lock')) : undefined
  try {
    return url === undefined ? await openSqlite() : await openPostgres(url)
  } catch (error) {
    lock?.release()
    throw error
  }

  async function openSqlite(): Promise<Store> {
    const path = join(directory, 'store.sqlite')
    const database = await SqliteDatabase.open({ path, idleMilliseconds, busyMilliseconds })
    return await opened(database, new Kysely({ dialect: sqliteDialect(database) }), 'sqlite', path)
  }

  async function openPostgres(url: string): Promise<Store> {
    const database = new PostgresDatabase({ url, idleMilliseconds })
    return await opened(database, new Kysely({ dialect: postgresDialect(database) }), 'postgres', 'of PostgreSQL')
  }

  async function opened({ writes }: Database, db: Kysely<Tables>, dialect: DialectName, place: string): Promise<Store> {
    try {
      await migrate(db, dialect, place)
      await optimize({ db, dialect })
    } catch (error) {
      await db.destroy()
      throw error
    }
    const close = async (): Promise<void> => {
      await db.destroy()
      lock?.release()
    }
    return {
      db,
      dialect,
      blobs: new Blobs(join(directory, 'blobs')),
      async write(...queries) {
        const results = await writes.write(queries.map((query) => statementOf(query.compile())))
        return results.map(({ changes }) => changes)
      },
      close,
      [Symbol.asyncDispose]: close,
    }
  }
}
