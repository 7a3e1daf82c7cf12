import { UserError } from '../errors.ts'

/** The store cannot do its work: the disk is full, the database is gone. Says what to do; a server answers 503. */
export class StoreError extends UserError {}

/** An error of SQLite, with the (extended) code that it gave. */
export class SqliteError extends Error {
  override readonly name = 'SqliteError'
  readonly code: number | undefined

  constructor(message: string, code: number | undefined) {
    super(message)
    this.code = code
  }
}

const sqliteUnique = [1555, 2067, 2579]
const postgresUnique = '23505'

/** Whether a write failed because a row with the same key, or the same value of a unique column, is there already. */
export function isUniqueViolation(error: unknown): boolean {
  if (error instanceof SqliteError) return error.code !== undefined && sqliteUnique.includes(error.code)
  return postgresCode(error) === postgresUnique
}

/** SQLite's primary result codes that are no fault of a statement. https://sqlite.org/rescode.html */
const sqliteReasons: Readonly<Record<number, string>> = {
  5: 'another process has been writing to it for too long. End that process, or wait for it',
  8: 'it cannot be written to. Change the permissions of the file and its folder, or choose another folder',
  10: 'the disk failed to read or write. Look at the disk, and restore the last backup if the file is damaged',
  11: 'the file is damaged. Restore the last backup',
  13: 'the disk is full. Free some space',
  14: 'it cannot be opened. Change the permissions of the file and its folder, or choose another folder',
  26: 'this file is no SQLite database. Choose another folder, or move the file away',
}

/** An error of SQLite as a StoreError where its code says that the database, not the statement, is at fault. */
export function explainSqlite(path: string, error: unknown): unknown {
  if (!(error instanceof SqliteError) || error.code === undefined) return error
  const reason = sqliteReasons[error.code & 0xff]
  return reason === undefined ? error : new StoreError(`The database ${path}: ${reason}. (${error.message})`, { cause: error })
}

/** Codes of PostgreSQL and of the connection to it that are no fault of a statement; those of two letters are classes. */
const postgresReasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there. Start PostgreSQL, or correct host and port',
  ECONNRESET: 'the connection broke. Look whether PostgreSQL is running',
  EPIPE: 'the connection broke. Look whether PostgreSQL is running',
  ENOENT: 'there is no socket there. Start PostgreSQL, or correct the host',
  ENOTFOUND: 'there is no such host. Correct its name',
  EAI_AGAIN: 'the host\'s name cannot be looked up. Correct it, or look at the network',
  ETIMEDOUT: 'no answer. Correct host and port, or look at the network',
  '28': 'user or password are wrong, or the server does not let this user in. Correct them in the URL',
  '3D': 'there is no such database. Make it with createdb, or correct its name',
  '42501': 'this user may not do that. Give it the right to create tables in the schema',
  '42P07': 'it has tables of these names that are not posttrain\'s. Give posttrain a database of its own',
  '53': 'it has no room: its disk is full, or it has too many connections',
  '57': 'it is shutting down or starting up. Try again when it runs',
  '08': 'the connection broke. Look whether PostgreSQL is running',
}

/** An error of PostgreSQL as a StoreError where the database, not the statement, is at fault. @param place it, without the password */
export function explainPostgres(place: string, error: unknown): unknown {
  const code = postgresCode(error) ?? (isBrokenConnection(error) ? '08' : undefined)
  if (code === undefined || error instanceof StoreError) return error
  const reason = postgresReasons[code] ?? (isSqlState(code) ? postgresReasons[code.slice(0, 2)] : undefined)
  // Not the error's own text: a driver may quote the URL with its password.
  return reason === undefined ? error : new StoreError(`The database ${place}: ${reason}. (${code})`, { cause: error })
}

/** SQLSTATE of an error of PostgreSQL, or the system's code of a failed connection. */
function postgresCode(error: unknown): string | undefined {
  if (error instanceof AggregateError) return postgresCode(error.errors[0])
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code)
}

/** The driver gives these no code. */
function isBrokenConnection(error: unknown): boolean {
  return error instanceof Error && /^(?:Connection terminated|Client has encountered a connection error|timeout exceeded)/.test(error.message)
}
