import { Hono } from 'hono'
import { z } from 'zod'
import { ConflictError } from '../../registry/errors.ts'
import type { Job } from '../../registry/job-states.ts'
import { readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { planJob } from './jobs-plan.ts'
import { JobBody } from './jobs-request.ts'
import { wireCheckpoint, wireEvent, wireJob, wirePage } from './jobs-wire.ts'

const pageQuery = (limit: number) => z.looseObject({ after: z.string().optional(), limit: z.coerce.number().int().min(1).max(1000).default(limit) })

/** `/v1/fine_tuning/jobs` as OpenAI has it. */
export function jobRoutes(context: ServerContext): Hono<RequestVariables> {
  const { jobs } = context
  const routes = new Hono<RequestVariables>()

  routes.post('/v1/fine_tuning/jobs', async (c) => c.json(wireJob(await jobs.create(await planJob(context, await readJson(c, JobBody))))))
  routes.get('/v1/fine_tuning/jobs', async (c) => {
    const { after, limit, ...rest } = readQuery(c, pageQuery(20))
    return c.json(wirePage(await jobs.list({ after, limit, metadata: metadataOf(rest) }), wireJob))
  })
  routes.get('/v1/fine_tuning/jobs/:id', async (c) => {
    const job = await jobs.get(c.req.param('id'))
    if (job === undefined) throw new ApiError(404, `Could not find fine tune: ${c.req.param('id')}`, { param: 'fine_tune_id', code: 'fine_tune_not_found' })
    return c.json(wireJob(job))
  })
  for (const action of ['cancel', 'pause', 'resume', 'finish'] as const) {
    routes.post(`/v1/fine_tuning/jobs/:id/${action}`, async (c) => c.json(wireJob(await changed(jobs[action](c.req.param('id'))))))
  }
  routes.get('/v1/fine_tuning/jobs/:id/events', async (c) =>
    c.json(wirePage(await jobs.events(c.req.param('id'), readQuery(c, pageQuery(20))), wireEvent)))
  routes.get('/v1/fine_tuning/jobs/:id/checkpoints', async (c) =>
    c.json(wirePage(await jobs.checkpoints(c.req.param('id'), readQuery(c, pageQuery(10))), wireCheckpoint)))
  return routes
}

/** OpenAI's clients try again after a 409, which would change nothing: what cannot be done as things stand is a 400 here, as there. */
async function changed(work: Promise<Job>): Promise<Job> {
  try {
    return await work
  } catch (error) {
    if (error instanceof ConflictError) throw new ApiError(400, error.message, { code: 'invalid_state', cause: error })
    throw error
  }
}

/** Of the query's keys, those that OpenAI's clients write as `metadata[KEY]`. */
function metadataOf(query: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).flatMap(([name, value]) => {
    const key = /^metadata\[(.+)\]$/.exec(name)?.[1]
    return key === undefined ? [] : [[key, String(value)]]
  }))
}
