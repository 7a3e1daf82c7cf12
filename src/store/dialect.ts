/** A database behind kysely: reads go beside the writes, single writes into the group commit, transactions have their session. */
import {
  SelectQueryNode,
  type CompiledQuery, type DatabaseConnection, type Dialect, type Driver, type QueryResult, type TransactionSettings,
} from 'kysely'
import type { Database, Session } from './database.ts'
import { statementOf, type Statement, type StatementResult } from './statement.ts'

/** @param language how queries are written for this database */
export function dialectOf(database: Database, language: Omit<Dialect, 'createDriver'>): Dialect {
  return {
    createAdapter: () => language.createAdapter(),
    createIntrospector: (kysely) => language.createIntrospector(kysely),
    createQueryCompiler: () => language.createQueryCompiler(),
    createDriver: () => new StoreDriver(database),
  }
}

class StoreDriver implements Driver {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<StoreConnection> {
    return new StoreConnection(this.#database)
  }

  async releaseConnection(): Promise<void> {}

  async beginTransaction(connection: StoreConnection, { accessMode }: TransactionSettings): Promise<void> {
    connection.session = await (accessMode === 'read only' ? this.#database.beginReading() : this.#database.begin())
  }

  async commitTransaction({ session }: StoreConnection): Promise<void> {
    await session?.commit()
  }

  async rollbackTransaction({ session }: StoreConnection): Promise<void> {
    await session?.rollback()
  }

  async destroy(): Promise<void> {
    await this.#database.close()
  }
}

/** What kysely takes for a connection: a statement finds the real one by itself. */
class StoreConnection implements DatabaseConnection {
  readonly #database: Database
  session: Session | undefined

  constructor(database: Database) {
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
    if (isRead(query)) return await this.#database.read(statement)
    return (await this.#database.writes.write([statement]))[0]!
  }
}

function isRead({ query, sql }: CompiledQuery): boolean {
  if (query.kind !== 'RawNode') return SelectQueryNode.is(query)
  return /^\s*(?:select|with|values|explain)\b/i.test(sql) && !/\b(?:insert|update|delete|replace\s+into)\b/i.test(sql)
}
