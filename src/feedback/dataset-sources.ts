/** What the store has for a dataset: counted, and read page by page. */
import { sql, type RawBuilder } from 'kysely'
import type { Row, Store } from '../store/index.ts'
import { conditionsOf } from './completion-filter.ts'
import type { DatasetSpec } from './dataset-spec.ts'
import { isAfter, type Cursor } from './pages.ts'
import type { Redactor } from './redact.ts'
import type { AnswerRef } from './values.ts'

/** A completion of which rows are made. */
export type SourceCompletion = Pick<
  Row<'completions'>,
  'id' | 'kind' | 'user_id' | 'conversation_id' | 'prompt_json' | 'prompt_hash' | 'metadata_json'
>

/** An answer, where it is stored. */
export interface SourceAnswer {
  readonly message_json: string | null
  readonly finish_reason: string
}

/** Something that was said of an answer. */
export interface SourceFeedback {
  readonly id: string
  readonly name: string
  readonly value_json: string | null
  readonly number: number | null
  readonly user_id: string | null
  readonly completion: SourceCompletion
  /** Which of the completion's answers it speaks of. */
  readonly position: number
  /** The answer that it speaks of; undefined: the completion has none at its place. */
  readonly answer: SourceAnswer | undefined
}

/** How much there is, by the database's count alone. */
export interface SourceCounts {
  /** Completions that the filter lets through. */
  readonly completions: number
  /** What was said of them and still holds, by name; thumbs by their sides. */
  readonly feedback: Readonly<Record<string, number>>
}

const page = 500

/** The names of feedback that a kind of rows is made of. */
export function namesOf({ kind, options }: DatasetSpec): string[] {
  switch (kind) {
    case 'labelled': return ['thumbs', ...(options.rating_up === undefined && options.rating_down === undefined ? [] : ['rating'])]
    case 'pairs': return ['choice', 'correction']
    case 'sft': return ['correction', ...(options.thumbs_up ? ['thumbs'] : []), ...(options.min_rating === null ? [] : ['rating'])]
    case 'prompts': return []
  }
}

/** What a dataset could be made of: the database counts, no row is read. */
export async function countSources({ db }: Store, spec: DatasetSpec, redactor: Redactor): Promise<SourceCounts> {
  const conditions = conditionsOf(spec.filter, redactor)
  const names = namesOf(spec)
  const all = db.selectFrom('completions').select(({ fn }) => fn.countAll<number>().as('n')).where(conditions)
  const judged = db.selectFrom('feedback')
    .innerJoin('completions', 'completions.id', 'feedback.completion_id')
    .select(['feedback.name', sql<number | null>`case when feedback.name = 'thumbs' then feedback.number end`.as('side')])
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .where('feedback.name', 'in', names).where('feedback.superseded', '=', 0).where(conditions)
    .groupBy(['feedback.name', 'side'])
  const [completions, feedback] = await Promise.all([all.executeTakeFirstOrThrow(), names.length === 0 ? [] : judged.execute()])
  const label = (name: string, side: number | null): string => (side === null ? name : side === 1 ? 'thumbs_up' : 'thumbs_down')
  return {
    completions: Number(completions.n),
    feedback: Object.fromEntries(feedback.map(({ name, side, n }) => [label(name, side), Number(n)])),
  }
}

/** How much feedback waits for a completion that is not stored. */
export async function countUnknown({ db }: Store, names: readonly string[]): Promise<number> {
  if (names.length === 0) return 0
  const { n } = await db.selectFrom('feedback').select(({ fn }) => fn.countAll<number>().as('n'))
    .where('name', 'in', names).where('superseded', '=', 0)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('completions').select('id').whereRef('completions.id', '=', 'feedback.completion_id'))))
    .executeTakeFirstOrThrow()
  return Number(n)
}

/** Pages that follow each other, the newest row first, `limit` rows in all. */
async function* pages<Row extends Cursor>(
  limit: number,
  read: (wanted: number, after: RawBuilder<boolean> | undefined) => Promise<Row[]>,
  table: string,
): AsyncIterable<readonly Row[]> {
  let cursor: Cursor | undefined
  for (let left = limit; left > 0;) {
    const wanted = Math.min(page, left)
    const rows = await read(wanted, cursor === undefined ? undefined : isAfter(table, cursor, 'desc'))
    yield rows
    if (rows.length < wanted) return
    left -= rows.length
    cursor = rows.at(-1)!
  }
}

const completionColumns = [
  'completions.kind', 'completions.user_id as owner', 'completions.conversation_id', 'completions.prompt_json', 'completions.prompt_hash',
  'completions.metadata_json',
] as const
const feedbackColumns = [
  'feedback.id', 'feedback.created_at', 'feedback.completion_id', 'feedback.position', 'feedback.name', 'feedback.value_json',
  'feedback.number', 'feedback.user_id',
] as const

/** What was said of the completions that the filter lets through, the newest first, in pages. */
export async function* feedbackSources({ db }: Store, spec: DatasetSpec, redactor: Redactor): AsyncIterable<readonly SourceFeedback[]> {
  const query = db.selectFrom('feedback')
    .innerJoin('completions', 'completions.id', 'feedback.completion_id')
    .leftJoin('choices', (join) => join
      .onRef('choices.completion_id', '=', 'feedback.completion_id')
      .onRef('choices.position', '=', 'feedback.position'))
    .select(feedbackColumns).select(completionColumns).select(['choices.message_json', 'choices.finish_reason'])
    .where('feedback.name', 'in', namesOf(spec)).where('feedback.superseded', '=', 0)
    .where(conditionsOf(spec.filter, redactor))
    .orderBy('feedback.created_at', 'desc').orderBy('feedback.id', 'desc')
  const read = (wanted: number, after: RawBuilder<boolean> | undefined) =>
    query.$if(after !== undefined, (all) => all.where(after!)).limit(wanted).execute()
  for await (const rows of pages(spec.options.limit, read, 'feedback')) {
    yield rows.map(({ id, position, name, value_json, number, user_id, message_json, finish_reason, owner, completion_id, ...completion }) => ({
      id, position, name, value_json, number, user_id,
      completion: { ...completion, id: completion_id, user_id: owner },
      answer: finish_reason === null ? undefined : { message_json, finish_reason },
    }))
  }
}

/** The completions that the filter lets through, the newest first, in pages. */
export async function* completionSources(
  { db }: Store,
  spec: DatasetSpec,
  redactor: Redactor,
): AsyncIterable<readonly SourceCompletion[]> {
  const query = db.selectFrom('completions')
    .select(['completions.id', 'completions.created_at']).select(completionColumns)
    .where(conditionsOf(spec.filter, redactor))
    .orderBy('completions.created_at', 'desc').orderBy('completions.id', 'desc')
  const read = (wanted: number, after: RawBuilder<boolean> | undefined) =>
    query.$if(after !== undefined, (all) => all.where(after!)).limit(wanted).execute()
  for await (const rows of pages(spec.options.limit, read, 'completions')) yield rows.map(({ owner, ...row }) => ({ ...row, user_id: owner }))
}

/** An answer and what is to be known of its completion. */
export interface KnownAnswer extends SourceAnswer {
  readonly owner: string | null
  readonly prompt_hash: string
}

/** The stored answers of several completions, by `answerKey`. */
export async function findAnswers({ db }: Store, completionIds: readonly string[]): Promise<ReadonlyMap<string, KnownAnswer>> {
  if (completionIds.length === 0) return new Map()
  const rows = await db.selectFrom('choices').innerJoin('completions', 'completions.id', 'choices.completion_id')
    .select(['choices.completion_id', 'choices.position', 'choices.message_json', 'choices.finish_reason'])
    .select(['completions.user_id as owner', 'completions.prompt_hash'])
    .where('choices.completion_id', 'in', completionIds).execute()
  return new Map(rows.map(({ completion_id, position, ...answer }) => [answerKey({ completion_id, choice_index: position }), answer]))
}

/** Those answers of several completions to which somebody gave a thumb down that still holds, by `answerKey`. */
export async function findDisliked({ db }: Store, completionIds: readonly string[]): Promise<ReadonlySet<string>> {
  if (completionIds.length === 0) return new Set()
  const rows = await db.selectFrom('feedback').select(['completion_id', 'position'])
    .where('completion_id', 'in', completionIds).where('name', '=', 'thumbs').where('number', '=', 0).where('superseded', '=', 0).execute()
  return new Set(rows.map(({ completion_id, position }) => answerKey({ completion_id, choice_index: position })))
}

export function answerKey({ completion_id: id, choice_index: index }: AnswerRef): string {
  return `${index} ${id}`
}
