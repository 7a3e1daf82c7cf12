/** What a server's store has to learn from, by the database's counts alone. */
import { sql } from 'kysely'
import type { Store } from '../store/index.ts'
import type { StoreFacts } from './facts.ts'

export async function storeFacts({ db }: Store): Promise<StoreFacts> {
  const [sources, judged, aliases] = await Promise.all([
    db.selectFrom('completions').select('source').select(({ fn }) => fn.countAll<number>().as('n')).groupBy('source').execute(),
    db.selectFrom('feedback').select(['name', sql<number | null>`case when name = 'thumbs' then number end`.as('side')])
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .where('name', 'in', ['thumbs', 'correction', 'choice']).where('superseded', '=', 0).groupBy(['name', 'side']).execute(),
    db.selectFrom('aliases').select('adapter_id').distinct().where('adapter_id', 'is not', null).execute(),
  ])
  const said = (name: string, side: number | null = null): number => Number(judged.find((row) => row.name === name && row.side === side)?.n ?? 0)
  const sum = (rows: typeof sources): number => rows.reduce((total, { n }) => total + Number(n), 0)
  return {
    completions: sum(sources),
    foreign: sum(sources.filter(({ source }) => source !== 'server')),
    thumbsUp: said('thumbs', 1), thumbsDown: said('thumbs', 0), corrections: said('correction'), choices: said('choice'),
    variants: aliases.length,
  }
}
