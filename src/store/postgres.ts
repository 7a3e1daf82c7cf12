/** PostgreSQL behind kysely: a pool for reads and transactions, and one connection for the group commit. */
import {
  PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler,
  type CompiledQuery, type DatabaseConnection, type Dialect, type Driver, type QueryResult, type TransactionSettings,
} from 'kysely'
import pg from 'pg'
import { UserError } from '../errors.ts'
import { explainPostgres } from './errors.ts'
import { GroupCommit, type Write } from './group-commit.ts'
import { statementOf, type Statement, type StatementResult } from './statement.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string
  /** A transaction without a statement for so long is ended: others may wait for its locks. */
  readonly idleMilliseconds: number
}

const poolSize = 8
const connectMilliseconds = 10_000

/** A database of PostgreSQL. */
export class PostgresDatabase {
  readonly writes: GroupCommit
  readonly #pool: pg.Pool
  readonly #writer: pg.Pool
  /** Where it is, for people: without the password. */
  readonly #place: string

  constructor({ url, idleMilliseconds }: PostgresOptions) {
    this.#place = placeOf(url)
    const config: pg.PoolConfig = {
      connectionString: url,
      connectionTimeoutMillis: connectMilliseconds,
      idle_in_transaction_session_timeout: idleMilliseconds,
      application_name: 'posttrain',
      types,
    }
    this.#pool = openPool({ ...config, max: poolSize })
    // Pipelined: a group goes out at once and costs one round trip.
    this.#writer = openPool({ ...config, max: 1, pipeline: true })
    this.writes = new GroupCommit(async (writes) => await this.#explained(async () => await this.#commit(writes)))
  }

  async connect(): Promise<pg.PoolClient> {
    return await this.#explained(async () => await this.#pool.connect())
  }

  async execute(client: pg.PoolClient, { sql, parameters }: Statement): Promise<StatementResult> {
    return await this.#explained(async () => resultOf(await client.query(sql, [...parameters])))
  }

  async close(): Promise<void> {
    await this.writes.settled()
    await Promise.all([this.#writer.end(), this.#pool.end()])
  }

  async #commit(writes: readonly Write[]): Promise<PromiseSettledResult<readonly StatementResult[]>[]> {
    const client = await this.#writer.connect()
    let broken = true
    try {
      const settled = await commitGroup(client, writes)
      broken = settled.some((result) => result.status === 'rejected' && !(result.reason instanceof pg.DatabaseError))
      return settled.map((result) => result.status === 'fulfilled'
        ? result
        : { status: 'rejected', reason: explainPostgres(this.#place, result.reason) })
    } finally {
      client.release(broken)
    }
  }

  async #explained<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      throw explainPostgres(this.#place, error)
    }
  }
}

/** Everything in one transaction; where a statement fails, PostgreSQL undoes all of it, and each write gets a transaction of its own. */
async function commitGroup(
  client: pg.PoolClient,
  writes: readonly Write[],
): Promise<PromiseSettledResult<readonly StatementResult[]>[]> {
  if (writes.length > 1) {
    const [together] = await Promise.allSettled([transaction(client, writes.flat())])
    if (together.status === 'fulfilled') {
      const results = together.value[Symbol.iterator]()
      return writes.map((write) => ({ status: 'fulfilled', value: [...results.take(write.length)] }))
    }
  }
  return await Promise.allSettled(writes.map((write) => transaction(client, write)))
}

/** All or none, sent at once. @throws what failed first: what comes after it only says that the transaction was undone */
async function transaction(client: pg.PoolClient, statements: Write): Promise<StatementResult[]> {
  const settled = await Promise.allSettled([
    client.query('begin'),
    ...statements.map(({ sql, parameters }) => client.query(sql, [...parameters])),
    client.query('commit'),
  ])
  const results = settled.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return resultOf(result.value)
  })
  return results.slice(1, -1)
}

function resultOf({ rows, rowCount }: pg.QueryResult): StatementResult {
  return { rows, changes: rowCount ?? 0 }
}

/** Counts, times and sums are bigint and numeric there; all of ours are exact in a double. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => {
    const { INT8, NUMERIC } = pg.types.builtins
    return (oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format)) as never
  },
}

function openPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config)
  // An idle connection that breaks is replaced by the next that is asked for.
  pool.on('error', () => undefined)
  return pool
}

function placeOf(url: string): string {
  const wrong = 'The database\'s URL must be of the form postgres://user:password@host:port/database'
  if (!/^postgres(?:ql)?:\/\//.test(url)) throw new UserError(wrong, { exitCode: 2 })
  try {
    const { user, host, port, database } = new pg.Client({ connectionString: url })
    return `${database ?? ''} of ${user ?? ''} at ${host}:${port}`
  } catch {
    // What was thrown quotes the URL.
    throw new UserError(wrong, { exitCode: 2 })
  }
}

/** A kysely dialect over a database of PostgreSQL. */
export function postgresDialect(database: PostgresDatabase): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new PostgresDriver(database),
    createIntrospector: (kysely) => new PostgresIntrospector(kysely),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  }
}

class PostgresConnection implements DatabaseConnection {
  readonly #database: PostgresDatabase
  readonly #client: pg.PoolClient

  constructor(database: PostgresDatabase, client: pg.PoolClient) {
    this.#database = database
    this.#client = client
  }

  async executeQuery<Result>(query: CompiledQuery): Promise<QueryResult<Result>> {
    const { rows, changes } = await this.#database.execute(this.#client, statementOf(query))
    return { rows: rows as Result[], numAffectedRows: BigInt(changes) }
  }

  async *streamQuery<Result>(): AsyncIterableIterator<QueryResult<Result>> {
    throw new Error('rows are read by pages, not streamed')
  }

  async run(sql: string): Promise<void> {
    await this.#database.execute(this.#client, { sql, parameters: [] })
  }

  release(): void {
    // A client in the middle of a transaction, or a broken one, is of no use to the next.
    this.#client.release(this.#client.getTransactionStatus() !== 'I')
  }
}

class PostgresDriver implements Driver {
  readonly #database: PostgresDatabase

  constructor(database: PostgresDatabase) {
    this.#database = database
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<PostgresConnection> {
    return new PostgresConnection(this.#database, await this.#database.connect())
  }

  async releaseConnection(connection: PostgresConnection): Promise<void> {
    connection.release()
  }

  /** What only reads sees one moment of the database, as with SQLite. */
  async beginTransaction(connection: PostgresConnection, { accessMode, isolationLevel }: TransactionSettings): Promise<void> {
    const level = isolationLevel ?? (accessMode === 'read only' ? 'repeatable read' : 'read committed')
    await connection.run(`start transaction isolation level ${level} ${accessMode ?? 'read write'}`)
  }

  async commitTransaction(connection: PostgresConnection): Promise<void> {
    await connection.run('commit')
  }

  async rollbackTransaction(connection: PostgresConnection): Promise<void> {
    await connection.run('rollback')
  }

  async destroy(): Promise<void> {
    await this.#database.close()
  }
}
