/** Runs in few words: from a job's row or a folder's recipe, and a glance at the run's folder. */
import type { Row, Store } from '../store/index.ts'
import { glanceAt, type RunGlance } from '../train/run-glance.ts'
import { jobFolder } from './job-folder.ts'
import { planOf } from './job-recipe.ts'
import type { Job, JobError } from './job-states.ts'
import type { RunData, RunSummary } from './run-facts.ts'
import type { RunRecipe } from './run-recipes.ts'
import type { RootedRun } from './run-roots.ts'

export interface SummaryParts {
  readonly store: Store
  /** The server's folder. */
  readonly directory: string
}

/** @param files names of the files that the jobs learn from, by id */
export async function summaryOfJob({ directory }: SummaryParts, job: Job, files: ReadonlyMap<string, string>): Promise<RunSummary> {
  const { recipe, adapterId, parentId, alias } = planOf(job)
  const { epochs, steps } = recipe as { readonly epochs?: number; readonly steps?: number }
  const glance = await glanceAt(jobFolder(directory, job.id).run, { ...(epochs !== undefined && { epochs }), ...(steps !== undefined && { steps }) })
  const eta = job.status === 'running' && job.estimated_finish !== null ? Math.max(0, (job.estimated_finish - Date.now()) / 1000) : null
  return {
    id: job.id,
    name: suffixOf(job) ?? adapterId,
    kind: 'job',
    status: job.status,
    finishing: job.finish_requested_at !== null && job.finished_at === null,
    method: recipe.method,
    model: job.model,
    parent: parentId,
    adapter: job.fine_tuned_model,
    alias: alias ?? null,
    data: [dataOf(job.training_file, files)],
    createdAt: job.created_at,
    startedAt: job.started_at,
    finishedAt: job.finished_at,
    ...figuresOf(glance),
    etaSeconds: eta,
    error: job.error_json === null ? null : JSON.parse(job.error_json) as JobError,
  }
}

export async function summaryOfFolder({ id, name, path, createdAt, recipe }: RootedRun): Promise<RunSummary> {
  const glance = await glanceAt(path, { ...numberAt(recipe, 'steps'), ...numberAt(recipe, 'epochs') })
  return {
    id, name, kind: 'folder',
    status: glance.status,
    finishing: false,
    method: String(recipe['method'] ?? ''),
    model: String(recipe['model'] ?? ''),
    parent: initOf(recipe),
    adapter: null,
    alias: null,
    data: dataOfRecipe(recipe),
    createdAt,
    startedAt: glance.startedAt,
    finishedAt: glance.finishedAt,
    ...figuresOf(glance),
    etaSeconds: glance.etaSeconds ?? null,
    error: glance.error === undefined ? null : { code: 'training_failed', message: glance.error, param: null },
  }
}

/** Names of files by id, for all jobs of a page at once. */
export async function fileNames(store: Store, jobs: readonly Job[]): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(jobs.map(({ training_file }) => training_file))].filter((id) => !id.startsWith('dataset:'))
  if (ids.length === 0) return new Map()
  const files: Pick<Row<'files'>, 'id' | 'filename'>[] = await store.db.selectFrom('files').select(['id', 'filename']).where('id', 'in', ids).execute()
  return new Map(files.map(({ id, filename }) => [id, filename]))
}

function figuresOf({ step, steps, loss, reward, evalLoss, evalReward }: RunGlance) {
  return { step, steps: steps ?? null, loss: loss ?? null, reward: reward ?? null, evalLoss: evalLoss ?? null, evalReward: evalReward ?? null }
}

function suffixOf({ request_json }: Job): string | undefined {
  const { suffix } = JSON.parse(request_json) as { readonly suffix?: string | null }
  return suffix === null || suffix === '' ? undefined : suffix
}

function dataOf(reference: string, files: ReadonlyMap<string, string>): RunData {
  return { reference, name: reference.startsWith('dataset:') ? reference.slice('dataset:'.length) : files.get(reference) ?? reference }
}

function dataOfRecipe({ data }: RunRecipe): RunData[] {
  const sources: readonly unknown[] = Array.isArray(data) ? data : [data]
  return sources.flatMap((source) => {
    const path: unknown = typeof source === 'object' && source !== null && 'path' in source ? source.path : source
    return typeof path === 'string' ? [{ reference: null, name: path }] : []
  })
}

function initOf({ adapter }: RunRecipe): string | null {
  const init: unknown = typeof adapter === 'object' && adapter !== null && 'init' in adapter ? adapter.init : undefined
  return typeof init === 'string' ? init : null
}

function numberAt<Key extends string>(recipe: RunRecipe, key: Key): Partial<Record<Key, number>> {
  const value = recipe[key]
  return typeof value === 'number' ? { [key]: value } as Record<Key, number> : {}
}
