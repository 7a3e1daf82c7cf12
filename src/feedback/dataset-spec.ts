/** What a dataset is to be made of. */
import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Redactor } from './redact.ts'

const time = z.union([z.number().min(0).max(1e11), z.iso.datetime({ offset: true }), z.iso.date()], {
  error: 'must be seconds since 1970, a date (2026-01-31) or a time (2026-01-31T12:00:00Z)',
})
const tagText = z.string().min(1).max(512)

/** Completions that have feedback of this name. */
const feedbackFilter = z.strictObject({
  name: z.string().min(1).max(64),
  min: z.number().optional(),
  max: z.number().optional(),
  value: z.union([z.boolean(), z.number(), z.string()]).optional(),
  tags: z.record(tagText, z.string()).optional(),
})

/** All that is said must hold. Times are the completions'. */
const filter = z.strictObject({
  from: time.optional(),
  to: time.optional(),
  /** Of the completions' metadata. */
  tags: z.record(tagText, z.string()).optional(),
  alias: z.string().optional(),
  /** null: what the base answered. */
  adapter: z.string().nullable().optional(),
  model: z.string().optional(),
  user: z.string().optional(),
  source: z.enum(['server', 'logged', 'imported']).optional(),
  feedback: feedbackFilter.optional(),
})

const rating = z.number().min(1).max(5)

const fieldName = z.string().regex(/^(?!prompt$|messages$|tools$)[A-Za-z_]\w{0,63}$/, {
  error: 'must be letters, digits and _, and none of prompt, messages and tools',
})

const options = z.strictObject({
  /** sft: answers that were rated so high are demonstrations; null: ratings are not used. */
  min_rating: rating.nullable().default(4),
  /** sft: so are answers with a thumb up. */
  thumbs_up: z.boolean().default(true),
  /** labelled: ratings from `rating_up` on are thumbs up, up to `rating_down` thumbs down; unless given, ratings are not used. */
  rating_up: rating.optional(),
  rating_down: rating.optional(),
  /** prompts: keys of the metadata that become fields of the row, for graders to read. */
  fields: z.array(fieldName).max(16).default([]),
  /** false: conversations whose prompts are nearly the same may stand on both sides of the split. */
  near_duplicates: z.boolean().default(true),
  /** Most feedback events (prompts: completions) that are read, the newest first. */
  limit: z.int().min(1).max(1_000_000).default(200_000),
})

/** `POST /v1/datasets` */
export const datasetBody = z.strictObject({
  name: z.string().regex(/^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/, {
    error: 'must be letters, digits and _ . - (no two dots together), at most 100, and begin with a letter, a digit or _',
  }),
  kind: z.enum(['sft', 'pairs', 'labelled', 'prompts']),
  filter: filter.default({}),
  /** Share of the rows that is held out; whole conversations only. */
  eval_fraction: z.number().min(0).max(0.9).default(0.1),
  seed: z.int().min(0).default(0),
  options: options.default(options.parse({})),
  /** Only counts what there is, and makes nothing. */
  dry_run: z.boolean().default(false),
})

export type DatasetSpec = z.output<typeof datasetBody>
export type DatasetKind = DatasetSpec['kind']

/** Milliseconds since 1970. */
function milliseconds(time: number | string): number {
  return typeof time === 'number' ? time * 1000 : Date.parse(time)
}

/** The filter's conditions on a row of `completions`; sets of ids, so that a rare tag is where the database begins. */
export function conditionsOf(filter: DatasetSpec['filter'], redactor: Redactor): RawBuilder<boolean> {
  const { from, to, tags = {}, alias, adapter, model, user, source, feedback } = filter
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
