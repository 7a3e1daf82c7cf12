/** A job's request as OpenAI's clients send it, with our extension under `posttrain`. */
import { z } from 'zod'
import { UserError } from '../../errors.ts'
import { checkUrl } from '../../registry/addresses.ts'
import { checkName } from '../../registry/names.ts'
import { Webhook } from '../../registry/webhooks.ts'
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

const extension = z.strictObject({
  adapter: z.looseObject({ init: z.undefined({ error: 'cannot be given here: `model` names the adapter to go on with' }).optional() }).optional(),
  base: z.looseObject({}).optional(),
  /** Settings of a recipe besides, docs/recipe.md, the method's own block among them. */
  recipe: z.looseObject({}).optional(),
  /** Of a reinforcement job. */
  algorithm: z.enum(['grpo', 'ppo']).optional(),
  /** Is to point to the job's adapter if that is better than what it points to. */
  alias: z.string().optional(),
  /** Whether the adapter is measured when it is made; as the server is started, unless given. */
  evaluate: z.literal(false).optional(),
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
export type JobRequest = z.input<typeof JobBody>

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

/** Whether a hyperparameter has a value of its own. */
export function isGiven<Value>(value: Value | 'auto' | null | undefined): value is Value {
  return value !== 'auto' && value !== null && value !== undefined
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
