/**
 * A store of a million completions: how long counts take, and feedback at 500 events a second. Prints one JSON line for each figure.
 *
 *     node bench/ours/store.ts [--database sqlite|postgres] [--completions N] [--feedback N] [--rate N] [--seconds N] 
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startPostgres } from '../../src/store/fixtures/postgres.ts'
import { newId, openStore, type Store } from '../../src/store/index.ts'
import { median } from '../table.ts'
import { openLoop, type Latencies } from './open-loop.ts'
import { counts } from './store-counts.ts'
import { fill } from './store-fill.ts'

const { values: flags } = parseArgs({
  options: {
    database: { type: 'string', default: 'sqlite' },
    completions: { type: 'string', default: '1000000' },
    feedback: { type: 'string', default: '200000' },
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '20' },
  },
})
const [completions, feedback, rate, seconds] = [flags.completions, flags.feedback, flags.rate, flags.seconds].map(Number) as [number, number, number, number]
const directory = mkdtempSync(join(tmpdir(), 'posttrain-store-'))
const postgres = flags.database === 'postgres' ? await startPostgres({ durable: true }) : undefined
if (flags.database === 'postgres' && postgres === undefined) throw new Error('PostgreSQL is not installed')
try {
  const url = await postgres?.database()
  {
    await using empty = await openStore({ directory, url })
    print('filled', { seconds: await timed(() => fill(empty, { completions, feedback })) })
  }
  if (url !== undefined) await vacuum(url)
  await using store = await openStore({ directory, url })
  for (const [name, query] of Object.entries(counts(store.db))) {
    const first = await timed(() => query.execute())
    const again = [await timed(() => query.execute()), await timed(() => query.execute()), await timed(() => query.execute())]
    print('count', { of: name, first_ms: 1000 * first, ms: 1000 * median(again) })
  }
  const load = (): Promise<Latencies> => openLoop({ rate, seconds }, (index) => sendFeedback(store, index))
  print('feedback', await load())
  print('feedback while counting', await beside(load(), () => counts(store.db)['thumbs of an alias']!.execute()))
} finally {
  await postgres?.stop()
  rmSync(directory, { recursive: true })
}

/** An event as the API writes it: what it replaces, itself, its tag. */
async function sendFeedback({ db, write }: Store, index: number): Promise<void> {
  const id = newId('fb_')
  const row = { created_at: Date.now(), completion_id: newId('chatcmpl-') }
  await write(
    db.updateTable('feedback').set({ superseded: 1 }).where('completion_id', '=', row.completion_id).where('name', '=', 'thumbs'),
    db.insertInto('feedback').values({
      ...row, id, position: 0, name: 'thumbs', value_json: 'true', number: 1, tags_json: '{"topic":"billing"}',
      user_id: `user-${index % 1000}`, idempotency_key: id, superseded: 0,
    }),
    db.insertInto('tags').values({ ...row, feedback_id: id, key: 'topic', value: 'billing' }),
  )
}

/** Does something again and again, ten times a second at most, until the work is done. */
async function beside<Result>(work: Promise<Result>, again: () => Promise<unknown>): Promise<Result> {
  let done = false
  const ended = work.finally(() => { done = true })
  while (!done) {
    await again()
    await sleep(100)
  }
  return await ended
}

/** What PostgreSQL does by itself, within minutes. */
async function vacuum(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('vacuum analyze')
  await client.query('checkpoint')
  await client.end()
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

function print(name: string, figures: object): void {
  console.log(JSON.stringify({ name, ...figures }))
}
