/** The completions in a store. */
import { UserError } from '../errors.ts'
import type { Row, Store } from '../store/index.ts'
import { isAfter, pageOf, type Page, type PageOptions } from './pages.ts'
import type { Redactor } from './redact.ts'

export interface StoredCompletion {
  readonly completion: Row<'completions'>
  /** In the order of their position. */
  readonly choices: readonly Row<'choices'>[]
}

export interface CompletionQuery extends PageOptions {
  readonly model?: string | undefined
  /** All of these must be in its metadata. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly user?: string | undefined
}

export async function findCompletion(store: Store, id: string): Promise<StoredCompletion | undefined> {
  const completion = await store.db.selectFrom('completions').selectAll().where('id', '=', id).executeTakeFirst()
  if (completion === undefined) return undefined
  const choices = await store.db.selectFrom('choices').selectAll().where('completion_id', '=', id).orderBy('position').execute()
  return { completion, choices }
}

/** @throws UserError (exitCode 2) where `after` is no completion's id */
export async function listCompletions(store: Store, query: CompletionQuery): Promise<Page<StoredCompletion>> {
  const { model, metadata = {}, user, after, limit, order } = query
  const { db } = store
  const cursor = after === undefined ? undefined
    : await db.selectFrom('completions').select(['id', 'created_at']).where('id', '=', after).executeTakeFirst()
  if (after !== undefined && cursor === undefined) throw new UserError(`There is no stored completion ${after}`, { exitCode: 2 })
  let rows = db.selectFrom('completions').selectAll()
  if (model !== undefined) rows = rows.where('model', '=', model)
  if (user !== undefined) rows = rows.where('user_id', '=', user)
  for (const [key, value] of Object.entries(metadata)) {
    rows = rows.where(({ exists, selectFrom }) => exists(selectFrom('tags').select('key')
      .whereRef('tags.completion_id', '=', 'completions.id').where('feedback_id', '=', '')
      .where('key', '=', key).where('value', '=', value)))
  }
  if (cursor !== undefined) rows = rows.where(isAfter('completions', cursor, order))
  const { items, hasMore } = pageOf(await rows.orderBy('created_at', order).orderBy('id', order).limit(limit + 1).execute(), limit)
  const choices = await choicesOf(store, items.map(({ id }) => id))
  return { items: items.map((completion) => ({ completion, choices: choices.get(completion.id) ?? [] })), hasMore }
}

/** The choices of several completions, by completion. */
async function choicesOf({ db }: Store, ids: readonly string[]): Promise<Map<string, Row<'choices'>[]>> {
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('choices').selectAll().where('completion_id', 'in', ids).orderBy('position').execute()
  return Map.groupBy(rows, ({ completion_id: id }) => id)
}

/** Replaces a completion's metadata; its conversation stays. @returns whether it was there */
export async function setMetadata(
  store: Store,
  redactor: Redactor,
  id: string,
  metadata: Readonly<Record<string, string>>,
): Promise<boolean> {
  const { db } = store
  const found = await db.selectFrom('completions').select('created_at').where('id', '=', id).executeTakeFirst()
  if (found === undefined) return false
  const redacted = await redactor.value(metadata)
  const tags = Object.entries(redacted)
    .map(([key, value]) => ({ completion_id: id, feedback_id: '', key, value, created_at: found.created_at }))
  const [changed] = await store.write(
    db.updateTable('completions').set({ metadata_json: JSON.stringify(redacted) }).where('id', '=', id),
    db.deleteFrom('tags').where('completion_id', '=', id).where('feedback_id', '=', ''),
    ...(tags.length === 0 ? [] : [db.insertInto('tags').values(tags)]),
  )
  return changed !== 0
}

/** Forgets a completion and all that was said of it; datasets that were made of it stay. @returns whether it was there */
export async function removeCompletion(store: Store, id: string): Promise<boolean> {
  const { db } = store
  const [changed] = await store.write(
    db.deleteFrom('completions').where('id', '=', id),
    db.deleteFrom('choices').where('completion_id', '=', id),
    db.deleteFrom('feedback').where('completion_id', '=', id),
    db.deleteFrom('tags').where('completion_id', '=', id),
  )
  return changed !== 0
}
