import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, type Dialect } from 'kysely'
import { WritingSession, type Database, type Session } from './database.ts'
import { dialectOf } from './dialect.ts'
import { GroupCommit } from './group-commit.ts'
import { Readers, SqliteThread, Turns } from './sqlite-threads.ts'
import type { Statement, StatementResult } from './statement.ts'

export interface SqliteOptions {
  readonly path: string
  /** A transaction without a statement for so long is undone. */
  readonly idleMilliseconds: number
  /** For so long a write waits for other processes that hold the file. */
  readonly busyMilliseconds: number
}

const readerThreads = 3
const begin: Statement = { sql: 'begin', parameters: [] }
const beginToWrite: Statement = { sql: 'begin immediate', parameters: [] }
const commit: Statement = { sql: 'commit', parameters: [] }

/** A database file: one thread writes, others read what is committed. */
export class SqliteDatabase implements Database {
  readonly writes: GroupCommit
  readonly #writer: SqliteThread
  readonly #turns = new Turns()
  readonly #readers: Readers
  readonly #idleMilliseconds: number

  private constructor(writer: SqliteThread, { path, idleMilliseconds, busyMilliseconds }: SqliteOptions) {
    this.#writer = writer
    this.#readers = new Readers({ path, busyMilliseconds }, readerThreads)
    this.#idleMilliseconds = idleMilliseconds
    this.writes = new GroupCommit(async (writes) => {
      const giveBack = await this.#turns.take()
      return await writer.commit(writes).finally(giveBack)
    })
  }

  /** @throws StoreError where the file cannot be opened, or is no database */
  static async open(options: SqliteOptions): Promise<SqliteDatabase> {
    return new SqliteDatabase(await SqliteThread.open({ ...options, readOnly: false }), options)
  }

  async read(statement: Statement): Promise<StatementResult> {
    const reader = await this.#readers.take()
    return await reader.execute(statement).finally(() => { this.#readers.giveBack(reader) })
  }

  async begin(): Promise<Session> {
    const giveBack = await this.#turns.take()
    return new WritingSession(await sessionOf(this.#writer, beginToWrite, giveBack), this.#idleMilliseconds)
  }

  async beginReading(): Promise<Session> {
    const reader = await this.#readers.take()
    return await sessionOf(reader, begin, () => { this.#readers.giveBack(reader) })
  }

  async close(): Promise<void> {
    await this.writes.settled()
    await this.#readers.close()
    // The last connection to close copies the log back into the file and removes it.
    await this.#writer.close()
  }
}

/** @param giveBack called when the transaction has ended, or could not begin */
async function sessionOf(thread: SqliteThread, beginning: Statement, giveBack: () => void): Promise<Session> {
  try {
    await thread.execute(beginning)
  } catch (error) {
    giveBack()
    throw error
  }
  return {
    execute: (statement) => thread.execute(statement),
    async commit() {
      await thread.execute(commit)
      giveBack()
    },
    rollback: () => thread.rollback().finally(giveBack),
  }
}

/** kysely has a lock of its own for the one connection that SQLite usually has. */
class ManyConnectionsAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

/** A kysely dialect over a database file. */
export function sqliteDialect(database: SqliteDatabase): Dialect {
  return dialectOf(database, {
    createAdapter: () => new ManyConnectionsAdapter(),
    createIntrospector: (kysely) => new SqliteIntrospector(kysely),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  })
}
