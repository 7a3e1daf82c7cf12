/** A job's request as OpenAI's clients send it, with our extension under `posttrain`, and the recipe that it becomes. */
import { randomInt } from 'node:crypto'
import { z } from 'zod'
import { UserError } from '../../errors.ts'
import { checkGrader } from '../../evaluate/graders/index.ts'
import { methods } from '../../methods/index.ts'
import { checkUrl } from '../../registry/addresses.ts'
import { checkName } from '../../registry/names.ts'
import { Webhook } from '../../registry/webhooks.ts'
import { checkRecipe, type Recipe, type RecipeInput } from '../../train/recipe.ts'
import { ApiError } from '../errors.ts'

const auto = z.literal('auto')
const orAuto = <Value extends z.ZodType>(value: Value) => z.union([auto, value], { error: 'must be "auto" or a number in range' }).nullish()

const common = {
  n_epochs: orAuto(z.number().positive().max(1000)),
  batch_size: orAuto(z.int().positive().max(4096)),
  learning_rate_multiplier: orAuto(z.number().positive()),
}
const preference = z.strictObject({ ...common, beta: orAuto(z.number().positive()) })
const reinforcement = z.strictObject({
  ...common,
  /** Answers of each prompt: 8 times this. */
  compute_multiplier: orAuto(z.number().min(0.25).max(16)),
  eval_interval: orAuto(z.int().positive()),
  eval_samples: orAuto(z.int().positive()),
  reasoning_effort: z.enum(['default', 'low', 'medium', 'high']).nullish(),
})

const method = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('supervised'), supervised: z.strictObject({ hyperparameters: z.strictObject(common).nullish() }).nullish() }),
  z.strictObject({ type: z.literal('dpo'), dpo: z.strictObject({ hyperparameters: preference.nullish() }).nullish() }),
  z.strictObject({ type: z.literal('kto'), kto: z.strictObject({ hyperparameters: preference.nullish() }).nullish() }),
  z.strictObject({
    type: z.literal('reinforcement'),
    reinforcement: z.strictObject({ grader: z.unknown().refine((grader) => grader !== undefined, 'is missing'), hyperparameters: reinforcement.nullish() }),
  }),
])

/** What of a recipe a request may set: nothing that names a place on this machine, and no data. */
const recipeKeys = [
  'adapter', 'base', 'optimizer', 'schedule', 'batch', 'epochs', 'steps', 'max_length', 'shuffle', 'stop', 'keep', 'eval_every', 'checkpoint',
  'threads', 'tokens_per_micro_batch',
] as const

const extension = z.strictObject({
  adapter: z.looseObject({ init: z.undefined({ error: 'cannot be given here: `model` names the adapter to go on with' }).optional() }).optional(),
  base: z.looseObject({}).optional(),
  /** Settings of a recipe besides, docs/recipe.md, the method's own block among them. */
  recipe: z.looseObject({}).optional(),
  /** Of a reinforcement job. */
  algorithm: z.enum(['grpo', 'ppo']).optional(),
  /** Is to point to the job's adapter if that is better than what it points to. */
  alias: z.string().optional(),
  webhook: Webhook.optional(),
})

/** The body of POST /v1/fine_tuning/jobs. */
export const JobBody = z.strictObject({
  model: z.string().min(1),
  training_file: z.string().min(1),
  validation_file: z.string().min(1).nullish(),
  method: method.nullish(),
  /** The form before `method`. */
  hyperparameters: z.strictObject(common).nullish(),
  seed: z.int().min(0).max(2 ** 32 - 1).nullish(),
  suffix: z.string().min(1).max(64).nullish(),
  metadata: z.record(z.string().max(64), z.string().max(512)).refine((value) => Object.keys(value).length <= 16, 'has more than 16 keys').nullish(),
  integrations: z.array(z.unknown()).nullish(),
  posttrain: extension.nullish(),
})
export type JobBody = z.output<typeof JobBody>

/** How OpenAI calls what the request's method sets. */
export interface Hyperparameters {
  readonly n_epochs?: 'auto' | number | null | undefined
  readonly batch_size?: 'auto' | number | null | undefined
  readonly learning_rate_multiplier?: 'auto' | number | null | undefined
  readonly [other: string]: unknown
}

/** The hyperparameters of a request, whichever form it has. */
export function hyperparametersOf({ method, hyperparameters }: Pick<JobBody, 'method' | 'hyperparameters'>): Hyperparameters {
  const block = method === undefined || method === null ? undefined : (method as Record<string, unknown>)[method.type]
  return (block as { readonly hyperparameters?: Hyperparameters | null } | undefined)?.hyperparameters ?? hyperparameters ?? {}
}

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
export function recipeOf(body: JobBody, { base, trainingFile, validationFile, parentId }: JobRecipeParts): RecipeInput {
  const own = body.posttrain ?? {}
  const type = body.method?.type ?? 'supervised'
  const name = type === 'supervised' ? 'sft' : type === 'reinforcement' ? (own.algorithm ?? 'grpo') : type
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
  refuseForParent(input, parentId)
  const recipe = checked(input)
  return isGiven(multiplier) ? { ...recipe, optimizer: { ...recipe.optimizer, lr: recipe.optimizer.lr * multiplier } } : recipe
}

function isGiven<Value>(value: Value | 'auto' | null | undefined): value is Value {
  return value !== 'auto' && value !== null && value !== undefined
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

/** The shape of an adapter that is there already is not for the request to say. */
function refuseForParent({ adapter }: RecipeInput, parentId: string | undefined): void {
  if (parentId === undefined) return
  const key = (['rank', 'alpha', 'targets', 'use_rslora', 'use_dora'] as const).find((name) => adapter?.[name] !== undefined)
  if (key === undefined) return
  throw new ApiError(400, `the job goes on with ${parentId}, whose ${key} is what it is: leave adapter.${key} out`, { param: `posttrain.adapter.${key}` })
}

function checked(input: RecipeInput): Recipe & RecipeInput {
  try {
    const recipe = checkRecipe(input, methods)
    if (recipe.adapter.type === 'none') throw new UserError('adapter.type: a job trains an adapter; full fine-tuning is for `posttrain train`')
    if (recipe.adapter.init === 'pissa') throw new UserError('adapter.init: pissa is for `posttrain train`')
    return recipe as Recipe & RecipeInput
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    const message = error.message.replaceAll(/^recipe: /gm, '')
    throw new ApiError(400, message, { param: paramOf(message), code: 'invalid_recipe', cause: error })
  }
}

/** The request's key for the first of a recipe's that a message speaks of. */
function paramOf(message: string): string {
  const key = /^(?:unknown key )?([a-z_]+(?:\.[a-z_]+)*)/.exec(message)?.[1]
  if (key === undefined) return 'posttrain'
  return /^(adapter|base)\b/.test(key) ? `posttrain.${key}` : `posttrain.recipe.${key}`
}

/** Checks what else the extension names. @param allow places that webhooks may be at besides the public internet @throws ApiError (400) */
export function checkExtension({ posttrain }: JobBody, allow: readonly string[]): void {
  const check = (param: string, work: () => void): void => {
    try {
      work()
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      throw new ApiError(400, error.message, { param: `posttrain.${param}`, code: 'invalid_value', cause: error })
    }
  }
  const { alias, webhook } = posttrain ?? {}
  if (alias !== undefined) check('alias', () => { checkName(alias, 'alias') })
  if (webhook !== undefined) check('webhook.url', () => { checkUrl(webhook.url, allow) })
}

/** What of a request is not followed. */
export function warningsOf(body: JobBody): string[] {
  const { reasoning_effort: effort, eval_samples: samples } = hyperparametersOf(body)
  return [
    ...((body.integrations ?? []).length > 0 ? ['integrations are not followed: events and metrics are here, and in the result file'] : []),
    ...(effort !== undefined && effort !== null && effort !== 'default' ? ['reasoning_effort is not followed: the models here have no such setting'] : []),
    ...(isGiven(samples) ? ['eval_samples is not followed: held-out prompts get their likeliest answer once'] : []),
  ]
}
