/** How much of what a filter lets through, and what there is to filter by: counted by the database, in one of its own threads. */
import { sql, type RawBuilder } from 'kysely'
import type { Store } from '../store/index.ts'
import { conditionsOf, type CompletionFilter } from './completion-filter.ts'
import { mostSearched } from './inbox.ts'
import type { Redactor } from './redact.ts'

/** Nothing is counted further than this: a figure that people read need not be exact beyond it, and a million rows take their time. */
export const mostCounted = 10_000

export interface Count {
  readonly count: number
  /** false: there are more. */
  readonly exact: boolean
}

/** Words that still hold, and the completions that they speak of. */
export const counted = ['completions', 'unlabelled', 'thumbs_up', 'thumbs_down', 'ratings', 'corrections', 'choices', 'comments'] as const
export type InboxCounts = Readonly<Record<(typeof counted)[number], Count>>

/** Counts what the filter lets through; where it has a text, of the newest `mostSearched` completions alone. */
export async function countInbox({ db }: Store, redactor: Redactor, { text, ...rest }: CompletionFilter): Promise<InboxCounts> {
  const conditions = conditionsOf(rest, redactor)
  const [prefix, matching] = text === undefined
    ? [sql``, conditions]
    : [found(conditions, conditionsOf({ text }, redactor)), sql<boolean>`completions.id in (select id from found)`]
  const columns = counted.map((name) => sql`(select count(*) from (${rowsOf[name](matching)} limit ${mostCounted + 1}) as counted) as ${sql.ref(name)}`)
  const { rows: [row] } = await sql<Record<(typeof counted)[number], number>>`${prefix} select ${sql.join(columns)}`.execute(db)
  return Object.fromEntries(counted.map((name) => {
    const count = Number(row![name])
    return [name, { count: Math.min(count, mostCounted), exact: count <= mostCounted }]
  })) as InboxCounts
}

function found(conditions: RawBuilder<boolean>, hasText: RawBuilder<boolean>): RawBuilder<unknown> {
  return sql`with found as materialized (
    select completions.id from (
      select completions.id, completions.prompt_json from completions where ${conditions}
      order by completions.created_at desc, completions.id desc limit ${mostSearched}
    ) as completions where ${hasText})`
}

type Rows = (matching: RawBuilder<boolean>) => RawBuilder<unknown>

const rowsOf: Readonly<Record<(typeof counted)[number], Rows>> = {
  completions: (matching) => sql`select 1 from completions where ${matching}`,
  unlabelled: (matching) => sql`select 1 from completions
    where ${matching} and not exists (select 1 from feedback as said where said.completion_id = completions.id)`,
  thumbs_up: said('thumbs', sql`feedback.number = 1`),
  thumbs_down: said('thumbs', sql`feedback.number = 0`),
  ratings: said('rating'),
  corrections: said('correction'),
  choices: said('choice'),
  comments: said('comment'),
}

function said(name: string, number: RawBuilder<unknown> = sql`1 = 1`): Rows {
  return (matching) => sql`select 1 from feedback inner join completions on completions.id = feedback.completion_id
    where feedback.name = ${name} and feedback.superseded = 0 and ${number} and ${matching}`
}

/** Completions, and words on them, that facets are made of: the newest. */
const recent = 5000
/** Values of one facet, the most frequent first. */
const mostValues = 50

export interface FacetValue {
  readonly value: string
  readonly count: number
}

/** What was seen among the newest completions, the most frequent first. */
export interface InboxFacets {
  readonly models: readonly FacetValue[]
  readonly aliases: readonly FacetValue[]
  readonly adapters: readonly FacetValue[]
  readonly sources: readonly FacetValue[]
  /** Names of feedback. */
  readonly feedback: readonly FacetValue[]
  /** Keys of metadata; ids of conversations are none. */
  readonly tags: readonly { readonly key: string; readonly values: readonly FacetValue[] }[]
}

export async function inboxFacets({ db }: Store): Promise<InboxFacets> {
  const newest = sql`(select id, model, alias, adapter_id, source from completions order by created_at desc, id desc limit ${recent}) as newest`
  const values = (column: string): RawBuilder<FacetRow> => sql`select ${column} as facet, '' as key, ${sql.ref(column)} as value, count(*) as n
    from ${newest} where ${sql.ref(column)} is not null group by ${sql.ref(column)}`
  const { rows } = await sql<FacetRow>`
    ${sql.join(['model', 'alias', 'adapter_id', 'source'].map(values), sql` union all `)}
    union all select 'tag' as facet, tags.key as key, tags.value as value, count(*) as n
      from ${newest} inner join tags on tags.completion_id = newest.id and tags.feedback_id = ''
      where tags.key <> 'conversation_id' group by tags.key, tags.value
    union all select 'name' as facet, '' as key, name as value, count(*) as n
      from (select name from feedback order by created_at desc, id desc limit ${recent}) as newest_feedback group by name
    order by n desc, value`.execute(db)
  const of = (facet: string): FacetValue[] => valuesOf(rows.filter((row) => row.facet === facet))
  const tags = Map.groupBy(rows.filter(({ facet }) => facet === 'tag'), ({ key }) => key)
  return {
    models: of('model'), aliases: of('alias'), adapters: of('adapter_id'), sources: of('source'), feedback: of('name'),
    tags: [...tags].map(([key, found]) => ({ key, values: valuesOf(found) })).slice(0, mostValues),
  }
}

interface FacetRow {
  readonly facet: string
  readonly key: string
  readonly value: string
  readonly n: number
}

function valuesOf(rows: readonly FacetRow[]): FacetValue[] {
  return rows.slice(0, mostValues).map(({ value, n }) => ({ value, count: Number(n) }))
}
