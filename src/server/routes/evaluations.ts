import { Hono } from 'hono'
import { z } from 'zod'
import { checkGrader } from '../../evaluate/graders/index.ts'
import type { Adapter } from '../../registry/adapters.ts'
import { ConflictError, NotFoundError } from '../../registry/errors.ts'
import { changes, comparisonOrders, itemOrders } from '../../registry/evaluation-items.ts'
import type { EvaluationOf } from '../../registry/evaluations.ts'
import { defaultSampling, type SuiteRows } from '../../registry/suites.ts'
import { readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { wireComparedItem, wireComparison, wireEvaluation, wireItem, wireItems } from './evaluations-answer.ts'
import { refuseWrongGrader } from './graders.ts'
import { wirePage } from './jobs-wire.ts'

const Body = z.strictObject({
  model: z.string().optional(),
  models: z.array(z.string()).min(1).max(1000).optional(),
  /** `dataset:NAME[@VERSION]`, of which the held-out rows are meant, or a file's id. */
  rows: z.string(),
  grader: z.unknown().optional(),
  name: z.string().min(1).max(200).optional(),
  sampling: z.strictObject({
    samples: z.int().min(1).max(16).default(defaultSampling.samples),
    temperature: z.number().min(0).max(2).default(defaultSampling.temperature),
    max_tokens: z.int().min(1).max(4096).default(defaultSampling.max_tokens),
    seed: z.int().min(0).max(2 ** 32 - 1).default(defaultSampling.seed),
  }).optional(),
  limit: z.int().min(1).max(2000).optional(),
})
type Body = z.output<typeof Body>

const limit = z.coerce.number().int().min(1).max(1000).default(100)
const ListQuery = z.strictObject({ suite: z.string().optional(), model: z.string().optional(), job: z.string().optional(), after: z.string().optional(), limit })
const after = z.coerce.number().int().min(0).optional()
const ItemsQuery = z.strictObject({ after, limit, order: z.enum(itemOrders).optional() })
const ComparedQuery = z.strictObject({ after, limit, which: z.enum(changes).optional(), order: z.enum(comparisonOrders).optional() })

/** `/v1/evaluations`: models measured on suites, and compared. */
export function evaluationRoutes(context: ServerContext): Hono<RequestVariables> {
  const { evaluations, adapters } = context
  const routes = new Hono<RequestVariables>()
  const wire = (found: EvaluationOf) => wireEvaluation(found, adapters.base)

  routes.post('/v1/evaluations', async (c) => {
    const body = await readJson(c, Body)
    const asked = (await ask(context, body)).map(wire)
    return c.json(body.models === undefined ? asked[0]! : { object: 'list', data: asked }, 201)
  })
  routes.get('/v1/evaluations', async (c) => {
    const { model, ...query } = readQuery(c, ListQuery)
    const page = await evaluations.list({ ...query, ...(model !== undefined && { adapter: measurable(context, model)?.id ?? null }) })
    return c.json(wirePage(page, wire))
  })
  routes.get('/v1/evaluations/:id', async (c) => c.json(wire(await evaluations.get(c.req.param('id')))))
  routes.post('/v1/evaluations/:id/cancel', async (c) => {
    try {
      return c.json(wire(await evaluations.cancel(c.req.param('id'))))
    } catch (error) {
      if (error instanceof ConflictError) throw new ApiError(400, error.message, { code: 'invalid_state', cause: error })
      throw error
    }
  })
  routes.delete('/v1/evaluations/:id', async (c) => {
    const id = c.req.param('id')
    await evaluations.remove(id)
    return c.json({ id, object: 'evaluation', deleted: true })
  })
  routes.get('/v1/evaluations/:id/items', async (c) => {
    const query = readQuery(c, ItemsQuery)
    const { evaluation } = await evaluations.get(c.req.param('id'))
    return c.json(wireItems(await evaluations.items.list(evaluation.id, query), wireItem))
  })
  routes.get('/v1/evaluations/:id/compare/:baseline', async (c) => {
    const [before, now] = await comparable(context, c.req.param('baseline'), c.req.param('id'))
    const comparison = await evaluations.items.compare(before.evaluation.id, now.evaluation.id)
    if (comparison.better + comparison.worse + comparison.same === 0) throw new ApiError(400, 'There is no prompt that could be graded under both')
    return c.json(wireComparison(wire(before), wire(now), comparison))
  })
  routes.get('/v1/evaluations/:id/compare/:baseline/items', async (c) => {
    const query = readQuery(c, ComparedQuery)
    const [before, now] = await comparable(context, c.req.param('baseline'), c.req.param('id'))
    return c.json(wireItems(await evaluations.items.listCompared(before.evaluation.id, now.evaluation.id, query), wireComparedItem))
  })
  return routes
}

async function ask(context: ServerContext, { model, models, rows: reference, grader, ...rest }: Body): Promise<EvaluationOf[]> {
  if ((model === undefined) === (models === undefined)) throw new ApiError(400, 'Give either model or models: what is to be measured', { param: 'model' })
  const measured = (models ?? [model!]).map((name) => measurable(context, name))
  const rows = await rowsOf(context, reference)
  if (grader !== undefined) refuseWrongGrader(() => checkGrader(grader))
  else if (rows.kind === 'prompts') throw new ApiError(400, `${rows.reference} holds prompts without answers to compare with: give a grader`, { param: 'grader' })
  return context.evaluations.ask({ ...rest, rows, ...(grader !== undefined && { grader }) }, measured)
}

/** null: the base. */
function measurable({ adapters }: ServerContext, name: string): Adapter | null {
  const found = adapters.resolve(name)
  if (found === undefined) throw new ApiError(404, `The model \`${name}\` does not exist here`, { param: 'model', code: 'model_not_found' })
  return found.adapterId === null ? null : adapters.get(found.adapterId)!
}

async function rowsOf({ evaluations }: ServerContext, reference: string): Promise<SuiteRows> {
  try {
    return await evaluations.rowsOf(reference)
  } catch (error) {
    if (error instanceof NotFoundError) throw new ApiError(400, error.message, { param: 'rows', code: 'file_not_found', cause: error })
    throw error
  }
}

/** Two evaluations that are over and of one suite. */
async function comparable({ evaluations }: ServerContext, baseline: string, id: string): Promise<[before: EvaluationOf, after: EvaluationOf]> {
  const [before, now] = [await evaluations.get(baseline), await evaluations.get(id)]
  if (before.suite.id !== now.suite.id) {
    throw new ApiError(400, `${id} and ${baseline} measured different suites ("${now.suite.name}" and "${before.suite.name}"): only evaluations of one suite can be compared`, { code: 'different_suites' })
  }
  const open = [before, now].find(({ evaluation }) => evaluation.status !== 'succeeded')
  if (open !== undefined) throw new ApiError(400, `${open.evaluation.id} is ${open.evaluation.status}: only evaluations that succeeded can be compared`, { code: 'invalid_state' })
  return [before, now]
}
