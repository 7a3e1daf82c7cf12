/** What the address says of a run's page: `#/runs/A?with=B&part=log&from=100&to=200`. */
import type { Range } from '../../parts/chart.ts'

type Changes = Readonly<Record<string, string | readonly string[] | undefined>>

/** The query with some keys changed, as `hrefTo` takes it. */
export function runQuery(query: URLSearchParams, changes: Changes): Record<string, string | readonly string[] | undefined> {
  const now = Object.fromEntries([...new Set(query.keys())].map((key) => [key, query.getAll(key)]))
  return { ...now, ...changes }
}

/** The part of the steps that is looked at; undefined: all. */
export function rangeIn(query: URLSearchParams): Range | undefined {
  const [from, to] = [Number(query.get('from') ?? NaN), Number(query.get('to') ?? NaN)]
  return from >= 0 && to > from ? { from, to } : undefined
}

export function rangeQuery(range: Range | undefined): Changes {
  return { from: range && String(Math.round(range.from)), to: range && String(Math.max(Math.round(range.from) + 1, Math.round(range.to))) }
}

/** Weight of what came before in smoothed curves, 0 (off) to 0.99. */
export function smoothingIn(query: URLSearchParams): number {
  const weight = Number(query.get('smooth') ?? 0)
  return weight > 0 && weight < 1 ? weight : 0
}

/** Runs that are laid over this one. */
export function othersIn(query: URLSearchParams, id: string): string[] {
  return [...new Set(query.getAll('with'))].filter((other) => other !== '' && other !== id).slice(0, 5)
}
