import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Advice } from '../../guide/advise.ts'
import { situationIds } from '../../guide/decision-table.ts'
import type { AdviceRequest, NamedFile } from '../../guide/gather.ts'
import { guide } from '../../guide/guide.ts'
import { thisMachine } from '../../guide/machine.ts'
import type { RunEstimate } from '../../guide/run-estimate.ts'
import type { NamedRun } from '../../guide/run-facts.ts'
import { storeFacts } from '../../guide/store-facts.ts'
import { resolveModel } from '../../models/sources/source.ts'
import { jobFolder } from '../../registry/job-folder.ts'
import { planOf } from '../../registry/job-recipe.ts'
import type { JobRows } from '../../registry/jobs.ts'
import { readJson } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import type { WireAdvice, WireEstimateOfRun, WireGuide } from './guide-wire.ts'
import { planJob, rowsFor } from './jobs-plan.ts'
import { JobBody } from './jobs-request.ts'

const adviceBody = z.strictObject({
  dataset: z.string().min(1).nullish(),
  file: z.string().min(1).nullish(),
  goal: z.enum(situationIds).nullish(),
  model: z.string().min(1).nullish(),
}).refine(({ dataset, file }) => dataset == null || file == null, 'name a dataset or a file, not both')

type AdviceBody = z.output<typeof adviceBody>

/** The field guide, advice on what is there to learn from, and what a job will take. */
export function guideRoutes(context: ServerContext): Hono<RequestVariables> {
  const routes = new Hono<RequestVariables>()
  routes.get('/v1/guide', (c) => c.json<WireGuide>({ object: 'guide', ...guide }))
  routes.post('/v1/advise', async (c) => c.json(await adviceOn(context, await readJson(c, adviceBody))))
  routes.post('/v1/estimates', async (c) => c.json(await estimateOf(context, await readJson(c, JobBody))))
  return routes
}

async function adviceOn(context: ServerContext, { dataset, file, goal, model }: AdviceBody): Promise<WireAdvice> {
  const { jobs, store, settings, adapters, advisor } = context
  const reference = dataset == null ? file : dataset.startsWith('dataset:') ? dataset : `dataset:${dataset}`
  const rows = reference == null ? undefined : await rowsFor(jobs, reference, dataset == null ? 'file' : 'dataset')
  const parent = model == null ? null : adapters.resolve(model)?.adapterId ?? null
  return withFiles(rows, async (files) => {
    const request: AdviceRequest = {
      files, goal: goal ?? undefined, store: file == null ? await storeFacts(store) : undefined, runs: await jobRuns(context),
      model: { name: settings.modelName, path: await resolveModel(settings.modelRef) },
      ...(parent !== null && { initialAdapter: parent }),
    }
    const { advice, estimates } = await advisor.advise(request)
    return { object: 'advice', ...advice, warnings: [...advice.warnings, ...notForJobs(advice)], runs: advice.runs.map((run, i) => ({ ...run, estimate: wireEstimate(estimates[i] ?? null) })) }
  })
}

/** What of the advice no job of this server can do. */
function notForJobs({ runs }: Advice): string[] {
  return runs.some(({ recipe }) => recipe.method === 'reward')
    ? ['A reward model is trained on the command line: save the recipe, export the rows, and run posttrain train.'] : []
}

/** Jobs whose figures advice looks at. */
const jobsSeen = 20

/** The runs of the last jobs that succeeded over this base, the oldest first. */
async function jobRuns({ jobs, adapters, settings }: ServerContext): Promise<NamedRun[]> {
  const { items } = await jobs.list({ limit: jobsSeen })
  return items.toReversed().filter((job) => job.status === 'succeeded' && planOf(job).recipe.model === adapters.base)
    .map(({ id, fine_tuned_model: adapter }) =>
      ({ path: jobFolder(settings.directory, id).run, name: id, adapter: adapter !== null && adapters.get(adapter) !== undefined ? adapter : undefined }))
}

async function estimateOf(context: ServerContext, body: JobBody): Promise<WireEstimateOfRun> {
  const { recipe, parent, training, validation } = await planJob(context, body)
  return withFiles({ train: training, eval: validation }, async ([file]) => {
    const { path, heldOutPath } = file!
    const modelPath = await resolveModel(context.settings.modelRef)
    const { eval: _, ...rest } = recipe
    const local = { ...rest, data: path, ...(heldOutPath !== undefined && { eval: heldOutPath }) }
    return wireEstimate(await context.advisor.estimate({ recipe: local, modelPath, rank: parent?.facts.rank, runs: await jobRuns(context) }))
  })
}

interface Rows {
  readonly train: JobRows
  readonly eval: JobRows | undefined
}

/** The rows as files, while `work` goes on. */
async function withFiles<Result>(rows: Rows | undefined, work: (files: readonly NamedFile[]) => Promise<Result>): Promise<Result> {
  if (rows === undefined) return work([])
  const folder = await mkdtemp(join(tmpdir(), 'posttrain-advice-'))
  const write = async (name: string, { source }: JobRows): Promise<string> => {
    const path = join(folder, name + source.extension)
    await source.write(path)
    return path
  }
  try {
    const path = await write('train', rows.train)
    const heldOutPath = rows.eval === undefined ? undefined : await write('eval', rows.eval)
    return await work([{ path, name: rows.train.reference, heldOutPath }])
  } finally {
    await rm(folder, { recursive: true })
  }
}

function wireEstimate(estimate: RunEstimate): WireEstimateOfRun
function wireEstimate(estimate: RunEstimate | null): WireEstimateOfRun | null
function wireEstimate(estimate: RunEstimate | null): WireEstimateOfRun | null {
  if (estimate === null) return null
  const { secondsPerStep: seconds_per_step, cpuSeconds: cpu_seconds, memoryMb: memory_mb, ...rest } = estimate
  const { memoryMb, cores, cpu } = thisMachine()
  return { object: 'estimate', ...rest, seconds_per_step, cpu_seconds, memory_mb, machine: { memory_mb: memoryMb, cores, cpu } }
}
