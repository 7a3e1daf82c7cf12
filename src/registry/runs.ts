/** All runs: the jobs, and the folders below the operator's roots. */
import type { Store } from '../store/index.ts'
import { downsample, type ThinRequest } from '../train/downsample.ts'
import { RunLogsCache, type PlacedSample, type RunLogs, type SampleRequest } from '../train/run-logs.ts'
import { NotFoundError } from './errors.ts'
import { jobFolder } from './job-folder.ts'
import type { Page, PageRequest } from './jobs.ts'
import type { Job } from './job-states.ts'
import { detailsOfFolder, detailsOfJob } from './run-details.ts'
import type { RunCurves, RunDetail, RunSummary } from './run-facts.ts'
import { recipeDifferences, type RecipeDifference } from './run-recipes.ts'
import { RunRoots, type RootedRun } from './run-roots.ts'
import { fileNames, summaryOfFolder, summaryOfJob, type SummaryParts } from './run-summaries.ts'

export interface RunsOptions extends SummaryParts {
  /** Folders below which runs lie that no job made. */
  readonly roots: readonly string[]
}

/** A run, and where its folder is. */
type Found = { readonly folder: string } & ({ readonly job: Job } | { readonly rooted: RootedRun })

export interface CurveRequest extends Omit<ThinRequest, 'keys'> {
  /** All unless given. */
  readonly keys?: readonly string[] | undefined
}

export class Runs {
  readonly #options: RunsOptions
  readonly #store: Store
  readonly #roots: RunRoots
  readonly #logs = new RunLogsCache()

  constructor(options: RunsOptions) {
    this.#options = options
    this.#store = options.store
    this.#roots = new RunRoots(options.roots)
  }

  /** The newest first. @throws NotFoundError where there is no run `after` */
  async list({ after, limit }: PageRequest): Promise<Page<RunSummary>> {
    const last = after === undefined ? undefined : await this.#find(after)
    const [jobs, folders] = [await this.#jobsAfter(last, limit + 1), await this.#foldersAfter(last)]
    const merged = mergeNewest(jobs, folders).slice(0, limit + 1)
    const files = await fileNames(this.#store, jobs)
    const items = await Promise.all(merged.slice(0, limit).map((run) => ('path' in run ? summaryOfFolder(run) : summaryOfJob(this.#options, run, files))))
    return { items, hasMore: merged.length > limit }
  }

  /** @throws NotFoundError */
  async get(id: string): Promise<RunDetail> {
    const found = await this.#find(id)
    const logs = await this.#logs.get(found.folder)
    if ('rooted' in found) return detailsOfFolder(found.rooted, logs)
    return detailsOfJob(this.#options, found.job, await fileNames(this.#store, [found.job]), logs)
  }

  /** @throws NotFoundError */
  async curves(id: string, { keys, ...range }: CurveRequest): Promise<RunCurves> {
    const { metrics, evaluations }: RunLogs = await this.#logs.get((await this.#find(id)).folder)
    return {
      ...downsample(metrics, { keys: keys ?? metrics.keys, ...range }),
      evaluations: downsample(evaluations, { keys: keys ?? evaluations.keys, ...range }),
      last: metrics.length === 0 ? 0 : metrics.step(metrics.length - 1),
    }
  }

  /** The newest first. @throws NotFoundError */
  async samples(id: string, request: SampleRequest): Promise<{ readonly samples: readonly PlacedSample[]; readonly hasMore: boolean }> {
    const { folder } = await this.#find(id)
    return (await this.#logs.get(folder)).samples(request)
  }

  /** Where the recipes of runs differ. @throws NotFoundError */
  async differences(ids: readonly string[]): Promise<RecipeDifference[]> {
    const details = await Promise.all(ids.map((id) => this.get(id)))
    return recipeDifferences(details.map(({ recipe }) => recipe))
  }

  async #find(id: string): Promise<Found> {
    const job = id.startsWith('ftjob-') ? await this.#store.db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst() : undefined
    if (job !== undefined) return { job, folder: jobFolder(this.#options.directory, id).run }
    const rooted = await this.#roots.get(id)
    if (rooted === undefined) throw new NotFoundError(`There is no run ${id}`)
    return { rooted, folder: rooted.path }
  }

  /** Ids of jobs sort by the time of their making. */
  async #jobsAfter(last: Found | undefined, limit: number): Promise<Job[]> {
    const query = this.#store.db.selectFrom('jobs').selectAll().orderBy('id', 'desc').limit(limit)
    if (last === undefined) return query.execute()
    return 'job' in last ? query.where('id', '<', last.job.id).execute() : query.where('created_at', '<=', last.rooted.createdAt).execute()
  }

  /** Of runs made in the same millisecond folders come first. */
  async #foldersAfter(last: Found | undefined): Promise<readonly RootedRun[]> {
    const all = await this.#roots.list()
    if (last === undefined) return all
    if ('rooted' in last) return all.slice(all.findIndex(({ id }) => id === last.rooted.id) + 1)
    return all.filter(({ createdAt }) => createdAt < last.job.created_at)
  }
}

function mergeNewest(jobs: readonly Job[], folders: readonly RootedRun[]): (Job | RootedRun)[] {
  const merged: (Job | RootedRun)[] = []
  for (let [j, f] = [0, 0]; j < jobs.length || f < folders.length;) {
    const [job, folder] = [jobs[j], folders[f]]
    if (job === undefined || (folder !== undefined && folder.createdAt >= job.created_at)) {
      merged.push(folder!)
      f += 1
    } else {
      merged.push(job)
      j += 1
    }
  }
  return merged
}
