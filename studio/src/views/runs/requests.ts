import type { WireEvaluation } from '../../../../src/server/routes/evaluations-wire.ts'
import type { WireRun, WireRunComparison, WireRunDetail, WireRunMetrics, WireSample } from '../../../../src/server/routes/runs-wire.ts'
import { call } from '../../api/client.ts'
import type { Range } from '../../parts/chart.ts'

export interface ListPage<Item> {
  readonly data: readonly Item[]
  readonly has_more: boolean
  readonly last_id: string | null
}

const path = (id: string): string => `/v1/runs/${encodeURIComponent(id)}`

export function runsAfter(after: string | undefined, limit: number, signal?: AbortSignal): Promise<ListPage<WireRun>> {
  return call('/v1/runs', { query: { after, limit }, signal })
}

export function runOf(id: string, signal?: AbortSignal): Promise<WireRunDetail> {
  return call(path(id), { signal })
}

/** Points of the part that is seen, and a little more on either side. */
export function metricsOf(id: string, range: Range | undefined, signal?: AbortSignal): Promise<WireRunMetrics> {
  return call(`${path(id)}/metrics`, { query: { points: 600, from: range && Math.max(0, Math.floor(range.from)), to: range && Math.ceil(range.to) }, signal })
}

export function samplesOf(id: string, options: { readonly after?: string | undefined; readonly split?: string | undefined; readonly limit: number }, signal?: AbortSignal): Promise<ListPage<WireSample>> {
  return call(`${path(id)}/samples`, { query: options, signal })
}

export function comparisonOf(ids: readonly string[], signal?: AbortSignal): Promise<WireRunComparison> {
  return call('/v1/runs/compare', { query: { ids: ids.join(',') }, signal })
}

/** Measurements of what a job has made. */
export async function evaluationsOf(job: string, signal?: AbortSignal): Promise<readonly WireEvaluation[]> {
  return (await call<ListPage<WireEvaluation>>('/v1/evaluations', { query: { job }, signal })).data
}

export const actions = ['pause', 'resume', 'finish', 'cancel'] as const
export type Action = (typeof actions)[number]

export function tellJob(id: string, action: Action): Promise<unknown> {
  return call(`/v1/fine_tuning/jobs/${encodeURIComponent(id)}/${action}`, { method: 'POST', body: {} })
}
