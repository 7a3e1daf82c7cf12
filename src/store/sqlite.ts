/** SQLite behind kysely: statements go to a worker thread. */
import {
  CompiledQuery, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler,
  type DatabaseConnection, type Dialect, type Driver, type QueryResult,
} from 'kysely'
import { WorkerClient, siblingModule } from '../runtime/worker.ts'
import type { Statement, StatementResult } from './sqlite-worker.ts'

/** A connection to a database file, in a thread of its own. */
export class SqliteConnection implements DatabaseConnection {
  readonly #worker = new WorkerClient(siblingModule(import.meta, './sqlite-worker'))

  static async open(path: string): Promise<SqliteConnection> {
    const connection = new SqliteConnection()
    await connection.#worker.call('open', path)
    return connection
  }

  async executeQuery<Result>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Result>> {
    const { rows, changes, lastId } = await this.#worker.call<StatementResult>('execute', { sql, parameters } satisfies Statement)
    return { rows: rows as Result[], numAffectedRows: BigInt(changes), insertId: BigInt(lastId) }
  }

  // eslint-disable-next-line require-yield
  async *streamQuery<Result>(): AsyncIterableIterator<QueryResult<Result>> {
    throw new Error('SQLite is read by pages, not streamed')
  }

  /** All statements in one transaction. @returns how many rows each changed */
  async transaction(statements: readonly Statement[]): Promise<number[]> {
    const results = await this.#worker.call<StatementResult[]>('transaction', statements)
    return results.map(({ changes }) => changes)
  }

  async close(): Promise<void> {
    await this.#worker.call('close', undefined)
    await this.#worker.close()
  }
}

/** A kysely dialect over one connection, which its users take in turn. */
export function sqliteDialect(connection: SqliteConnection): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new SqliteDriver(connection),
    createIntrospector: (database) => new SqliteIntrospector(database),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}

class SqliteDriver implements Driver {
  readonly #connection: SqliteConnection
  /** Ends when the connection is free again. */
  #turn: Promise<void> = Promise.resolve()
  #giveBack: (() => void) | undefined

  constructor(connection: SqliteConnection) {
    this.#connection = connection
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.#turn
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#turn = promise
    await before
    this.#giveBack = resolve
    return this.#connection
  }

  async releaseConnection(): Promise<void> {
    this.#giveBack?.()
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'))
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'))
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('rollback'))
  }

  async destroy(): Promise<void> {
    await this.#connection.close()
  }
}
