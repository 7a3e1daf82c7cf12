import { Hono } from 'hono'
import { z } from 'zod'
import { methods } from '../../methods/index.ts'
import { RecipeError, type RecipeIssue } from '../../train/recipe-error.ts'
import { originOfYaml, type Origin } from '../../train/recipe-origin.ts'
import { explainedRecipe } from '../../train/recipe-text.ts'
import { checkOrigin } from '../../train/recipe.ts'
import { checked, readJson } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { planJob, rowsFor } from './jobs-plan.ts'
import { recipeKeyOf } from './jobs-recipe.ts'
import { JobBody } from './jobs-request.ts'
import { editableRecipe, requestOf } from './recipe-request.ts'
import type { RecipeCheck, RecipeFault, RecipeText } from './recipes-wire.ts'

const checkBody = z.strictObject({
  /** Recipes have a few thousand characters: what is read here is read between two answers. */
  yaml: z.string().max(20_000),
  /** In place of what the recipe says: names of the API for those of another machine. */
  model: z.string().min(1).nullish(),
  training_file: z.string().min(1).nullish(),
  validation_file: z.string().min(1).nullish(),
})
const renderBody = z.strictObject({ request: z.unknown() })

type CheckBody = z.output<typeof checkBody>

/** /v1/recipes: a recipe in YAML becomes the request of a job, and the other way round. Nothing is started. */
export function recipeRoutes(context: ServerContext): Hono<RequestVariables> {
  const routes = new Hono<RequestVariables>()
  routes.post('/v1/recipes/check', async (c) => c.json(await check(context, await readJson(c, checkBody))))
  routes.post('/v1/recipes/render', async (c) => {
    const request = checked((await readJson(c, renderBody)).request, JobBody)
    const { recipe } = await planJob(context, request)
    return c.json<RecipeText>({ object: 'recipe.text', yaml: explainedRecipe(editableRecipe(request, recipe)), recipe })
  })
  return routes
}

async function check(context: ServerContext, { yaml, ...named }: CheckBody): Promise<RecipeCheck> {
  try {
    return { object: 'recipe.check', ...await jobOf(context, withNames(originOfYaml(yaml, 'recipe'), named, context)) }
  } catch (error) {
    if (!(error instanceof RecipeError)) throw error
    return { object: 'recipe.check', issues: error.issues.map(wireFault) }
  }
}

function wireFault({ place, key, message }: RecipeIssue): RecipeFault {
  return { line: place.line ?? null, column: place.column ?? null, key, message }
}

/** The recipe with the names that were given beside it. What the base was loaded from is the base's name too. */
function withNames(origin: Origin, { model, training_file, validation_file }: Omit<CheckBody, 'yaml'>, { settings }: ServerContext): Origin {
  const own = origin.value as Readonly<Record<string, unknown>>
  return {
    value: {
      ...own,
      ...(own['model'] === settings.modelRef && { model: settings.modelName }),
      ...(model != null && { model }),
      ...(training_file != null && { data: training_file }),
      ...(validation_file != null && { eval: validation_file }),
    },
    place: (path) => origin.place(path),
  }
}

/** @throws RecipeError with the places of what is wrong */
async function jobOf(context: ServerContext, origin: Origin) {
  const value = origin.value as Readonly<Record<string, unknown>>
  const faults: RecipeIssue[] = []
  const attempt = async <Result>(work: () => Result | Promise<Result>): Promise<Result | undefined> => {
    try {
      return await work()
    } catch (error) {
      faults.push(...issuesOf(error, origin))
      return undefined
    }
  }
  const heldOut = await attempt(() => heldOutOf(context, value))
  const recipe = await attempt(() => checkOrigin(heldOut === undefined ? origin : { ...origin, value: { ...value, eval: heldOut } }, methods))
  const job = recipe && faults.length === 0 ? await attempt(async () => {
    const request = requestOf(heldOut === undefined ? recipe : { ...recipe, eval: undefined })
    return { request, recipe: (await planJob(context, checked(request, JobBody))).recipe }
  }) : undefined
  if (job === undefined) throw new RecipeError(faults)
  return job
}

/** A dataset brings its held-out rows along, so that a recipe need not name any. */
async function heldOutOf({ jobs }: ServerContext, { data, eval: named }: Readonly<Record<string, unknown>>): Promise<string | undefined> {
  if (named !== undefined || typeof data !== 'string') return undefined
  return (await rowsFor(jobs, data, 'training_file')).eval?.reference
}

/** What is wrong with a recipe or with its job, where the recipe says it. @throws what is neither's fault */
function issuesOf(error: unknown, origin: Origin): readonly RecipeIssue[] {
  if (error instanceof RecipeError) return error.issues
  if (!(error instanceof ApiError) || error.status >= 500) throw error
  const { method } = origin.value as { readonly method?: unknown }
  const { param = '' } = error.options
  const key = recipeKeyOf(param, String(method))
  const message = param === '' ? error.message : error.message.replaceAll(param, key)
  return [{ place: origin.place(key.split('.')), key, message: message.replaceAll(/\bposttrain\.(?:recipe\.)?/g, '') }]
}
