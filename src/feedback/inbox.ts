/** The inbox: completions that were answered, the newest first, with all that was said of them. */
import { sql, type RawBuilder } from 'kysely'
import { UserError } from '../errors.ts'
import type { Row, Store } from '../store/index.ts'
import { conditionsOf, type CompletionFilter } from './completion-filter.ts'
import { isAfter, type Cursor } from './pages.ts'
import type { Redactor } from './redact.ts'

/** A completion with its answers and what was said of them. */
export interface InboxItem {
  readonly completion: Row<'completions'>
  /** In the order of their position. */
  readonly choices: readonly Row<'choices'>[]
  /** The newest first; what later words have taken the place of is among it. */
  readonly feedback: readonly Row<'feedback'>[]
}

export interface InboxQuery {
  readonly filter: CompletionFilter
  /** The `next` of the page before. */
  readonly after?: string | undefined
  readonly limit: number
}

export interface InboxPage {
  readonly items: readonly InboxItem[]
  /** Where the next page begins; null: this is the last one. A page may be short, even empty, and not be the last: see `mostSearched`. */
  readonly next: string | null
}

/** Completions that one call searches for a text, and how many of them a statement does. */
export const mostSearched = 20_000
const searchedAtOnce = 2000

/**
 * A page of the completions that the filter lets through. Pages follow each other by time and id: what arrives meanwhile moves none
 * of them. A text is looked for in `mostSearched` completions at most; the next page looks further.
 * @throws UserError (exitCode 2) where `after` is no place
 */
export async function listInbox(store: Store, redactor: Redactor, query: InboxQuery): Promise<InboxPage> {
  const { ids, next } = await findIds(store, redactor, query)
  return { items: await readItems(store, ids), next: next === undefined ? null : placeOf(next) }
}

/** The ids of such a page. */
export async function findIds(store: Store, redactor: Redactor, { filter, after, limit }: InboxQuery): Promise<Found> {
  const cursor = after === undefined ? undefined : cursorOf(after)
  if (filter.text !== undefined) return await searchPage(store, redactor, filter, cursor, limit)
  return await findPage(store, conditionsOf(filter, redactor), cursor, limit)
}

/** `TIME.ID`: a place between rows, which is there also when its row is deleted. */
function placeOf({ created_at: time, id }: Cursor): string {
  return `${time}.${id}`
}

function cursorOf(place: string): Cursor {
  const [, time, id] = /^(\d{1,15})\.(.{1,200})$/s.exec(place) ?? []
  if (time === undefined || id === undefined) throw new UserError('after: must be the "next" of the page before', { exitCode: 2 })
  return { created_at: Number(time), id }
}

export interface Found {
  readonly ids: readonly string[]
  readonly next: Cursor | undefined
}

/** Completions from a place on, the newest first. */
export function pageQuery({ db }: Store, conditions: RawBuilder<boolean>, cursor: Cursor | undefined, limit: number) {
  return db.selectFrom('completions').select(['completions.id', 'completions.created_at']).where(conditions)
    .$if(cursor !== undefined, (query) => query.where(isAfter('completions', cursor!, 'desc')))
    .orderBy('completions.created_at', 'desc').orderBy('completions.id', 'desc').limit(limit)
}

async function findPage(store: Store, conditions: RawBuilder<boolean>, cursor: Cursor | undefined, limit: number): Promise<Found> {
  const rows = await pageQuery(store, conditions, cursor, limit + 1).execute()
  const page = rows.slice(0, limit)
  return { ids: page.map(({ id }) => id), next: rows.length > limit ? page.at(-1) : undefined }
}

/** The filter without its text says which completions are looked at, one stretch after another. */
async function searchPage(
  store: Store, redactor: Redactor, { text, ...rest }: CompletionFilter, cursor: Cursor | undefined, limit: number,
): Promise<Found> {
  const conditions = conditionsOf(rest, redactor)
  const hasText = sql<number>`case when ${conditionsOf({ text }, redactor)} then 1 else 0 end`.as('found')
  const ids: string[] = []
  let at = cursor
  for (let searched = 0; searched < mostSearched; searched += searchedAtOnce) {
    const rows = await pageQuery(store, conditions, at, searchedAtOnce).select(hasText).execute()
    for (const row of rows) {
      at = row
      if (row.found === 1) ids.push(row.id)
      if (ids.length === limit) return { ids, next: at }
    }
    if (rows.length < searchedAtOnce) return { ids, next: undefined }
  }
  return { ids, next: at }
}

/** Feedback of one page: an answer of which thousands speak must not take the memory. */
const mostFeedback = 5000

/** Completions by their ids, in that order; those that are there. */
export async function readItems({ db }: Store, ids: readonly string[]): Promise<InboxItem[]> {
  if (ids.length === 0) return []
  const [completions, choices, feedback] = await Promise.all([
    db.selectFrom('completions').selectAll().where('id', 'in', ids).execute(),
    db.selectFrom('choices').selectAll().where('completion_id', 'in', ids).orderBy('position').execute(),
    db.selectFrom('feedback').selectAll().where('completion_id', 'in', ids)
      .orderBy('created_at', 'desc').orderBy('id', 'desc').limit(mostFeedback).execute(),
  ])
  const completionOf = new Map(completions.map((completion) => [completion.id, completion]))
  const choicesOf = Map.groupBy(choices, ({ completion_id: id }) => id)
  const feedbackOf = Map.groupBy(feedback, ({ completion_id: id }) => id)
  return ids.flatMap((id) => {
    const completion = completionOf.get(id)
    return completion === undefined ? [] : [{ completion, choices: choicesOf.get(id) ?? [], feedback: feedbackOf.get(id) ?? [] }]
  })
}
