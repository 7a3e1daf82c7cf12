import { Hono } from 'hono'
import { z } from 'zod'
import { FeedbackError, FeedbackLog } from '../../feedback/feedback.ts'
import { logBody, logCompletion } from '../../feedback/log.ts'
import { feedbackBody } from '../../feedback/values.ts'
import type { Row } from '../../store/index.ts'
import { readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'

const FeedbackQuery = z.strictObject({
  completion_id: z.string().optional(),
  name: z.string().optional(),
  user: z.string().optional(),
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(20),
  order: z.enum(['asc', 'desc']).default('desc'),
})

/** `/v1/feedback`, and `POST /v1/completions/log` for completions that were made elsewhere. */
export function feedbackRoutes({ store, capture }: ServerContext): Hono<RequestVariables> {
  const feedback = new FeedbackLog(store, capture.redactor)
  const app = new Hono<RequestVariables>()

  app.post('/v1/feedback', async (c) => {
    const body = await readJson(c, feedbackBody)
    const key = body.idempotency_key ?? c.req.header('idempotency-key')
    const recorded = await naming(feedback.add({ ...body, ...(key !== undefined && { idempotency_key: key }) }))
    return c.json({ ...feedbackObject(recorded.feedback), completion: recorded.completion }, recorded.created ? 201 : 200)
  })

  app.get('/v1/feedback', async (c) => {
    const { completion_id: completionId, ...query } = readQuery(c, FeedbackQuery)
    const { items, hasMore } = await naming(feedback.list({ completionId, ...query }))
    const data = items.map(feedbackObject)
    return c.json({ object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: hasMore })
  })

  app.get('/v1/feedback/:id', async (c) => {
    const found = await feedback.get(c.req.param('id'))
    if (found === undefined) throw noFeedback(c.req.param('id'))
    return c.json(feedbackObject(found))
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

/** What is wrong with feedback is wrong with a key of its body. */
async function naming<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof FeedbackError)) throw error
    throw new ApiError(400, error.message, { param: error.param, code: 'invalid_value', cause: error })
  }
}

function noFeedback(id: string): ApiError {
  return new ApiError(404, `There is no feedback ${id}`, { param: 'id', code: 'not_found' })
}

function feedbackObject(row: Row<'feedback'>) {
  return {
    id: row.id,
    object: 'feedback',
    created_at: Math.floor(row.created_at / 1000),
    completion_id: row.completion_id,
    choice_index: row.position,
    name: row.name,
    value: row.value_json === null ? null : JSON.parse(row.value_json) as unknown,
    tags: JSON.parse(row.tags_json) as Record<string, string>,
    user: row.user_id,
    idempotency_key: row.idempotency_key,
    superseded: row.superseded === 1,
  }
}
