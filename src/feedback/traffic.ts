/** How often each adapter and each alias answered: counted from the stored completions, without reading their texts. */
import { sql } from 'kysely'
import type { Store } from '../store/index.ts'

export const millisecondsPerHour = 3_600_000

/** What was answered in one hour by one adapter under one name. */
export interface HourOfTraffic {
  /** Milliseconds since 1970, on the hour. */
  readonly start: number
  /** null: the base. */
  readonly adapterId: string | null
  readonly alias: string | null
  readonly requests: number
  readonly promptTokens: number
  readonly completionTokens: number
}

/**
 * Traffic of whole hours, by the index `completions_traffic`: of a million completions in a quarter of a second, in a
 * thread that reads. Hour by hour, since SQLite sorts what it groups, and small sorts cost a tenth of one large one.
 * @param from milliseconds since 1970, on the hour
 */
export async function trafficBetween(store: Store, from: number, hours: number): Promise<HourOfTraffic[]> {
  const all: HourOfTraffic[] = []
  for (let hour = 0; hour < hours; hour++) all.push(...await hourOfTraffic(store, from + hour * millisecondsPerHour))
  return all
}

async function hourOfTraffic({ db, dialect }: Store, start: number): Promise<HourOfTraffic[]> {
  // Left to itself, SQLite takes the index of adapters and reads every completion for its tokens: more than twice the time.
  const index = dialect === 'sqlite' ? sql`indexed by completions_traffic` : sql``
  // Logs of other providers that were imported are no traffic of this server's.
  const { rows } = await sql<HourRow>`
    select adapter_id, alias, count(*) as requests, sum(prompt_tokens) as prompt_tokens, sum(completion_tokens) as completion_tokens
    from completions ${index}
    where created_at >= ${start} and created_at < ${start + millisecondsPerHour} and source = 'server'
    group by adapter_id, alias`.execute(db)
  return rows.map((row) => ({
    start,
    adapterId: row.adapter_id,
    alias: row.alias,
    requests: Number(row.requests),
    promptTokens: Number(row.prompt_tokens),
    completionTokens: Number(row.completion_tokens),
  }))
}

/** PostgreSQL's sums are texts. */
interface HourRow {
  readonly adapter_id: string | null
  readonly alias: string | null
  readonly requests: number | string
  readonly prompt_tokens: number | string
  readonly completion_tokens: number | string
}
