/** The worker side of SQLite: its calls block, and a flush to the disk takes milliseconds, so they have a thread of their own. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { serve } from '../runtime/worker.ts'

export interface Statement {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

export interface StatementResult {
  readonly rows: readonly unknown[]
  readonly changes: number
  readonly lastId: number
}

const cachedStatements = 200

let database: DatabaseSync | undefined
const prepared = new Map<string, StatementSync>()

serve<never>({
  open(path: string): void {
    database = new DatabaseSync(path)
    // FULL: a committed transaction is on the disk, also after a power cut.
    database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 10000; pragma foreign_keys = on')
  },

  execute: (statement: Statement): StatementResult => execute(statement),

  /** All of them or none. */
  transaction(statements: readonly Statement[]): StatementResult[] {
    execute({ sql: 'begin immediate', parameters: [] })
    try {
      const results = statements.map(execute)
      execute({ sql: 'commit', parameters: [] })
      return results
    } catch (error) {
      execute({ sql: 'rollback', parameters: [] })
      throw error
    }
  },

  close(): void {
    prepared.clear()
    database?.close()
    database = undefined
  },
})

function execute({ sql, parameters }: Statement): StatementResult {
  const statement = prepare(sql)
  const values = parameters as SQLInputValue[]
  if (statement.columns().length > 0) return { rows: statement.all(...values), changes: 0, lastId: 0 }
  const { changes, lastInsertRowid } = statement.run(...values)
  return { rows: [], changes: Number(changes), lastId: Number(lastInsertRowid) }
}

function prepare(sql: string): StatementSync {
  if (database === undefined) throw new Error('the database was not opened')
  let statement = prepared.get(sql)
  if (statement === undefined) {
    statement = database.prepare(sql)
    if (prepared.size >= cachedStatements) prepared.delete(prepared.keys().next().value!)
    prepared.set(sql, statement)
  }
  return statement
}
