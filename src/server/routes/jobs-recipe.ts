/** A job's request becomes a recipe; `recipe-request.ts` is the way back. */
import { randomInt } from 'node:crypto'
import { UserError } from '../../errors.ts'
import { checkGrader } from '../../evaluate/graders/index.ts'
import { methods } from '../../methods/index.ts'
import { RecipeError } from '../../train/recipe-error.ts'
import { checkRecipe, type Recipe, type RecipeInput } from '../../train/recipe.ts'
import { ApiError } from '../errors.ts'
import { hyperparametersOf, isGiven, type Hyperparameters, type JobBody } from './jobs-request.ts'

/** What of a recipe a request may set: nothing that names a place on this machine, and no data. */
const recipeKeys = [
  'adapter', 'base', 'optimizer', 'schedule', 'batch', 'epochs', 'steps', 'max_length', 'shuffle', 'stop', 'keep', 'eval_every', 'checkpoint',
  'threads', 'tokens_per_micro_batch',
] as const

/** What an adapter that is there already says of itself. */
export const adapterShape = ['rank', 'alpha', 'targets', 'use_rslora', 'use_dora'] as const

export interface JobRecipeParts {
  /** The base's name. */
  readonly base: string
  readonly trainingFile: string
  readonly validationFile: string | undefined
  /** The adapter to go on with. */
  readonly parentId: string | undefined
}

/**
 * The recipe of a request, names in the place of paths, every default filled in.
 * @throws ApiError (400) that names the key
 */
export function recipeOf(body: JobBody, { base, trainingFile, validationFile, parentId }: JobRecipeParts): Recipe {
  const own = body.posttrain ?? {}
  const type = body.method?.type ?? 'supervised'
  const name = nameOf(body)
  const overrides = checkOverrides(own.recipe ?? {}, name)
  const { n_epochs: epochs, batch_size: batch, learning_rate_multiplier: multiplier, ...rest } = hyperparametersOf(body)
  const input: RecipeInput = {
    seed: body.seed ?? randomInt(2 ** 31),
    ...(isGiven(batch) && { batch }),
    ...(isGiven(epochs) ? { epochs } : overrides['epochs'] === undefined && overrides['steps'] === undefined && { epochs: autoEpochs(type) }),
    ...(isGiven(rest['eval_interval']) && { eval_every: rest['eval_interval'] as number }),
    ...overrides,
    model: base,
    method: name,
    data: trainingFile,
    ...(validationFile !== undefined && { eval: validationFile }),
    adapter: { ...overrides['adapter'] as object, ...own.adapter, ...(parentId !== undefined && { init: parentId }) },
    base: { ...overrides['base'] as object, ...own.base },
    ...methodBlock(body, name, overrides[name] as object | undefined, rest),
  }
  refuseInit(overrides['adapter'])
  refuseForParent(input, parentId)
  const recipe = checked(input, body)
  return isGiven(multiplier) ? { ...recipe, optimizer: { ...recipe.optimizer, lr: recipe.optimizer.lr * multiplier } } : recipe
}

/** The method's name in recipes. */
function nameOf({ method, posttrain }: JobBody): string {
  const type = method?.type ?? 'supervised'
  if (type === 'reinforcement') return posttrain?.algorithm ?? 'grpo'
  return type === 'supervised' ? 'sft' : type
}

/** Passes over the rows: three as in TRL and OpenAI's jobs for small files; answers are sampled anew in each, so one for reinforcement. */
function autoEpochs(type: string): number {
  return type === 'reinforcement' ? 1 : 3
}

function checkOverrides(recipe: Readonly<Record<string, unknown>>, method: string): Readonly<Record<string, unknown>> {
  const stray = Object.keys(recipe).find((key) => key !== method && !(recipeKeys as readonly string[]).includes(key))
  if (stray === undefined) return recipe
  throw new ApiError(400, `posttrain.recipe.${stray} cannot be set in a request; what can be is ${[...recipeKeys, method].join(', ')}`, {
    param: `posttrain.recipe.${stray}`, code: 'unknown_parameter',
  })
}

/** The recipe's block of the method's own settings. */
function methodBlock(body: JobBody, name: string, block: object | undefined, { beta, compute_multiplier }: Hyperparameters): Record<string, object> {
  const settings: Record<string, unknown> = { ...block, ...(isGiven(beta) && { beta }) }
  if (body.method?.type === 'reinforcement') {
    if (block !== undefined && 'reward' in block) throw new ApiError(400, 'the grader is given once, in method.reinforcement.grader', { param: `posttrain.recipe.${name}.reward` })
    const { grader } = body.method.reinforcement
    checkJobGrader(grader)
    settings['reward'] = grader
    if (isGiven(compute_multiplier) && name === 'grpo') settings['group_size'] = Math.max(2, Math.round(8 * (compute_multiplier as number)))
  }
  return { [name]: settings }
}

/** A grader from a request names no file, no function and no model. */
function checkJobGrader(grader: unknown): void {
  try {
    checkGrader(grader)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new ApiError(400, error.message, { param: 'method.reinforcement.grader', code: 'invalid_grader', cause: error })
  }
}

/** An adapter to begin with is named by the request's `model`, which is looked up, and never by a path. */
function refuseInit(adapter: unknown): void {
  if (typeof adapter !== 'object' || adapter === null || !('init' in adapter)) return
  throw new ApiError(400, 'posttrain.recipe.adapter.init cannot be set in a request: `model` names the adapter to go on with', {
    param: 'posttrain.recipe.adapter.init', code: 'unknown_parameter',
  })
}

/** The shape of an adapter that is there already is not for the request to say. */
function refuseForParent({ adapter }: RecipeInput, parentId: string | undefined): void {
  if (parentId === undefined) return
  const key = adapterShape.find((name) => adapter?.[name] !== undefined)
  if (key === undefined) return
  throw new ApiError(400, `the job goes on with ${parentId}, whose ${key} is what it is: leave adapter.${key} out`, { param: `posttrain.adapter.${key}` })
}

function checked(input: RecipeInput, body: JobBody): Recipe {
  const refuse = (key: string, message: string, cause?: unknown): never => {
    throw new ApiError(400, message, { param: paramOf(key, body), code: 'invalid_recipe', cause })
  }
  try {
    const recipe = checkRecipe(input, methods)
    if (recipe.adapter.type === 'none') refuse('adapter.type', 'adapter.type: a job trains an adapter; full fine-tuning is for `posttrain train`')
    if (recipe.adapter.init === 'pissa') refuse('adapter.init', 'adapter.init: pissa is for `posttrain train`')
    return recipe
  } catch (error) {
    if (!(error instanceof RecipeError)) throw error
    return refuse(error.issues[0]!.key, error.issues.map(({ message }) => message).join('\n'), error)
  }
}

/** What OpenAI's hyperparameters are called in a recipe; of a method's own block without its name. */
const recipeNames: Readonly<Record<string, string>> = { n_epochs: 'epochs', batch_size: 'batch', eval_interval: 'eval_every', learning_rate_multiplier: 'optimizer.lr' }

/** The request's key that a recipe's was set by. */
function paramOf(key: string, body: JobBody): string {
  const given = Object.entries(hyperparametersOf(body)).find(([name, value]) => isGiven(value) && (recipeNames[name] ?? `${nameOf(body)}.${name}`) === key)
  if (given !== undefined) return body.method == null ? `hyperparameters.${given[0]}` : `method.${body.method.type}.hyperparameters.${given[0]}`
  if (key === '') return 'posttrain'
  return /^(adapter|base)\b/.test(key) ? `posttrain.${key}` : `posttrain.recipe.${key}`
}

/** The recipe's key that sets what a request's does, for a method by its name in recipes: the way back of errors. */
export function recipeKeyOf(param: string, method: string): string {
  const [, name] = /^(?:method\.\w+\.)?hyperparameters\.(\w+)$/.exec(param) ?? []
  if (name !== undefined) return recipeNames[name] ?? `${method}.${name}`
  if (param.startsWith('method.reinforcement.grader')) return `${method}.reward`
  if (param.startsWith('method') || param === 'posttrain.algorithm') return 'method'
  if (param === 'training_file') return 'data'
  if (param === 'validation_file') return 'eval'
  return param.replace(/^posttrain\.(?:recipe\.)?/, '')
}
