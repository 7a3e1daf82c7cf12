import { Hono } from 'hono'
import { z } from 'zod'
import { methods } from '../../methods/index.ts'
import { ConflictError } from '../../registry/errors.ts'
import type { JobDataset, JobRows } from '../../registry/jobs.ts'
import type { Job } from '../../registry/job-states.ts'
import { readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { checkExtension, JobBody, recipeOf, warningsOf } from './jobs-request.ts'
import { wireCheckpoint, wireEvent, wireJob, wirePage } from './jobs-wire.ts'

const pageQuery = (limit: number) => z.looseObject({ after: z.string().optional(), limit: z.coerce.number().int().min(1).max(1000).default(limit) })

const datasetPrefix = 'dataset:'

/** `/v1/fine_tuning/jobs` as OpenAI has it. */
export function jobRoutes(context: ServerContext): Hono<RequestVariables> {
  const { jobs } = context
  const routes = new Hono<RequestVariables>()

  routes.post('/v1/fine_tuning/jobs', async (c) => c.json(wireJob(await createJob(context, await readJson(c, JobBody)))))
  routes.get('/v1/fine_tuning/jobs', async (c) => {
    const { after, limit, ...rest } = readQuery(c, pageQuery(20))
    return c.json(wirePage(await jobs.list({ after, limit, metadata: metadataOf(rest) }), wireJob))
  })
  routes.get('/v1/fine_tuning/jobs/:id', async (c) => {
    const job = await jobs.get(c.req.param('id'))
    if (job === undefined) throw new ApiError(404, `Could not find fine tune: ${c.req.param('id')}`, { param: 'fine_tune_id', code: 'fine_tune_not_found' })
    return c.json(wireJob(job))
  })
  for (const action of ['cancel', 'pause', 'resume'] as const) {
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

async function createJob({ jobs, adapters }: ServerContext, body: JobBody): Promise<Job> {
  checkExtension(body, jobs.webhookAllow)
  const parent = parentOf(adapters, body)
  const type = body.method?.type ?? 'supervised'
  const training = await rowsFor(jobs, body.training_file, 'training_file')
  const validation = body.validation_file == null ? training.eval : (await rowsFor(jobs, body.validation_file, 'validation_file')).train
  const recipe = recipeOf(body, {
    base: adapters.base, trainingFile: training.train.reference, validationFile: validation?.reference, parentId: parent?.id,
  })
  const kind = methods[recipe.method]!.rows
  if (training.kind !== undefined && training.kind !== kind) {
    throw new ApiError(400, `${body.training_file} holds rows of the kind "${training.kind}", and method ${type} learns from "${kind}"`, { param: 'training_file' })
  }
  return jobs.create({
    request: body, model: body.model, recipe, parent, training: training.train, validation, metadata: body.metadata ?? {}, warnings: warningsOf(body),
  })
}

function parentOf(adapters: ServerContext['adapters'], { model, posttrain }: JobBody) {
  const found = adapters.resolve(model)
  if (found === undefined) {
    throw new ApiError(404, `The model \`${model}\` does not exist here: train ${adapters.base}, or one of its adapters`, { param: 'model', code: 'model_not_found' })
  }
  const alias = posttrain?.alias
  const other = alias === undefined || adapters.aliases.get(alias) !== undefined ? undefined : adapters.resolve(alias)
  if (other !== undefined) throw new ApiError(400, `${alias} is a model's name: an alias needs another`, { param: 'posttrain.alias' })
  return found.adapterId === null ? undefined : adapters.get(found.adapterId)
}

/** What a reference stands for: a file's rows, whose kind is not known yet, or a dataset. */
async function rowsFor(jobs: ServerContext['jobs'], reference: string, param: string): Promise<Omit<JobDataset, 'kind'> & { kind?: JobDataset['kind']; train: JobRows }> {
  if (reference.startsWith(datasetPrefix)) {
    const dataset = await jobs.findDataset(reference.slice(datasetPrefix.length))
    if (dataset === undefined) throw new ApiError(400, `there is no dataset ${reference.slice(datasetPrefix.length)}`, { param, code: 'file_not_found' })
    return dataset
  }
  const file = await jobs.files.get(reference)
  if (file === undefined) throw new ApiError(400, `invalid ${param}: ${reference} does not exist`, { param, code: 'file_not_found' })
  if (file.purpose !== 'fine-tune') {
    throw new ApiError(400, `${reference} was uploaded for ${file.purpose}: upload it with the purpose fine-tune`, { param, code: 'invalid_file_purpose' })
  }
  return { train: jobs.rowsOf(file), eval: undefined }
}
