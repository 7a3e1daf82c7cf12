/** The worker side of SQLite: its calls block, and a flush to the disk takes milliseconds, so each connection has a thread. */
import { statSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { messageOf } from '../errors.ts'
import { serve } from '../runtime/worker.ts'
import type { Statement, StatementResult } from './statement.ts'

export interface OpenOptions {
  readonly path: string
  /** Only reads, beside a connection that writes. */
  readonly readOnly: boolean
  /** For so long a statement waits for other processes that hold the file: a command, a backup. */
  readonly busyMilliseconds: number
}

/** Errors cross threads as data, with SQLite's code. */
export type Outcome<Value> = { readonly value: Value } | { readonly failure: { readonly message: string; readonly code: number | undefined } }

const cachedStatements = 200
/** KiB of pages that a connection keeps. */
const cacheSize = 16_384
/** The write-ahead log is cut back when it has grown by so much; readers that are always there would let it grow for ever. */
const maxLogBytes = 128 * 2 ** 20
/** How long the cut waits for those who read. */
const cutMilliseconds = 1000

let database: DatabaseSync
let logPath: string
let busyMilliseconds: number
let cutAt = maxLogBytes
const prepared = new Map<string, StatementSync>()

serve<never>({
  open: (options: OpenOptions): Outcome<void> => outcome(() => {
    const { path, readOnly } = options
    busyMilliseconds = options.busyMilliseconds
    database = new DatabaseSync(path, { timeout: busyMilliseconds, enableForeignKeyConstraints: true })
    logPath = `${path}-wal`
    const [mode] = database.prepare('pragma journal_mode = wal').all()
    if (mode?.['journal_mode'] !== 'wal') throw new Error('this file system has no shared memory: choose a folder on a local disk')
    // FULL: a committed transaction is on the disk, also after a power cut. Secure: what was deleted is overwritten, not only free.
    database.exec(`pragma synchronous = full; pragma secure_delete = on; pragma cache_size = -${cacheSize}; pragma journal_size_limit = ${maxLogBytes}`)
    if (readOnly) database.exec('pragma query_only = on')
  }),

  execute: (statement: Statement): Outcome<StatementResult> => outcome(() => execute(statement)),

  /** Writes of several callers in one transaction; each is done wholly or not at all, whatever becomes of the others. */
  commit: (writes: readonly (readonly Statement[])[]): Outcome<readonly Outcome<StatementResult[]>[]> => outcome(() => {
    run('begin immediate')
    try {
      const outcomes = writes.map(attempt)
      run('commit')
      cutLog()
      return outcomes
    } catch (error) {
      if (database.isTransaction) run('rollback')
      throw error
    }
  }),

  rollback: (): Outcome<void> => outcome(() => {
    // Errors such as a full disk have done it already.
    if (database.isTransaction) run('rollback')
  }),

  close(): void {
    prepared.clear()
    database.close()
  },
})

function attempt(statements: readonly Statement[]): Outcome<StatementResult[]> {
  run('savepoint write')
  try {
    const results = statements.map(execute)
    run('release write')
    return { value: results }
  } catch (error) {
    // Where the error has undone the whole transaction, no savepoint is left.
    if (!database.isTransaction) throw error
    run('rollback to write')
    run('release write')
    return failure(error)
  }
}

function execute({ sql, parameters }: Statement): StatementResult {
  const statement = prepare(sql)
  const values = parameters as SQLInputValue[]
  if (statement.columns().length > 0) {
    const rows = statement.all(...values)
    return { rows, changes: rows.length }
  }
  return { rows: [], changes: Number(statement.run(...values).changes) }
}

function run(sql: string): void {
  prepare(sql).run()
}

function prepare(sql: string): StatementSync {
  let statement = prepared.get(sql)
  if (statement === undefined) {
    statement = database.prepare(sql)
    if (prepared.size >= cachedStatements) prepared.delete(prepared.keys().next().value!)
    prepared.set(sql, statement)
  }
  return statement
}

/** SQLite copies the log back by itself, but begins it anew only at a moment when no one reads. */
function cutLog(): void {
  const size = statSync(logPath, { throwIfNoEntry: false })?.size ?? 0
  if (size <= cutAt) return
  database.exec(`pragma busy_timeout = ${cutMilliseconds}; pragma wal_checkpoint(truncate); pragma busy_timeout = ${busyMilliseconds}`)
  cutAt = (statSync(logPath, { throwIfNoEntry: false })?.size ?? 0) + maxLogBytes
}

function outcome<Value>(work: () => Value): Outcome<Value> {
  try {
    return { value: work() }
  } catch (error) {
    return failure(error)
  }
}

function failure(error: unknown): { failure: { message: string; code: number | undefined } } {
  const code = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : undefined
  return { failure: { message: messageOf(error), code } }
}
