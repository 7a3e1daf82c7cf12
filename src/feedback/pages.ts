import { sql, type RawBuilder } from 'kysely'

/** Rows are paged by their time, and by their id within a millisecond. */
export interface PageOptions {
  /** The last id of the page before. */
  readonly after?: string | undefined
  readonly limit: number
  readonly order: 'asc' | 'desc'
}

export interface Page<Item> {
  readonly items: readonly Item[]
  readonly hasMore: boolean
}

/** A row's place. */
export interface Cursor {
  readonly created_at: number
  readonly id: string
}

/** Whether a row of `table` comes after a cursor's. */
export function isAfter(table: string, cursor: Cursor, order: 'asc' | 'desc'): RawBuilder<boolean> {
  const place = sql`(${sql.ref(`${table}.created_at`)}, ${sql.ref(`${table}.id`)})`
  const at = sql`(${cursor.created_at}, ${cursor.id})`
  return order === 'asc' ? sql`${place} > ${at}` : sql`${place} < ${at}`
}

/** A page of rows of which one more was asked for than it holds. */
export function pageOf<Item>(rows: readonly Item[], limit: number): Page<Item> {
  return { items: rows.slice(0, limit), hasMore: rows.length > limit }
}
