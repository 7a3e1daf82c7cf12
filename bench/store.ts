import { join } from 'node:path'
import type { Latencies } from './ours/open-loop.ts'
import { jsonLines, run } from './process.ts'
import { markdownTable } from './table.ts'

interface Count {
  readonly name: 'count'
  readonly of: string
  readonly first_ms: number
  readonly ms: number
}

interface Feedback extends Latencies {
  readonly name: 'feedback' | 'feedback while counting'
}

interface Filled {
  readonly name: 'filled'
  readonly seconds: number
}

type Figures = Count | Feedback | Filled

const databases = { sqlite: 'SQLite', postgres: 'PostgreSQL' }

/** Counts over a million completions, and feedback at 500 events a second, on both databases. */
export async function benchStore(): Promise<string> {
  const figures = new Map<string, readonly Figures[]>()
  for (const [database, name] of Object.entries(databases)) {
    figures.set(name, jsonLines(await run(process.execPath, [join(import.meta.dirname, 'ours/store.ts'), '--database', database])) as Figures[])
  }
  return [
    '## The store',
    'A million completions of ninety days with their answers, 200,000 feedback events and 700,000 tags. Milliseconds, the median of ' +
      'three after a first time; every commit is flushed to the disk.',
    countTable(figures),
    'Feedback, 500 events a second for 20 s (Poisson arrivals, an event is three statements), from due to acknowledged:',
    latencyTable(figures),
  ].join('\n\n')
}

function countTable(figures: ReadonlyMap<string, readonly Figures[]>): string {
  const counts = [...figures].map(([, all]) => all.filter((each): each is Count => each.name === 'count'))
  const rows = counts[0]!.map(({ of }, i) => [of, ...counts.map((each) => `${each[i]!.ms.toFixed(0)} (${each[i]!.first_ms.toFixed(0)})`)])
  return markdownTable(['count (the first time)', ...figures.keys()], rows)
}

function latencyTable(figures: ReadonlyMap<string, readonly Figures[]>): string {
  const rows = [...figures].flatMap(([database, all]) => all
    .filter((each): each is Feedback => each.name === 'feedback' || each.name === 'feedback while counting')
    .map(({ name, count, p50, p95, p99, max }) => [database, name, String(count), ...[p50, p95, p99, max].map((ms) => ms.toFixed(1))]))
  return markdownTable(['database', '', 'events', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms'], rows)
}
