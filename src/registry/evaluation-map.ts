/** Where models stand on a suite, and which runs moved them there. */
import { sql } from 'kysely'
import type { EvaluationResult } from '../evaluate/evaluation.ts'
import { shareEstimate, type Estimate } from '../evaluate/statistics.ts'
import type { Store } from '../store/index.ts'
import type { Adapter, AdapterRegistry } from './adapters.ts'
import { lineageOf } from './evaluation-jobs.ts'
import { isOver, type Evaluation, type Suite } from './evaluations.ts'

/** A model's latest measurement on a suite. */
export interface MapPoint {
  /** null: the base. */
  readonly adapter: Adapter | null
  readonly evaluationId: string
  readonly correctness: Estimate
  readonly preference: Estimate
}

export interface MapArrow {
  readonly from: Adapter | null
  readonly to: Adapter
}

export interface SuiteMap {
  readonly points: readonly MapPoint[]
  readonly arrows: readonly MapArrow[]
  /** Whole runs' adapters that have no point. */
  readonly unmeasured: readonly Adapter[]
}

export interface MeasuredSuite {
  readonly suite: Suite
  readonly models: number
  /** Milliseconds since 1970. */
  readonly last: number
}

/** Suites on which something was measured over a base, the last measured first. */
export async function measuredSuites({ db }: Store, base: string, limit = 100): Promise<MeasuredSuite[]> {
  const counts = await db.selectFrom('evaluations').where('status', '=', 'succeeded').where(isOver(base)).groupBy('suite_id')
    .select(({ fn }) => ['suite_id', fn.max('finished_at').as('last'), sql<number>`count(distinct coalesce(adapter_id, ''))`.as('models')])
    .orderBy('last', 'desc').limit(limit).execute()
  if (counts.length === 0) return []
  const suites = await db.selectFrom('suites').selectAll().where('id', 'in', counts.map(({ suite_id }) => suite_id)).execute()
  const byId = new Map(suites.map((suite) => [suite.id, suite]))
  return counts.flatMap(({ suite_id, last, models }) => {
    const suite = byId.get(suite_id)
    return suite === undefined ? [] : [{ suite, models: Number(models), last: Number(last) }]
  })
}

/** A model has a point where its weights, as they are now, were measured; without pairs also the base has to be, which the others are seen against. */
export async function suiteMap(store: Store, adapters: AdapterRegistry, suite: Suite): Promise<SuiteMap> {
  const latest = await latestEvaluations(store, adapters, suite)
  const base = latest.find(({ adapter_id }) => adapter_id === null)
  const rates = suite.kind === 'pairs' || base === undefined ? new Map<string, Estimate>() : await winRates(store, base, latest)
  const points = latest.flatMap((evaluation): MapPoint[] => {
    const { score, preferenceAccuracy } = JSON.parse(evaluation.result_json!) as EvaluationResult
    const preference = preferenceAccuracy ?? rates.get(evaluation.id)
    const adapter = evaluation.adapter_id === null ? null : adapters.get(evaluation.adapter_id)
    // It was removed while the database counted.
    return preference === undefined || adapter === undefined ? [] : [{ adapter, evaluationId: evaluation.id, correctness: score, preference }]
  })
  const shown = new Set(points.map(({ adapter }) => adapter))
  return {
    points,
    arrows: points.flatMap(({ adapter }) => (adapter === null ? [] : arrowTo(adapters, adapter, shown))),
    unmeasured: adapters.list().filter((adapter) => adapter.source !== 'checkpoint' && !shown.has(adapter)),
  }
}

/** Of each model the newest evaluation of what its weights are now. */
async function latestEvaluations({ db }: Store, adapters: AdapterRegistry, suite: Suite): Promise<Evaluation[]> {
  const evaluations = await db.selectFrom('evaluations').selectAll()
    .where('suite_id', '=', suite.id).where('status', '=', 'succeeded').where(isOver(adapters.base)).orderBy('id').execute()
  const isCurrent = ({ adapter_id: id, adapter_sha256: sha256 }: Evaluation): boolean => id === null || adapters.get(id)?.facts.sha256 === sha256
  return [...new Map(evaluations.filter(isCurrent).map((evaluation) => [evaluation.adapter_id, evaluation])).values()]
}

/** Of each evaluation, how often it does better than the base by the grader, ties counted half. Counted in the database. */
async function winRates({ db }: Store, base: Evaluation, evaluations: readonly Evaluation[]): Promise<Map<string, Estimate>> {
  const rows = await db.selectFrom('evaluation_items as after')
    .innerJoin('evaluation_items as before', (join) => join.onRef('before.position', '=', 'after.position').on('before.evaluation_id', '=', base.id))
    .where('after.evaluation_id', 'in', evaluations.map(({ id }) => id))
    .where('after.reward', 'is not', null).where('before.reward', 'is not', null)
    .groupBy('after.evaluation_id')
    .select([
      'after.evaluation_id as id',
      sql<number>`sum(case when after.reward > before.reward then 1.0 when after.reward = before.reward then 0.5 else 0.0 end)`.as('wins'),
      sql<number>`count(*)`.as('prompts'),
    ]).execute()
  const rates = new Map(rows.map(({ id, wins, prompts }) => [id, shareEstimate(Number(wins), Number(prompts))]))
  // By definition, not by measurement.
  return rates.set(base.id, { value: 0.5, low: 0.5, high: 0.5 })
}

/** From the nearest ancestor that has a point. */
function arrowTo(adapters: AdapterRegistry, to: Adapter, shown: ReadonlySet<Adapter | null>): MapArrow[] {
  const from = lineageOf(adapters, to.id).slice(0, -1).findLast((ancestor) => shown.has(ancestor))
  return from === undefined ? [] : [{ from, to }]
}
