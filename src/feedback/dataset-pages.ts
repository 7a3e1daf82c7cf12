/** Rows of a version, page by page from any position: an index leads to each page, however many rows there are. */
import { sql, type RawBuilder } from 'kysely'
import type { Row, Store } from '../store/index.ts'
import type { Split } from './dataset-curate.ts'

export interface DatasetRow {
  readonly position: number
  readonly split: Split
  /** undefined: a user's deletion has removed it. */
  readonly row: unknown
  readonly completionId: string | null
  readonly feedbackId: string | null
}

/** Where a page begins: it goes on from `from` (that row included), or it is the one before `before`. */
export type PageStart = { readonly from: number } | { readonly before: number }

export interface RowQuery {
  readonly split?: Split | undefined
  readonly start: PageStart
  readonly limit: number
}

/** Rows in the order of their positions. */
export interface RowPage {
  readonly rows: readonly DatasetRow[]
  /** Whether there are rows beyond the page's two ends. */
  readonly hasBefore: boolean
  readonly hasMore: boolean
}

export async function pageOfRows(store: Store, datasetId: string, { split, start, limit }: RowQuery): Promise<RowPage> {
  const forwards = 'from' in start
  const found = await readRows(store, datasetId, { split, start, limit: limit + 1 })
  const rows = found.slice(0, limit)
  const further = found.length > limit
  const other = rows.length === 0 ? start : forwards ? { before: rows[0]!.position } : { from: rows[0]!.position + 1 }
  const beyond = rows.length > 0 && (await readRows(store, datasetId, { split, start: other, limit: 1 })).length > 0
  return forwards ? { rows, hasBefore: beyond, hasMore: further } : { rows: rows.toReversed(), hasBefore: further, hasMore: beyond }
}

/** Away from the start: downwards where it says `before`. */
async function readRows(store: Store, datasetId: string, { split, start, limit }: RowQuery): Promise<DatasetRow[]> {
  const rows = await rowsFrom(store, datasetId, split, start).selectAll().limit(limit).execute()
  return rows.map(rowOf)
}

function rowsFrom({ db }: Store, datasetId: string, split: Split | undefined, start: PageStart) {
  return db.selectFrom('dataset_rows').where('dataset_id', '=', datasetId)
    .$if(split !== undefined, (query) => query.where('split', '=', split!))
    .$if('from' in start, (query) => query.where('position', '>=', (start as { from: number }).from))
    .$if('before' in start, (query) => query.where('position', '<', (start as { before: number }).before))
    .orderBy('position', 'from' in start ? 'asc' : 'desc')
}

function rowOf({ position, split, row_json: row, completion_id: completionId, feedback_id: feedbackId }: Row<'dataset_rows'>): DatasetRow {
  return { position, split, row: row === null ? undefined : JSON.parse(row) as unknown, completionId, feedbackId }
}

/** Rows that one call looks through, and how many of them a statement does. */
const mostSearched = 20_000
const searchedAtOnce = 2000

export interface RowSearch extends RowPage {
  /** How far it has looked, where it ended before the page was full: the search goes on from there. */
  readonly searchedTo: number | undefined
}

/**
 * The next rows whose texts have `text` in them (ASCII letters in either case). Looks through a bounded number of rows, in the
 * database's own thread.
 */
export async function searchRows(store: Store, datasetId: string, text: string, { split, start, limit }: RowQuery): Promise<RowSearch> {
  const forwards = 'from' in start
  const needle = lower(text)
  const rows: DatasetRow[] = []
  let at: PageStart | undefined = start
  for (let searched = 0; at !== undefined && searched < mostSearched && rows.length <= limit; searched += searchedAtOnce) {
    const { next, found } = await searchWindow(store, datasetId, needle, { split, start: at, limit: limit + 1 - rows.length })
    rows.push(...found.filter(({ row }) => hasText(row, needle)))
    at = next
  }
  const page = rows.slice(0, limit)
  const further = rows.length > limit
  const searchedTo = further || at === undefined ? undefined : 'from' in at ? at.from : at.before
  const ends = further || at !== undefined
  return {
    rows: forwards ? page : page.toReversed(),
    hasBefore: forwards ? start.from > 0 : ends,
    hasMore: forwards ? ends : true,
    searchedTo,
  }
}

/** Rows of the next stretch that may have the text; `next` is where to go on, undefined at the end. */
async function searchWindow(
  store: Store, datasetId: string, needle: string, { split, start, limit }: RowQuery,
): Promise<{ readonly found: readonly DatasetRow[]; readonly next: PageStart | undefined }> {
  const last = await rowsFrom(store, datasetId, split, start).select('position').offset(searchedAtOnce - 1).limit(1).executeTakeFirst()
  const forwards = 'from' in start
  // As JSON.stringify writes it; the column's lower() knows ASCII alone, in both databases.
  const pattern = `%${JSON.stringify(needle).slice(1, -1).replaceAll(/[!%_]/g, '!$&')}%`
  const found = await rowsFrom(store, datasetId, split, start).selectAll()
    .$if(last !== undefined, (query) => query.where('position', forwards ? '<=' : '>=', last!.position))
    .where(sql<boolean>`${textsOnly} like ${pattern} escape '!'`)
    .limit(limit).execute()
  if (found.length === limit) return { found: found.map(rowOf), next: after(found.at(-1)!.position, forwards) }
  return { found: found.map(rowOf), next: last && after(last.position, forwards) }
}

/** The row's JSON in lower case, without keys and roles that every row has: a search for "user" would find them all. */
const textsOnly = [
  ...['system', 'user', 'assistant'].map((role) => `"role":"${role}"`),
  ...['content', 'messages', 'prompt', 'completion', 'chosen', 'rejected', 'label'].map((key) => `"${key}":`),
].reduce<RawBuilder<string>>((text, part) => sql`replace(${text}, ${part}, '')`, sql`lower(row_json)`)

function after(position: number, forwards: boolean): PageStart {
  return forwards ? { from: position + 1 } : { before: position }
}

function lower(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** Whether a text of the row has it: keys and roles are no texts. */
function hasText(value: unknown, needle: string): boolean {
  if (typeof value === 'string') return lower(value).includes(needle)
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, inner]) => key !== 'role' && hasText(inner, needle))
}

/** Rows by their positions; those that there are. */
export async function rowsAt({ db }: Store, datasetId: string, positions: readonly number[]): Promise<DatasetRow[]> {
  const rows = await db.selectFrom('dataset_rows').selectAll().where('dataset_id', '=', datasetId).where('position', 'in', positions).execute()
  return rows.map(rowOf)
}

/** Rows spread evenly over a version, as they are stored; deleted ones are left out. @param most how many */
export async function sampleRows({ db }: Store, datasetId: string, most: number): Promise<string[]> {
  const last = await db.selectFrom('dataset_rows').select('position').where('dataset_id', '=', datasetId)
    .orderBy('position', 'desc').limit(1).executeTakeFirst()
  const all = (last?.position ?? -1) + 1
  const count = Math.min(most, all)
  const positions = Array.from({ length: count }, (_, i) => Math.floor((i * all) / count))
  const texts: string[] = []
  for (let start = 0; start < count; start += 500) {
    const rows = await db.selectFrom('dataset_rows').select('row_json').where('dataset_id', '=', datasetId)
      .where('position', 'in', positions.slice(start, start + 500)).orderBy('position').execute()
    texts.push(...rows.flatMap(({ row_json: row }) => row ?? []))
  }
  return texts
}
