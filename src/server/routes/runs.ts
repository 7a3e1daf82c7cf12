import { Hono } from 'hono'
import { stringify } from 'yaml'
import { z } from 'zod'
import type { RunCurves, RunDetail, RunLogEvent, RunSummary } from '../../registry/run-facts.ts'
import type { Thinned, ThinnedSeries } from '../../train/downsample.ts'
import type { PlacedSample } from '../../train/run-logs.ts'
import { readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { wirePage } from './jobs-wire.ts'
import type { WireCurves, WireRun, WireRunComparison, WireRunDetail, WireRunEvent, WireRunMetrics, WireSample, WireSeries } from './runs-wire.ts'

const page = z.strictObject({ after: z.string().optional(), limit: z.coerce.number().int().min(1).max(100).default(20) })

const samplePage = page.extend({ after: z.coerce.number().int().min(0).optional(), split: z.enum(['train', 'eval']).optional() })

const step = z.coerce.number().min(0).optional()

const curves = z.strictObject({
  /** Keys of metrics.jsonl, with commas between them. */
  keys: z.string().optional(),
  points: z.coerce.number().int().min(2).max(5000).default(600),
  from: step,
  to: step,
})

const mostCompared = 12

/** `/v1/runs`: jobs and the operator's own runs, to be watched and compared. */
export function runRoutes({ runs }: ServerContext): Hono<RequestVariables> {
  const routes = new Hono<RequestVariables>()

  routes.get('/v1/runs', async (c) => c.json(wirePage(await runs.list(readQuery(c, page)), wireRun)))
  routes.get('/v1/runs/compare', async (c) => {
    const ids = readQuery(c, z.strictObject({ ids: z.string() })).ids.split(',').filter((id) => id !== '')
    if (ids.length < 2 || ids.length > mostCompared) throw new ApiError(400, `ids: give 2 to ${mostCompared} ids with commas between them`, { param: 'ids' })
    const differences = (await runs.differences(ids)).map(({ key, values }) => ({ key, values: values.map((value) => value ?? null) }))
    return c.json({ object: 'run.comparison', runs: ids, differences } satisfies WireRunComparison)
  })
  routes.get('/v1/runs/:id', async (c) => c.json(wireDetail(await runs.get(c.req.param('id')))))
  routes.get('/v1/runs/:id/metrics', async (c) => {
    const { keys, ...range } = readQuery(c, curves)
    return c.json(wireMetrics(await runs.curves(c.req.param('id'), { keys: keys?.split(','), ...range })))
  })
  routes.get('/v1/runs/:id/samples', async (c) => {
    const { after, limit, split } = readQuery(c, samplePage)
    const { samples, hasMore } = await runs.samples(c.req.param('id'), { before: after, limit, split })
    return c.json(wirePage({ items: samples, hasMore }, wireSample))
  })
  return routes
}

function seconds(milliseconds: number): number
function seconds(milliseconds: number | null): number | null
function seconds(milliseconds: number | null): number | null {
  return milliseconds === null ? null : milliseconds / 1000
}

function wireRun({ id, name, kind, status, finishing, method, model, parent, adapter, alias, data, error, ...run }: RunSummary): WireRun {
  return {
    id, object: 'run', name, kind, status, finishing, method, model, parent, adapter, alias,
    data: data.map(({ reference, name }) => ({ id: reference, name })),
    created_at: seconds(run.createdAt),
    started_at: seconds(run.startedAt),
    finished_at: seconds(run.finishedAt),
    step: run.step, steps: run.steps, loss: run.loss, reward: run.reward, eval_loss: run.evalLoss, eval_reward: run.evalReward,
    eta_seconds: run.etaSeconds,
    error,
  }
}

function wireDetail(run: RunDetail): WireRunDetail {
  const { recipe, events, evaluations, report, tokens, tokensPerSecond, memoryMb, promotion, checkpoints, keys, sampled } = run
  return {
    ...wireRun(run),
    recipe, evaluations, report, tokens, checkpoints, keys, sampled,
    recipe_yaml: stringify(recipe),
    events: events.map(wireEvent),
    result: run.status === 'succeeded' ? { adapter: run.adapter, steps: run.step, tokens } : null,
    tokens_per_second: tokensPerSecond,
    memory_mb: memoryMb,
    promotion: promotion === null ? null : { alias: promotion.alias, incumbent: promotion.incumbent, promote: promotion.promote, reason: promotion.reason },
  }
}

function wireEvent({ at, level, message, step }: RunLogEvent): WireRunEvent {
  return { created_at: seconds(at), level, message, step }
}

function wireMetrics({ evaluations, last, ...curves }: RunCurves): WireRunMetrics {
  return { object: 'run.metrics', ...wireCurves(curves), evaluations: wireCurves(evaluations), last }
}

function wireCurves({ rows, steps, series }: Thinned): WireCurves {
  return { rows, steps, series: Object.fromEntries(Object.entries(series).map(([key, each]) => [key, wireSeries(each)])) }
}

function wireSeries({ mean, min, max }: ThinnedSeries): WireSeries {
  return { mean: mean.map(short), ...(min !== undefined && { min: min.map(short) }), ...(max !== undefined && { max: max.map(short) }) }
}

/** Seven digits draw any curve. */
function short(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(7))
}

function wireSample({ place, step, split, prompt, completion, reward, components, finish_reason, error }: PlacedSample): WireSample {
  return { object: 'run.sample', id: String(place), step, split, prompt, completion, reward, components, finish_reason, error: error ?? null }
}
