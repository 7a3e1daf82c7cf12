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

async function hourOfTraffic({ db }: Store, start: number): Promise<HourOfTraffic[]> {
  const rows = await db.selectFrom('completions')
    .select(['adapter_id', 'alias'])
    .select([sql<number>`count(*)`.as('requests'), sql<number>`sum(prompt_tokens)`.as('prompt'), sql<number>`sum(completion_tokens)`.as('completion')])
    .where('created_at', '>=', start).where('created_at', '<', start + millisecondsPerHour)
    // Logs of other providers that were imported are no traffic of this server's.
    .where('source', '=', 'server')
    .groupBy(['adapter_id', 'alias']).execute()
  return rows.map(({ adapter_id, alias, requests, prompt, completion }) => ({
    // PostgreSQL's sums are texts.
    start, adapterId: adapter_id, alias, requests: Number(requests), promptTokens: Number(prompt), completionTokens: Number(completion),
  }))
}
