import type { JobStatus, Store } from '../store/index.ts'

/** How many there are of what is registered or said. */
export async function countAll({ db }: Store, table: 'adapters' | 'feedback'): Promise<number> {
  const row = await db.selectFrom(table).select(({ fn }) => fn.countAll<number>().as('count')).executeTakeFirstOrThrow()
  return Number(row.count)
}

/** How many fine-tuning jobs there are of each status that any has. */
export async function countJobs({ db }: Store): Promise<Map<JobStatus, number>> {
  const rows = await db.selectFrom('jobs').select(({ fn }) => ['status', fn.countAll<number>().as('count')]).groupBy('status').execute()
  return new Map(rows.map(({ status, count }) => [status, Number(count)]))
}

/** Resolves where the store answers. */
export async function probe({ db }: Store): Promise<void> {
  await db.selectFrom('aliases').select('name').limit(1).execute()
}
