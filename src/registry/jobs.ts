/** Fine-tuning jobs: made of a request, carried out by the runner, asked about until they are over and after. */
import type { DataKindName } from '../data/kinds.ts'
import type { AdapterFacts } from '../generate/live-model.ts'
import { newId, type JobStatus, type Row, type Store } from '../store/index.ts'
import type { RecipeInput } from '../train/recipe.ts'
import type { Adapter, AdapterRegistry } from './adapters.ts'
import { ConflictError, NotFoundError } from './errors.ts'
import type { Files } from './files.ts'
import { fileSource, jobFolder, writeJobData, type RowSource } from './job-folder.ts'
import { eventQuery } from './job-log.ts'
import { JobRunner, type OnAdapter, type RunnerSettings } from './job-runner.ts'
import { JobStates, openStatuses, type Job } from './job-states.ts'
import { Webhooks, type WebhookOptions } from './webhooks.ts'

export type JobEvent = Row<'job_events'>
export type JobCheckpoint = Row<'job_checkpoints'>

/** Rows to learn from: a file's, or one split of a version of a dataset. */
export interface JobRows {
  /** File id, or `dataset:NAME@VERSION`. */
  readonly reference: string
  readonly source: RowSource
}

/** A version of a dataset, as jobs use it. */
export interface JobDataset {
  readonly kind: DataKindName
  readonly train: JobRows
  /** undefined: no row was held out. */
  readonly eval: JobRows | undefined
}

/** Finds `NAME` or `NAME@VERSION`; undefined where there is none. */
export type FindDataset = (name: string) => Promise<JobDataset | undefined>

/** A job to be made; everything in it was checked. */
export interface NewJob {
  /** The body as it was sent. */
  readonly request: object
  /** The model or adapter that it starts from, as the client named it. */
  readonly model: string
  /** With names in the place of paths: job-recipe.ts. */
  readonly recipe: RecipeInput
  /** The adapter to begin with. */
  readonly parent: Adapter | undefined
  readonly training: JobRows
  readonly validation: JobRows | undefined
  readonly metadata: Readonly<Record<string, string>>
  /** What of the request was not followed. */
  readonly warnings: readonly string[]
}

export interface JobsOptions {
  readonly store: Store
  readonly adapters: AdapterRegistry
  /** `LiveModel.inspect` */
  readonly inspect: (directory: string) => Promise<AdapterFacts>
  readonly files: Files
  readonly onAdapter?: OnAdapter | undefined
  readonly settings: RunnerSettings
  readonly findDataset?: FindDataset | undefined
  readonly webhooks?: WebhookOptions | undefined
  /** Hears of faults of ours. */
  readonly onFault?: ((error: unknown) => void) | undefined
}

/** A page of a list, the newest first. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly hasMore: boolean
}

export interface PageRequest {
  /** Id of the last item of the page before. */
  readonly after?: string | undefined
  readonly limit: number
}

export class Jobs implements AsyncDisposable {
  readonly files: Files
  readonly findDataset: FindDataset
  readonly settings: RunnerSettings
  /** Places that webhooks may be at besides the public internet. */
  readonly webhookAllow: readonly string[]
  readonly #store: Store
  readonly #states: JobStates
  readonly #runner: JobRunner
  readonly #webhooks: Webhooks

  /** Goes on with jobs of the store that are not over. */
  constructor({ store, adapters, inspect, files, onAdapter, settings, findDataset, webhooks = {}, onFault = () => {} }: JobsOptions) {
    this.files = files
    this.findDataset = findDataset ?? (async () => undefined)
    this.settings = settings
    this.webhookAllow = webhooks.allow ?? []
    this.#store = store
    this.#webhooks = new Webhooks(store, { onFault, ...webhooks })
    this.#states = new JobStates(store, settings.directory, this.#webhooks)
    this.#runner = new JobRunner({ store, states: this.#states, adapters, files, inspect, onAdapter, settings, onFault })
    this.#webhooks.wake()
    this.#runner.recover().catch(onFault)
  }

  /** Makes a job and has its files checked; when the promise resolves it survives a kill -9. */
  async create({ request, model, recipe, parent, training, validation, metadata, warnings }: NewJob): Promise<Job> {
    const id = newId('ftjob-')
    await writeJobData(jobFolder(this.settings.directory, id), { train: training.source, eval: validation?.source, parent: parent?.directory })
    const job: Job = {
      id, created_at: Date.now(), started_at: null, finished_at: null, status: 'validating_files', model,
      request_json: JSON.stringify(request), recipe_json: JSON.stringify(recipe),
      training_file: training.reference, validation_file: validation?.reference ?? null,
      fine_tuned_model: null, trained_tokens: null, estimated_finish: null, error_json: null, promotion_json: null,
      metadata_json: JSON.stringify(metadata), pid: null, finish_requested_at: null,
    }
    await this.#store.write(
      this.#store.db.insertInto('jobs').values(job),
      eventQuery(this.#store, id, 'info', `Created fine-tuning job: ${id}`),
      eventQuery(this.#store, id, 'info', `Validating training file: ${training.reference}`),
      ...warnings.map((text) => eventQuery(this.#store, id, 'warn', text)),
    )
    this.#runner.check(job)
    return job
  }

  async get(id: string): Promise<Job | undefined> {
    return this.#states.get(id)
  }

  /** @param metadata only jobs that have all of it @throws NotFoundError where there is no job `after` */
  async list({ after, limit, metadata = {} }: PageRequest & { readonly metadata?: Readonly<Record<string, string>> }): Promise<Page<Job>> {
    // Ids sort by the time of their making.
    if (after !== undefined) await this.#require(after)
    const wanted = Object.entries(metadata)
    const query = this.#store.db.selectFrom('jobs').selectAll().orderBy('id', 'desc').$if(after !== undefined, (jobs) => jobs.where('id', '<', after!))
    if (wanted.length === 0) return page(await query.limit(limit + 1).execute(), limit)
    const fits = ({ metadata_json }: Job): boolean => {
      const own = JSON.parse(metadata_json) as Record<string, string>
      return wanted.every(([key, value]) => Object.hasOwn(own, key) && own[key] === value)
    }
    return page((await query.execute()).filter(fits), limit)
  }

  /** @throws NotFoundError */
  async events(id: string, { after, limit }: PageRequest): Promise<Page<JobEvent>> {
    await this.#require(id)
    const events = this.#store.db.selectFrom('job_events').selectAll().where('job_id', '=', id)
    const last = after === undefined ? undefined : await events.where('id', '=', after).executeTakeFirst()
    if (after !== undefined && last === undefined) throw new NotFoundError(`There is no event ${after} of job ${id} to list after`)
    const query = events.orderBy('sequence', 'desc').$if(last !== undefined, (before) => before.where('sequence', '<', last!.sequence))
    return page(await query.limit(limit + 1).execute(), limit)
  }

  /** @throws NotFoundError */
  async checkpoints(id: string, { after, limit }: PageRequest): Promise<Page<JobCheckpoint>> {
    await this.#require(id)
    const checkpoints = this.#store.db.selectFrom('job_checkpoints').selectAll().where('job_id', '=', id)
    const last = after === undefined ? undefined : await checkpoints.where('id', '=', after).executeTakeFirst()
    if (after !== undefined && last === undefined) throw new NotFoundError(`There is no checkpoint ${after} of job ${id} to list after`)
    const query = checkpoints.orderBy('step', 'desc').$if(last !== undefined, (before) => before.where('step', '<', last!.step))
    return page(await query.limit(limit + 1).execute(), limit)
  }

  /** Ends a job at once; adapters of its checkpoints stay. @throws NotFoundError; ConflictError where it is over */
  async cancel(id: string): Promise<Job> {
    const job = await this.#require(id)
    await this.#runner.cancel(id)
    const cancelled = await this.#states.end(job, openStatuses, { status: 'cancelled', message: 'The job was cancelled' })
    const now = await this.#require(id)
    if (!cancelled) throw over(now)
    // It may have been started meanwhile.
    await this.#runner.cancel(id)
    return now
  }

  /** Stops a job at its next checkpoint, or keeps it from starting. @throws NotFoundError; ConflictError where it cannot be paused */
  async pause(id: string): Promise<Job> {
    const { finish_requested_at: finishing, finished_at } = await this.#require(id)
    if (finishing !== null && finished_at === null) throw new ConflictError(`job ${id} is about to finish: it cannot be paused any more`)
    if (await this.#states.move(id, ['running'], { status: 'pausing' })) {
      this.#runner.pause(id)
      await this.#states.tell(id, 'info', 'The job will pause at its next checkpoint')
    } else if (await this.#states.move(id, ['queued'], { status: 'paused' })) await this.#states.tell(id, 'info', 'The job is paused')
    else await this.#refuseUnless(id, ['pausing', 'paused'], 'paused')
    return this.#require(id)
  }

  /** Goes on with a paused job, exactly where it stopped. @throws NotFoundError; ConflictError where it is not paused */
  async resume(id: string): Promise<Job> {
    await this.#require(id)
    if (await this.#states.move(id, ['paused'], { status: 'queued' })) {
      await this.#states.tell(id, 'info', 'The job is resumed')
      this.#runner.wake()
    } else await this.#refuseUnless(id, ['queued', 'running'], 'resumed')
    return this.#require(id)
  }

  /**
   * Ends a job at its next checkpoint, or at the one at which it is paused, with what it has learnt by then: it succeeds as it would
   * have after its last step. @throws NotFoundError; ConflictError where it is over, or has not begun
   */
  async finish(id: string): Promise<Job> {
    const job = await this.#require(id)
    if (job.finished_at !== null) throw over(job)
    if (job.finish_requested_at !== null) return job
    if (job.started_at === null) throw new ConflictError(`job ${id} is ${job.status} and has learnt nothing yet: cancel it, or wait until it runs`)
    const mark = { finish_requested_at: Date.now() }
    if (await this.#states.move(id, ['running', 'pausing'], { status: 'running', ...mark })) this.#runner.finish(id)
    else if (await this.#states.move(id, ['paused', 'queued'], { status: 'queued', ...mark })) this.#runner.wake()
    // It was started, paused or ended between the two.
    else return this.finish(id)
    await this.#states.tell(id, 'info', 'The job will finish at its next checkpoint, with what it has learnt by then')
    return this.#require(id)
  }

  /** Rows of an uploaded file, for `create`. */
  rowsOf(file: Row<'files'>): JobRows {
    return { reference: file.id, source: fileSource(this.files.pathOf(file), file.filename) }
  }

  /** Stops what runs at a checkpoint, to go on when the store is opened again. */
  async close(): Promise<void> {
    await this.#runner.close()
    await this.#webhooks.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #require(id: string): Promise<Job> {
    const job = await this.#states.get(id)
    if (job === undefined) throw new NotFoundError(`There is no fine-tuning job ${id}`)
    return job
  }

  async #refuseUnless(id: string, fine: readonly JobStatus[], what: string): Promise<void> {
    const job = await this.#require(id)
    if (fine.includes(job.status)) return
    if (job.finished_at !== null) throw over(job)
    throw new ConflictError(`job ${id} is ${job.status}: it cannot be ${what} now`)
  }
}

function over({ id, status }: Job): ConflictError {
  return new ConflictError(`job ${id} has already ${status === 'cancelled' ? 'been cancelled' : status}`)
}

function page<Item>(items: readonly Item[], limit: number): Page<Item> {
  return { items: items.slice(0, limit), hasMore: items.length > limit }
}
