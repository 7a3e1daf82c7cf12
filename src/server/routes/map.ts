import { Hono } from 'hono'
import { z } from 'zod'
import type { Adapter } from '../../registry/adapters.ts'
import { measuredSuites, suiteMap, type MapArrow, type MeasuredSuite } from '../../registry/evaluation-map.ts'
import type { Suite } from '../../registry/evaluations.ts'
import type { RecipeInput } from '../../train/recipe.ts'
import { readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { wireSuite } from './evaluations-answer.ts'
import type { WireMap, WireMapArrow } from './evaluations-wire.ts'

const Query = z.strictObject({ suite: z.string().optional() })

/** `/v1/map`: where the base and its adapters stand on a suite, the last measured one unless one is named. */
export function mapRoutes(context: ServerContext): Hono<RequestVariables> {
  const { store } = context
  const routes = new Hono<RequestVariables>()
  routes.get('/v1/map', async (c) => {
    const { suite: id } = readQuery(c, Query)
    const suites = await measuredSuites(store, context.adapters.base)
    const shown = id === undefined ? suites[0]?.suite : await suiteOf(context, id)
    return c.json(await wireMap(context, suites, shown))
  })
  return routes
}

async function suiteOf({ store }: ServerContext, id: string): Promise<Suite> {
  const suite = await store.db.selectFrom('suites').selectAll().where('id', '=', id).executeTakeFirst()
  if (suite === undefined) throw new ApiError(404, `There is no suite ${id}`, { param: 'suite', code: 'not_found' })
  return suite
}

async function wireMap(context: ServerContext, suites: readonly MeasuredSuite[], suite: Suite | undefined): Promise<WireMap> {
  const { store, adapters } = context
  const { points, arrows, unmeasured } = suite === undefined ? { points: [], arrows: [], unmeasured: [] } : await suiteMap(store, adapters, suite)
  const nameOf = (adapter: Adapter | null): string => adapter?.id ?? adapters.base
  return {
    object: 'map',
    suites: suites.map(({ suite, models, last }) => ({ ...wireSuite(suite), models, last: Math.floor(last / 1000) })),
    suite: suite === undefined ? null : wireSuite(suite),
    correctness: suite === undefined ? '' : `Mean score over held-out prompts, by the grader. ${capitalized(wireSuite(suite).measure)}`,
    preference: suite?.kind === 'pairs'
      ? 'Share of held-out pairs in which the model finds the answer that people chose likelier, per token, than the one they rejected'
      : 'Share of held-out prompts on which it does better than the base by the grader, ties counted half; the base itself stands at one half',
    points: points.map(({ adapter, evaluationId, correctness, preference }) => ({
      model: nameOf(adapter), adapter: adapter?.id ?? null, evaluation: evaluationId, correctness, preference,
      aliases: adapters.aliases.list().filter(({ adapterId }) => adapterId === (adapter?.id ?? null)).map(({ name }) => name),
    })),
    arrows: await wireArrows(context, arrows, nameOf),
    unmeasured: unmeasured.map(({ id, jobId }) => ({ model: id, run: jobId })),
  }
}

/** Adapters that no job made have no run to be arrows of. */
async function wireArrows({ store }: ServerContext, arrows: readonly MapArrow[], nameOf: (adapter: Adapter | null) => string): Promise<WireMapArrow[]> {
  const ids = arrows.flatMap(({ to }) => to.jobId ?? [])
  const jobs = ids.length === 0 ? [] : await store.db.selectFrom('jobs').select(['id', 'recipe_json']).where('id', 'in', ids).execute()
  const methodOf = new Map(jobs.map(({ id, recipe_json }) => [id, (JSON.parse(recipe_json) as RecipeInput).method]))
  return arrows.flatMap(({ from, to }) => {
    const method = methodOf.get(to.jobId ?? '')
    return method === undefined ? [] : [{ run: to.jobId!, method, from: nameOf(from), to: to.id }]
  })
}

function capitalized(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
}
