import type { JobStatus, Row, Store } from '../store/index.ts'
import { removeJobData, jobFolder } from './job-folder.ts'
import { eventQuery, type JobChanges } from './job-log.ts'
import type { Webhooks } from './webhooks.ts'

export type Job = Row<'jobs'>

/** What a client is told of a job that failed. */
export interface JobError {
  readonly code: string
  readonly message: string
  readonly param: string | null
}

/** How a job ends. */
export type Ending =
  | { readonly status: 'succeeded'; readonly message: string; readonly changes: JobChanges }
  | { readonly status: 'cancelled'; readonly message: string }
  | { readonly status: 'failed'; readonly error: JobError }

/** Statuses of jobs that are not over. */
export const openStatuses = ['validating_files', 'queued', 'running', 'pausing', 'paused'] as const satisfies readonly JobStatus[]

/** The life of a job: each step is taken once, whoever else takes one at the same moment. */
export class JobStates {
  readonly #store: Store
  readonly #directory: string
  readonly #webhooks: Webhooks

  /** @param directory the server's, in which the jobs' folders are */
  constructor(store: Store, directory: string, webhooks: Webhooks) {
    this.#store = store
    this.#directory = directory
    this.#webhooks = webhooks
  }

  async get(id: string): Promise<Job | undefined> {
    return this.#store.db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
  }

  /** Changes a job that is in one of the statuses `from`. @returns whether it was */
  async move(id: string, from: readonly JobStatus[], changes: JobChanges): Promise<boolean> {
    const [moved] = await this.#store.write(this.#store.db.updateTable('jobs').set(changes).where('id', '=', id).where('status', 'in', from))
    return moved === 1
  }

  async tell(id: string, level: Row<'job_events'>['level'], message: string, data?: object): Promise<void> {
    await this.#store.write(eventQuery(this.#store, id, level, message, data))
  }

  /** Ends a job that is in one of the statuses `from`, tells its webhooks, and removes its rows. @returns whether it was */
  async end(job: Job, from: readonly JobStatus[], ending: Ending): Promise<boolean> {
    const failed = ending.status === 'failed'
    const [level, message] = failed ? ['error' as const, ending.error.message] : ['info' as const, ending.message]
    const told = [eventQuery(this.#store, job.id, level, message), ...this.#webhooks.owe(`fine_tuning.job.${ending.status}`, job)]
    const ended = await this.#store.db.transaction().execute(async (transaction) => {
      const { numUpdatedRows } = await transaction.updateTable('jobs').where('id', '=', job.id).where('status', 'in', from).set({
        status: ending.status, finished_at: Date.now(), pid: null, estimated_finish: null,
        ...(ending.status === 'succeeded' && ending.changes),
        ...(failed && { error_json: JSON.stringify(ending.error) }),
      }).executeTakeFirstOrThrow()
      if (numUpdatedRows === 0n) return false
      for (const query of told) await transaction.executeQuery(query.compile())
      return true
    })
    if (!ended) return false
    this.#webhooks.wake()
    await removeJobData(jobFolder(this.#directory, job.id), job.training_file.startsWith('dataset:'))
    return true
  }
}
