/** What both databases are told and what they answer. */
import type { CompiledQuery } from 'kysely'

export interface Statement {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

export interface StatementResult {
  readonly rows: readonly unknown[]
  /** Rows that it inserted, updated or deleted. */
  readonly changes: number
}

/**
 * A parameter as both databases take it: text, numbers, null.
 *
 * PostgreSQL refuses the NUL character in a text, UTF-8 has no lone surrogates, and SQLite makes NULL of NaN. So that a text
 * is the same in both, NUL and lone surrogates become U+FFFD, the replacement character; JSON text keeps them as escapes.
 */
function storable(value: unknown): string | number | bigint | null {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\uFFFD')
  if (value === null || typeof value === 'bigint') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  const what = typeof value === 'number' ? String(value) : `a value of type ${typeof value}`
  throw new TypeError(`${what} cannot be stored: texts, finite numbers and null can`)
}

/** A compiled query as it is sent. @throws TypeError for a parameter that cannot be stored */
export function statementOf({ sql, parameters }: Pick<CompiledQuery, 'sql' | 'parameters'>): Statement {
  return { sql, parameters: parameters.map(storable) }
}
