import { Hono } from 'hono'
import { z } from 'zod'
import { UserError, messageOf } from '../../errors.ts'
import { checkGrader, type Grade } from '../../evaluate/graders/index.ts'
import { TimedWorker, TimeLimitError } from '../../evaluate/graders/timed-worker.ts'
import { siblingModule } from '../../runtime/worker.ts'
import { readJson } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import type { GradeRequest } from '../grader-service.ts'

const grader = z.looseObject({ type: z.string(), name: z.string().optional() })
const runBody = z.strictObject({
  grader,
  model_sample: z.string().max(1_000_000),
  item: z.record(z.string(), z.unknown()).nullish(),
})
const validateBody = z.strictObject({ grader })

/** How long a grader may take for one sample, milliseconds: comparing long texts takes the square of their length. */
const timeLimit = 10_000

/** Graders that come in a request name no file, no function and no model: evaluate/graders. */
export function graderRoutes(_context: ServerContext): Hono<RequestVariables> {
  const routes = new Hono<RequestVariables>()
  const worker = new TimedWorker(timeLimit, siblingModule(import.meta, '../grader-service'))
  routes.post('/v1/fine_tuning/alpha/graders/validate', async (c) => {
    const { grader: spec } = await readJson(c, validateBody)
    refuseWrongGrader(() => checkGrader(spec))
    return c.json({ grader: spec })
  })
  routes.post('/v1/fine_tuning/alpha/graders/run', async (c) => {
    const body = await readJson(c, runBody)
    refuseWrongGrader(() => checkGrader(body.grader))
    return c.json(await runGrader(body, worker))
  })
  return routes
}

async function runGrader({ grader: spec, model_sample: output, item }: z.output<typeof runBody>, worker: TimedWorker) {
  const began = performance.now()
  const { reward, components, error } = await grade({ spec, sample: { item: item ?? {}, output } }, worker)
  return {
    reward: reward ?? 0,
    sub_rewards: components,
    model_grader_token_usage_per_model: {},
    metadata: {
      name: spec.name ?? spec.type,
      type: spec.type,
      errors: errorsOf(error),
      execution_time: (performance.now() - began) / 1000,
      scores: components,
      token_usage: null,
      sampled_model_name: null,
    },
  }
}

async function grade(request: GradeRequest, worker: TimedWorker): Promise<Grade> {
  try {
    return await worker.call<Grade>('grade', request)
  } catch (error) {
    if (error instanceof TimeLimitError) return { reward: null, components: {}, error: `the grader ${error.message}` }
    throw error
  }
}

/** OpenAI's list of what can go wrong. Ours come with a sentence, in a key of its own. */
function errorsOf(error: string | undefined) {
  const missing = error !== undefined && /no field|has no/.test(error)
  return {
    formula_parse_error: false, sample_parse_error: false, truncated_observation_error: false, unresponsive_reward_error: false,
    invalid_variable_error: missing,
    other_error: error !== undefined && !missing,
    python_grader_server_error: false, python_grader_server_error_type: null,
    python_grader_runtime_error: false, python_grader_runtime_error_details: null,
    model_grader_server_error: false, model_grader_refusal_error: false, model_grader_parse_error: false, model_grader_server_error_details: null,
    details: error ?? null,
  }
}

/** Runs a check of a grader; what is wrong with it is a 400. */
export function refuseWrongGrader(check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new ApiError(400, messageOf(error), { param: 'grader', code: 'invalid_grader', cause: error })
  }
}
