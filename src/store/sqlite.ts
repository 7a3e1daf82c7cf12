/** SQLite behind kysely: reads go to the readers, single writes into the group commit, transactions to the writer's thread. */
import {
  SelectQueryNode, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler,
  type CompiledQuery, type DatabaseConnection, type Dialect, type Driver, type QueryResult, type TransactionSettings,
} from 'kysely'
import { StoreError } from './errors.ts'
import { GroupCommit } from './group-commit.ts'
import { Readers, SqliteThread, Turns } from './sqlite-threads.ts'
import { statementOf, type Statement, type StatementResult } from './statement.ts'

export interface SqliteOptions {
  readonly path: string
  /** A transaction without a statement for so long is undone: everyone else waits for it. */
  readonly idleMilliseconds: number
}

const readerThreads = 3

/** A database file: one thread writes, others read what is committed. */
export class SqliteDatabase {
  readonly writes: GroupCommit
  readonly readers: Readers
  readonly #writer: SqliteThread
  readonly #turns = new Turns()
  readonly #idleMilliseconds: number

  private constructor(writer: SqliteThread, { path, idleMilliseconds }: SqliteOptions) {
    this.#writer = writer
    this.#idleMilliseconds = idleMilliseconds
    this.readers = new Readers(path, readerThreads)
    this.writes = new GroupCommit(async (writes) => {
      const giveBack = await this.#turns.take()
      try {
        return await writer.commit(writes)
      } finally {
        giveBack()
      }
    })
  }

  /** @throws StoreError where the file cannot be opened, or is no database */
  static async open(options: SqliteOptions): Promise<SqliteDatabase> {
    return new SqliteDatabase(await SqliteThread.open({ path: options.path, readOnly: false }), options)
  }

  /** A transaction on the writer's thread; the group commits wait for its end. */
  async begin(): Promise<Session> {
    return await WritingSession.begin(this.#writer, await this.#turns.take(), this.#idleMilliseconds)
  }

  /** A transaction that sees the database as it is now, whatever is written meanwhile. */
  async beginReading(): Promise<Session> {
    const thread = await this.readers.take()
    const end = async (): Promise<void> => {
      try {
        await thread.execute({ sql: 'commit', parameters: [] })
      } finally {
        this.readers.giveBack(thread)
      }
    }
    await thread.execute({ sql: 'begin', parameters: [] })
    return { execute: (statement) => thread.execute(statement), commit: end, rollback: end }
  }

  async close(): Promise<void> {
    await this.writes.settled()
    await this.readers.close()
    // The last connection to close copies the log back into the file and removes it.
    await this.#writer.close()
  }
}

/** A transaction under way. */
interface Session {
  execute(statement: Statement): Promise<StatementResult>
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** Gives the writer back when it ends, or when nothing has come for too long. */
class WritingSession implements Session {
  readonly #thread: SqliteThread
  readonly #giveBack: () => void
  readonly #idleMilliseconds: number
  #idle: NodeJS.Timeout | undefined
  #expired = false

  private constructor(thread: SqliteThread, giveBack: () => void, idleMilliseconds: number) {
    this.#thread = thread
    this.#giveBack = giveBack
    this.#idleMilliseconds = idleMilliseconds
  }

  static async begin(thread: SqliteThread, giveBack: () => void, idleMilliseconds: number): Promise<WritingSession> {
    const session = new WritingSession(thread, giveBack, idleMilliseconds)
    try {
      await session.execute({ sql: 'begin immediate', parameters: [] })
      return session
    } catch (error) {
      session.#end()
      throw error
    }
  }

  async execute(statement: Statement): Promise<StatementResult> {
    if (this.#expired) {
      throw new StoreError('This transaction was undone, because it did nothing for a long time while others waited. ' +
        'Does it wait for a write outside of itself?')
    }
    clearTimeout(this.#idle)
    try {
      return await this.#thread.execute(statement)
    } finally {
      this.#idle = setTimeout(() => { void this.#expire() }, this.#idleMilliseconds).unref()
    }
  }

  async commit(): Promise<void> {
    await this.execute({ sql: 'commit', parameters: [] })
    this.#end()
  }

  async rollback(): Promise<void> {
    if (this.#expired) return
    try {
      await this.#thread.rollback()
    } finally {
      this.#end()
    }
  }

  async #expire(): Promise<void> {
    this.#expired = true
    await this.#thread.rollback().finally(() => { this.#end() })
  }

  #end(): void {
    clearTimeout(this.#idle)
    this.#giveBack()
  }
}

/** What kysely takes for a connection: statements find their thread by themselves. */
class SqliteConnection implements DatabaseConnection {
  readonly #database: SqliteDatabase
  session: Session | undefined

  constructor(database: SqliteDatabase) {
    this.#database = database
  }

  async executeQuery<Result>(query: CompiledQuery): Promise<QueryResult<Result>> {
    const { rows, changes } = await this.#execute(query, statementOf(query))
    return { rows: rows as Result[], numAffectedRows: BigInt(changes) }
  }

  async *streamQuery<Result>(): AsyncIterableIterator<QueryResult<Result>> {
    throw new Error('rows are read by pages, not streamed')
  }

  async #execute(query: CompiledQuery, statement: Statement): Promise<StatementResult> {
    if (this.session !== undefined) return await this.session.execute(statement)
    if (!isRead(query)) return (await this.#database.writes.write([statement]))[0]!
    const reader = await this.#database.readers.take()
    try {
      return await reader.execute(statement)
    } finally {
      this.#database.readers.giveBack(reader)
    }
  }
}

function isRead({ query, sql }: CompiledQuery): boolean {
  if (query.kind !== 'RawNode') return SelectQueryNode.is(query)
  return /^\s*(?:select|with|values|explain)\b/i.test(sql) && !/\b(?:insert|update|delete|replace\s+into)\b/i.test(sql)
}

/** A kysely dialect over a database file. */
export function sqliteDialect(database: SqliteDatabase): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new SqliteDriver(database),
    createIntrospector: (kysely) => new SqliteIntrospector(kysely),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}

class SqliteDriver implements Driver {
  readonly #database: SqliteDatabase

  constructor(database: SqliteDatabase) {
    this.#database = database
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<SqliteConnection> {
    return new SqliteConnection(this.#database)
  }

  async releaseConnection(): Promise<void> {}

  async beginTransaction(connection: SqliteConnection, { accessMode }: TransactionSettings): Promise<void> {
    connection.session = await (accessMode === 'read only' ? this.#database.beginReading() : this.#database.begin())
  }

  async commitTransaction(connection: SqliteConnection): Promise<void> {
    await connection.session?.commit()
  }

  async rollbackTransaction(connection: SqliteConnection): Promise<void> {
    await connection.session?.rollback()
  }

  async destroy(): Promise<void> {
    await this.#database.close()
  }
}
