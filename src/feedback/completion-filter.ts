/** Which completions are meant: the one language of datasets and of the inbox. */
import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Redactor } from './redact.ts'

const time = z.union([z.number().min(0).max(1e11), z.iso.datetime({ offset: true }), z.iso.date()], {
  error: 'must be seconds since 1970, a date (2026-01-31) or a time (2026-01-31T12:00:00Z)',
})
const tagText = z.string().min(1).max(512)
const tags = z.record(tagText, z.string()).refine((all) => Object.keys(all).length <= 16, { error: 'must have at most 16 keys' })

/** Completions that have feedback of this name. */
const feedbackFilter = z.strictObject({
  name: z.string().min(1).max(64),
  min: z.number().optional(),
  max: z.number().optional(),
  value: z.union([z.boolean(), z.number(), z.string()]).optional(),
  tags: tags.optional(),
})

/** All that is said must hold. Times are the completions'. */
export const completionFilter = z.strictObject({
  from: time.optional(),
  to: time.optional(),
  /** Of the completions' metadata. */
  tags: tags.optional(),
  alias: z.string().optional(),
  /** null: what the base answered. */
  adapter: z.string().nullable().optional(),
  model: z.string().optional(),
  user: z.string().optional(),
  source: z.enum(['server', 'logged', 'imported']).optional(),
  feedback: feedbackFilter.optional(),
  /** true: nothing was said of it; false: something was. */
  unlabelled: z.boolean().optional(),
  /** Whether a comment speaks of it. */
  has_comment: z.boolean().optional(),
  /** What was asked, answered or said of it has this; ASCII letters in either case. */
  text: z.string().min(1).max(200).optional(),
})

export type CompletionFilter = z.output<typeof completionFilter>

/** Milliseconds since 1970. */
function milliseconds(time: number | string): number {
  return typeof time === 'number' ? time * 1000 : Date.parse(time)
}

/** The filter's conditions on a row of `completions`; sets of ids, so that a rare tag is where the database begins. */
export function conditionsOf(filter: CompletionFilter, redactor: Redactor): RawBuilder<boolean> {
  const { from, to, tags = {}, alias, adapter, model, user, source, feedback, unlabelled, has_comment: hasComment, text } = filter
  const equal = (column: string, value: string | undefined): RawBuilder<boolean>[] =>
    value === undefined ? [] : [sql`${sql.ref(`completions.${column}`)} = ${value}`]
  const conditions: RawBuilder<boolean>[] = [
    ...(from === undefined ? [] : [sql<boolean>`completions.created_at >= ${milliseconds(from)}`]),
    ...(to === undefined ? [] : [sql<boolean>`completions.created_at < ${milliseconds(to)}`]),
    ...equal('alias', alias),
    ...(adapter === null ? [sql<boolean>`completions.adapter_id is null`] : equal('adapter_id', adapter)),
    ...equal('model', model),
    ...equal('user_id', user === undefined ? undefined : redactor.identifier(user)),
    ...equal('source', source),
    ...Object.entries(tags).map(([key, value]) => sql<boolean>`completions.id in (select tags.completion_id from tags
      where tags.key = ${key} and tags.value = ${value} and tags.feedback_id = '')`),
    ...(feedback === undefined ? [] : [hasFeedback(feedback)]),
    ...(unlabelled === undefined ? [] : [unless(!unlabelled, judged)]),
    ...(hasComment === undefined ? [] : [unless(hasComment, hasFeedback({ name: 'comment' }))]),
    ...(text === undefined ? [] : [hasText(text)]),
  ]
  return conditions.length === 0 ? sql`1 = 1` : sql.join(conditions, sql` and `)
}

function hasFeedback({ name, min, max, value, tags = {} }: z.output<typeof feedbackFilter>): RawBuilder<boolean> {
  const number = typeof value === 'boolean' ? Number(value) : value
  const conditions = [
    sql`said.superseded = 0`, sql`said.name = ${name}`,
    ...(min === undefined ? [] : [sql`said.number >= ${min}`]),
    ...(max === undefined ? [] : [sql`said.number <= ${max}`]),
    ...(typeof number === 'number' ? [sql`said.number = ${number}`] : []),
    ...(typeof number === 'string' ? [sql`said.value_json = ${JSON.stringify(number)}`] : []),
    ...Object.entries(tags).map(([key, value]) => sql`said.id in (select tags.feedback_id from tags
      where tags.key = ${key} and tags.value = ${value})`),
  ]
  return sql`completions.id in (select said.completion_id from feedback as said where ${sql.join(conditions, sql` and `)})`
}

const judged = sql<boolean>`exists (select 1 from feedback as said where said.completion_id = completions.id)`

function unless(holds: boolean, condition: RawBuilder<boolean>): RawBuilder<boolean> {
  return holds ? condition : sql`not ${condition}`
}

function hasText(text: string): RawBuilder<boolean> {
  // As JSON.stringify writes it.
  const pattern = `%${JSON.stringify(lower(text)).slice(1, -1).replaceAll(/[!%_]/g, '!$&')}%`
  const has = (json: string): RawBuilder<boolean> => sql`${textsOf(json)} like ${pattern} escape '!'`
  // Counted, since PostgreSQL looks for what `exists` through all answers of the store at once.
  return sql`(${has('completions.prompt_json')}
    or 0 < (select count(*) from choices where choices.completion_id = completions.id and ${has('choices.message_json')})
    or 0 < (select count(*) from feedback as said where said.completion_id = completions.id and said.name <> 'choice' and ${has('said.value_json')}))`
}

/** Messages in lower case, without the words that begin each of them: a search for "user" would find them all. */
function textsOf(json: string): RawBuilder<string> {
  return ['system', 'developer', 'user', 'assistant', 'tool'].map((role) => `"role":"${role}","content":`)
    .reduce<RawBuilder<string>>((text, part) => sql`replace(${text}, ${part}, '')`, sql`lower(${sql.ref(json)})`)
}

/** As the databases' own lower(), in the order of bytes, knows no letters but ASCII's. */
function lower(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
}
