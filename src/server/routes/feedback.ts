import { Hono } from 'hono'
import { z } from 'zod'
import { FeedbackError, FeedbackLog } from '../../feedback/feedback.ts'
import { logBody, logCompletion } from '../../feedback/log.ts'
import { feedbackBody } from '../../feedback/values.ts'
import { checked, readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError, asApiError, isFault, type ErrorBody } from '../errors.ts'
import { wireFeedback } from './inbox-form.ts'
import type { WireBatchResult, WireFeedbackBatch } from './inbox-wire.ts'

const FeedbackQuery = z.strictObject({
  completion_id: z.string().optional(),
  name: z.string().optional(),
  user: z.string().optional(),
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(20),
  order: z.enum(['asc', 'desc']).default('desc'),
})

/** Each item is checked by itself: one that is wrong leaves the others as they are. */
const BatchBody = z.strictObject({ items: z.array(z.unknown()).min(1).max(1000) })

/** `/v1/feedback`, and `POST /v1/completions/log` for completions that were made elsewhere. */
export function feedbackRoutes({ store, capture }: ServerContext): Hono<RequestVariables> {
  const feedback = new FeedbackLog(store, capture.redactor)
  const app = new Hono<RequestVariables>()

  app.post('/v1/feedback', async (c) => {
    const body = await readJson(c, feedbackBody)
    const key = body.idempotency_key ?? c.req.header('idempotency-key')
    const recorded = await naming(feedback.add({ ...body, ...(key !== undefined && { idempotency_key: key }) }))
    return c.json({ ...wireFeedback(recorded.feedback), completion: recorded.completion }, recorded.created ? 201 : 200)
  })

  app.post('/v1/feedback/batch', async (c) => {
    const { items } = await readJson(c, BatchBody)
    const results = await addBatch(feedback, items)
    const count = (status: WireBatchResult['status']): number => results.filter((result) => result.status === status).length
    return c.json({
      object: 'feedback.batch', created: count('created'), existing: count('existing'), failed: count('failed'), results,
    } satisfies WireFeedbackBatch)
  })

  app.get('/v1/feedback', async (c) => {
    const { completion_id: completionId, ...query } = readQuery(c, FeedbackQuery)
    const { items, hasMore } = await naming(feedback.list({ completionId, ...query }))
    const data = items.map(wireFeedback)
    return c.json({ object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: hasMore })
  })

  app.get('/v1/feedback/:id', async (c) => {
    const found = await feedback.get(c.req.param('id'))
    if (found === undefined) throw noFeedback(c.req.param('id'))
    return c.json(wireFeedback(found))
  })

  app.delete('/v1/feedback/:id', async (c) => {
    const id = c.req.param('id')
    if (!await feedback.remove(id)) throw noFeedback(id)
    return c.json({ id, object: 'feedback.deleted', deleted: true })
  })

  app.post('/v1/completions/log', async (c) => {
    const body = await readJson(c, logBody)
    const key = body.idempotency_key ?? c.req.header('idempotency-key')
    const { id, created } = await logCompletion(store, capture, { ...body, ...(key !== undefined && { idempotency_key: key }) })
    return c.json({ id, object: 'completion.logged', created }, created ? 201 : 200)
  })

  return app
}

/** Stores what can be stored. @returns an outcome for each item, in their order @throws whatever is the server's fault */
async function addBatch(feedback: FeedbackLog, items: readonly unknown[]): Promise<WireBatchResult[]> {
  const read = items.map((item) => attempt(() => checked(item, feedbackBody)))
  const stored = await feedback.addAll(read.flatMap((each) => ('value' in each ? [each.value] : [])))
  let next = 0
  return read.map((each, index) => {
    if ('error' in each) return { index, status: 'failed', error: each.error }
    const outcome = stored[next++]!
    if (outcome.status === 'rejected') return { index, status: 'failed', error: clientError(outcome.reason) }
    const { feedback: row, created, completion } = outcome.value
    return { index, status: created ? 'created' : 'existing', feedback: wireFeedback(row), completion }
  })
}

function attempt<Value>(work: () => Value): { readonly value: Value } | { readonly error: ErrorBody['error'] } {
  try {
    return { value: work() }
  } catch (error) {
    return { error: clientError(error) }
  }
}

/** The error as a client may see it. @throws it where it is none of the client's */
function clientError(error: unknown): ErrorBody['error'] {
  const known = named(error)
  if (isFault(known)) throw known
  return asApiError(known).body.error
}

/** What is wrong with feedback is wrong with a key of its body. */
async function naming<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (error) {
    throw named(error)
  }
}

function named(error: unknown): unknown {
  return error instanceof FeedbackError ? new ApiError(400, error.message, { param: error.param, code: 'invalid_value', cause: error }) : error
}

function noFeedback(id: string): ApiError {
  return new ApiError(404, `There is no feedback ${id}`, { param: 'id', code: 'not_found' })
}
