import { PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type Dialect } from 'kysely'
import pg from 'pg'
import { UserError } from '../errors.ts'
import { WritingSession, type Database, type Session } from './database.ts'
import { dialectOf } from './dialect.ts'
import { explainPostgres } from './errors.ts'
import { GroupCommit, type Write } from './group-commit.ts'
import type { Statement, StatementResult } from './statement.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string
  /** A transaction without a statement for so long is undone. */
  readonly idleMilliseconds: number
}

const poolSize = 8
const connectMilliseconds = 10_000
/** Any number of our own: whoever holds this lock of the database writes. So a transaction's reads hold until its end, as in SQLite. */
const takeTurn = 'select pg_advisory_xact_lock(7461922)'

/** A database of PostgreSQL: a pool for reads and transactions, one connection for the group commit. */
export class PostgresDatabase implements Database {
  readonly writes: GroupCommit
  readonly #pool: pg.Pool
  readonly #writer: pg.Pool
  readonly #idleMilliseconds: number
  /** Where it is, for people: without the password. */
  readonly #place: string

  /** Connects when it is first asked for something. @throws UserError where the URL is none */
  constructor({ url, idleMilliseconds }: PostgresOptions) {
    this.#place = placeOf(url)
    this.#idleMilliseconds = idleMilliseconds
    const config: pg.PoolConfig = { connectionString: url, connectionTimeoutMillis: connectMilliseconds, application_name: 'posttrain', types }
    this.#pool = openPool({ ...config, max: poolSize })
    // Pipelined: a group goes out at once and costs one round trip.
    this.#writer = openPool({ ...config, max: 1, pipeline: true })
    this.writes = new GroupCommit((writes) => this.#explained(() => this.#commit(writes)))
  }

  async read({ sql, parameters }: Statement): Promise<StatementResult> {
    return await this.#explained(async () => resultOf(await this.#pool.query(sql, [...parameters])))
  }

  async begin(): Promise<Session> {
    return new WritingSession(await this.#begin('begin', takeTurn), this.#idleMilliseconds)
  }

  async beginReading(): Promise<Session> {
    return await this.#begin('begin isolation level repeatable read read only')
  }

  async close(): Promise<void> {
    await this.writes.settled()
    await Promise.all([this.#writer.end(), this.#pool.end()])
  }

  async #begin(...beginning: readonly string[]): Promise<Session> {
    const client = await this.#explained(() => this.#pool.connect())
    const execute = ({ sql, parameters }: Statement): Promise<StatementResult> =>
      this.#explained(async () => resultOf(await client.query(sql, [...parameters])))
    const end = async (sql: string): Promise<void> => {
      await execute({ sql, parameters: [] })
      client.release()
    }
    const rollback = async (): Promise<void> => {
      await end('rollback').catch((error: unknown) => {
        client.release(true)
        throw error
      })
    }
    try {
      for (const sql of beginning) await execute({ sql, parameters: [] })
    } catch (error) {
      client.release(true)
      throw error
    }
    return { execute, rollback, commit: () => end('commit') }
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
    client.query(takeTurn),
    ...statements.map(({ sql, parameters }) => client.query(sql, [...parameters])),
    client.query('commit'),
  ])
  const results = settled.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return resultOf(result.value)
  })
  return results.slice(2, -1)
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
  // A connection that breaks fails what is asked of it next, and another takes its place.
  pool.on('connect', (client) => { client.on('error', () => undefined) })
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
  return dialectOf(database, {
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (kysely) => new PostgresIntrospector(kysely),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  })
}
