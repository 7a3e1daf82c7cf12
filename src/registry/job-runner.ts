/** The queue: jobs run in processes of their own, as many at once as the server allows, the oldest first. */
import type { AdapterFacts } from '../generate/live-model.ts'
import type { Store } from '../store/index.ts'
import type { JobFailure } from '../train/job.ts'
import type { AdapterRegistry } from './adapters.ts'
import { JobExecution, type ExecutionEnd } from './job-execution.ts'
import { startJobProcess, type JobChild } from './job-child.ts'
import type { Files } from './files.ts'
import { jobFolder, readJobData } from './job-folder.ts'
import type { Job, JobStates } from './job-states.ts'
import { kindOfJob } from './job-recipe.ts'

export interface RunnerParts {
  readonly store: Store
  readonly states: JobStates
  readonly adapters: AdapterRegistry
  readonly files: Files
  /** `LiveModel.inspect` */
  readonly inspect: (directory: string) => Promise<AdapterFacts>
  readonly onAdapter?: OnAdapter | undefined
  readonly settings: RunnerSettings
  readonly onFault: (error: unknown) => void
}

/** Hears of the adapter of a job that is about to succeed; after the death of the server it may hear of it again. */
export type OnAdapter = (job: Job, adapterId: string) => Promise<void>

export interface RunnerSettings {
  /** The server's folder. */
  readonly directory: string
  /** What the base is loaded from. */
  readonly modelRef: string
  /** Folder of the jobs' adapters. */
  readonly adapterRoot: string
  /** Jobs that run at the same time; 1 unless given. */
  readonly atOnce?: number | undefined
  /** The fewest rows of a training file; 10 unless given, as OpenAI has it. */
  readonly minimumRows?: number | undefined
}

export class JobRunner {
  readonly #parts: RunnerParts
  readonly #running = new Map<string, JobExecution>()
  readonly #checks = new Set<JobChild>()
  /** Files are checked one job after the other. */
  #checkTurn: Promise<void> = Promise.resolve()
  #fillTurn: Promise<void> = Promise.resolve()
  #closing = false

  constructor(parts: RunnerParts) {
    this.#parts = parts
  }

  /** Goes on with what a server before this one left: it ended, or was killed. */
  async recover(): Promise<void> {
    const { store, states } = this.#parts
    const jobs = await store.db.selectFrom('jobs').selectAll().where('status', 'in', ['validating_files', 'running', 'pausing']).orderBy('id').execute()
    for (const job of jobs) {
      if (job.status === 'validating_files') {
        this.check(job)
        continue
      }
      await orphanEnded(job.pid)
      // It may have been told to pause meanwhile.
      await states.move(job.id, ['running'], { status: 'queued', pid: null })
      await states.move(job.id, ['pausing'], { status: job.finish_requested_at === null ? 'paused' : 'queued', pid: null })
      await states.tell(job.id, 'warn', 'The server ended while the job ran; it goes on from its last checkpoint')
    }
    this.wake()
  }

  /** Checks a job's files, then puts it in the queue. */
  check(job: Job): void {
    this.#checkTurn = this.#checkTurn.then(() => this.#check(job)).catch(this.#parts.onFault)
  }

  /** Starts what can be started. */
  wake(): void {
    this.#fillTurn = this.#fillTurn.then(() => this.#fill()).catch(this.#parts.onFault)
  }

  /** Tells a running job to stop at a checkpoint. */
  pause(id: string): void {
    this.#running.get(id)?.stop('pause')
  }

  /** Tells a running job to end at a checkpoint and keep what it has learnt. */
  finish(id: string): void {
    this.#running.get(id)?.finish()
  }

  /** Ends a job's process, unless its result is being registered: then waits for that. */
  async cancel(id: string): Promise<void> {
    const execution = this.#running.get(id)
    if (execution?.finishing === true) await execution.ended
    else execution?.stop('cancel')
  }

  /** Stops what runs at a checkpoint; it goes on when the next server starts. */
  async close(): Promise<void> {
    this.#closing = true
    for (const child of this.#checks) child.kill()
    for (const execution of this.#running.values()) execution.stop('close')
    await Promise.all([this.#checkTurn, this.#fillTurn, ...[...this.#running.values()].map(({ ended }) => ended)])
  }

  async #check(job: Job): Promise<void> {
    if (this.#closing) return
    const { states, settings } = this.#parts
    const { train, eval: heldOut } = await readJobData(jobFolder(settings.directory, job.id))
    const files = [
      { path: train, name: job.training_file, param: 'training_file' as const },
      ...(heldOut === undefined ? [] : [{ path: heldOut, name: job.validation_file ?? `${job.training_file} (eval)`, param: 'validation_file' as const }]),
    ]
    const child = startJobProcess({ type: 'check', files, kind: kindOfJob(job), minimumRows: settings.minimumRows ?? 10 })
    this.#checks.add(child)
    const outcome = await child.ended
    this.#checks.delete(child)
    // Whoever starts next begins with the check.
    if (this.#closing) return
    if (outcome.type === 'checked') {
      if (!await states.move(job.id, ['validating_files'], { status: 'queued' })) return
      await states.tell(job.id, 'info', `Files validated (${outcome.rows.join(' and ')} rows), the job is in the queue`)
      this.wake()
      return
    }
    const failure: JobFailure = outcome.type === 'failed' ? outcome.failure : { message: 'The files could not be checked: the process that read them ended', user: false }
    if (!failure.user) this.#parts.onFault(new Error(`job ${job.id}: ${failure.stack ?? failure.message}`))
    const param = failure.param ?? 'training_file'
    await states.end(job, ['validating_files'], { status: 'failed', error: { code: `invalid_${param}`, message: failure.message, param } })
  }

  async #fill(): Promise<void> {
    const { store, states, settings, onFault } = this.#parts
    while (!this.#closing && this.#running.size < (settings.atOnce ?? 1)) {
      const job = await store.db.selectFrom('jobs').selectAll().where('status', '=', 'queued').orderBy('id').executeTakeFirst()
      if (job === undefined) return
      const now = Date.now()
      if (!await states.move(job.id, ['queued'], { status: 'running', started_at: job.started_at ?? now })) continue
      const execution = new JobExecution(this.#parts, { ...job, status: 'running' })
      this.#running.set(job.id, execution)
      void this.#over(job, execution).catch(onFault)
      // It may have been told to stop between the lines above.
      const latest = await states.get(job.id)
      if (latest?.status === 'pausing') execution.stop('pause')
      if (latest?.status === 'cancelled') execution.stop('cancel')
      if (latest?.finish_requested_at != null) execution.finish()
    }
  }

  async #over(job: Job, execution: JobExecution): Promise<void> {
    const { states } = this.#parts
    const end: ExecutionEnd = await execution.ended
    this.#running.delete(job.id)
    const rest = { pid: null, estimated_finish: null }
    if (end === 'paused') {
      // Of both that it was told, to finish is what counts.
      const finishes = (await states.get(job.id))?.finish_requested_at != null
      const stopped = await states.move(job.id, ['running', 'pausing'], { status: finishes ? 'queued' : 'paused', ...rest })
      if (stopped && !finishes) await states.tell(job.id, 'info', 'The job is paused at a checkpoint')
    }
    if (end === 'interrupted') await states.move(job.id, ['running'], { status: 'queued', ...rest })
    this.wake()
  }
}

/** How long a process of a server that was killed gets to save its checkpoint, milliseconds. */
const orphanPatience = 60_000

/** Waits until a process is gone: it stops by itself once its server has. */
async function orphanEnded(pid: number | null): Promise<void> {
  const deadline = Date.now() + orphanPatience
  while (pid !== null && isAlive(pid) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
