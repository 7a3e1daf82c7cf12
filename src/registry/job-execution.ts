/** One job from its first process to its end: news, deaths of processes, the adapter and what becomes of its alias. */
import { newId } from '../store/index.ts'
import { lastCheckpoint } from '../train/job-run.ts'
import type { JobMessage, JobRequest } from '../train/job.ts'
import type { TrainResult } from '../train/events.ts'
import type { Comparison } from '../train/job-comparison.ts'
import { startJobProcess, type JobChild, type JobOutcome } from './job-child.ts'
import { jobFolder, type JobFolder } from './job-folder.ts'
import { JobLog } from './job-log.ts'
import { JobNews } from './job-news.ts'
import { planOf, runRecipe, type JobPlan } from './job-recipe.ts'
import { adapterDirectoryOf, addResultFile, checkpointIdOf, finalMetrics, register } from './job-result.ts'
import type { RunnerParts } from './job-runner.ts'
import type { Job } from './job-states.ts'
import { decide, type Promotion } from './promotion.ts'

/** Why a job is told to stop: its client wants it to, or the server ends. */
export type StopReason = 'pause' | 'cancel' | 'close'

/** `paused` and `interrupted`: it can go on. */
export type ExecutionEnd = 'over' | 'paused' | 'interrupted'

type Death = Extract<JobOutcome, { readonly type: 'died' }>

/** How often in a row a process may die without a new checkpoint before the job fails. */
const mostDeaths = 3

/** Thrown where the job has failed for a reason that its client is told. */
class JobFailed extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Thrown where the job was told to stop and did. */
class JobStopped extends Error {}

export class JobExecution {
  /** Resolves when no process of it is left and all is written; never rejects. */
  readonly ended: Promise<ExecutionEnd>
  /** Its result is being registered: it can no longer be cancelled. */
  finishing = false
  readonly #parts: RunnerParts
  readonly #job: Job
  readonly #plan: JobPlan
  readonly #folder: JobFolder
  readonly #log: JobLog
  readonly #news: JobNews
  #child: JobChild | undefined
  #reason: StopReason | undefined
  /** It was told to keep what it has learnt so far, and survives that no process of it does. */
  #finishes: boolean
  /** Ends when the checkpoints so far are registered. */
  #checkpoints: Promise<void> = Promise.resolve()

  constructor(parts: RunnerParts, job: Job) {
    this.#parts = parts
    this.#job = job
    this.#finishes = job.finish_requested_at !== null
    this.#plan = planOf(job)
    this.#folder = jobFolder(parts.settings.directory, job.id)
    this.#log = new JobLog(parts.store, job.id, parts.onFault)
    this.#news = new JobNews(this.#log)
    this.ended = this.#carryOut()
  }

  stop(reason: StopReason): void {
    if (this.#reason === 'cancel') return
    this.#reason = reason
    if (reason === 'cancel') this.#child?.kill()
    else this.#child?.stop('pause')
  }

  /** Tells it to end at its next checkpoint with what it has learnt by then; a pause that was asked for is taken back. */
  finish(): void {
    this.#finishes = true
    if (this.#reason === 'pause') this.#reason = undefined
    if (this.#reason === undefined) this.#child?.stop('finish')
  }

  async #carryOut(): Promise<ExecutionEnd> {
    const { states, onFault } = this.#parts
    try {
      const result = await this.#train()
      await this.#finish(result)
      return 'over'
    } catch (error) {
      await this.#checkpoints.catch(onFault)
      await this.#log.flush().catch(onFault)
      if (error instanceof JobStopped) return this.#reason === 'pause' ? 'paused' : this.#reason === 'close' ? 'interrupted' : 'over'
      const [code, message] = error instanceof JobFailed ? [error.code, error.message] : ['server_error', 'The server failed at this job; its log says why']
      if (!(error instanceof JobFailed)) onFault(error)
      await states.end(this.#job, ['running', 'pausing'], { status: 'failed', error: { code, message, param: null } }).catch(onFault)
      return 'over'
    }
  }

  /** Trains to the end, over the deaths of processes. @throws JobStopped, JobFailed */
  async #train(): Promise<TrainResult> {
    const adapter = this.#adapterDirectory
    this.#checkBase()
    const recipe = await runRecipe(this.#plan, this.#folder, this.#parts.settings.modelRef)
    const start = lastCheckpoint(this.#folder.run)
    this.#log.message('info', start === 0 ? 'Fine-tuning job started' : `Fine-tuning job goes on from step ${start}`)
    for (let deaths = 0, reached = start; ;) {
      const outcome = await this.#run({ type: 'run', recipe, adapter, finish: this.#finishes })
      if (outcome.type === 'done' && outcome.result.finished) return outcome.result
      // It had stopped for a pause when it was told to finish.
      if (outcome.type === 'done' && this.#finishes && this.#reason === undefined) continue
      const death = this.#deathOf(outcome)
      const step = lastCheckpoint(this.#folder.run)
      deaths = step > reached ? 1 : deaths + 1
      reached = step
      this.#tellDeath(death, deaths, step)
    }
  }

  /** @throws JobFailed where the server has been started with another base since the job was asked for */
  #checkBase(): void {
    const [asked, served] = [this.#plan.recipe.model, this.#parts.adapters.base]
    if (asked === served) return
    throw new JobFailed('other_base', `It was to train ${asked}, and the server has been started with ${served} since: ask for the job again, or start the server with ${asked}`)
  }

  get #adapterDirectory(): string {
    return adapterDirectoryOf(this.#parts.settings.adapterRoot, this.#plan.adapterId)
  }

  async #run(request: JobRequest): Promise<JobOutcome> {
    if (this.#reason !== undefined) throw new JobStopped()
    const child = startJobProcess(request, (message) => { this.#hear(message) })
    this.#child = child
    this.#log.set({ pid: child.pid ?? null })
    await this.#log.flush()
    const outcome = await child.ended
    this.#child = undefined
    await this.#checkpoints
    return outcome
  }

  #hear(message: JobMessage): void {
    if (message.type === 'event') this.#news.tell(message.event)
    if (message.type === 'checkpoint') {
      this.#checkpoints = this.#checkpoints.then(() => this.#addCheckpoint(message.step, message.directory))
      this.#checkpoints.catch(() => {})
    }
  }

  async #addCheckpoint(step: number, directory: string): Promise<void> {
    const { store, adapters, inspect } = this.#parts
    const metrics = this.#news.metricsAt(step)
    const adapterId = checkpointIdOf(this.#plan.adapterId, step)
    await register(adapters, inspect, { id: adapterId, directory, source: 'checkpoint', jobId: this.#job.id, parentId: this.#plan.parentId, metrics })
    const row = { id: newId('ftckpt_'), job_id: this.#job.id, created_at: Date.now(), step, adapter_id: adapterId, metrics_json: JSON.stringify(metrics) }
    await store.write(store.db.insertInto('job_checkpoints').values(row).onConflict((conflict) => conflict.columns(['job_id', 'step']).doNothing()))
    this.#log.message('info', `Checkpoint created at step ${step}: ${adapterId}`)
  }

  /** The death of a process that has not done what it was asked. @throws JobStopped where it was told to stop; JobFailed where it said why */
  #deathOf(outcome: JobOutcome): Death {
    if (outcome.type === 'done' || this.#reason !== undefined) throw new JobStopped()
    if (outcome.type === 'failed') throw this.#failure(outcome)
    if (outcome.type !== 'died') throw new Error(`a job's process answered ${outcome.type}`)
    return outcome
  }

  #failure({ failure: { message, user, stack } }: Extract<JobOutcome, { type: 'failed' }>): JobFailed {
    if (!user) this.#parts.onFault(new Error(`job ${this.#job.id}: ${stack ?? message}`))
    // Where things lie on this machine is no client's business.
    return user ? new JobFailed('training_failed', message.replaceAll(`${this.#folder.path}/`, '')) : new JobFailed('server_error', `The job failed: ${message}`)
  }

  /** @throws JobFailed when it was once too often */
  #tellDeath({ code, signal, output }: Death, deaths: number, step: number): void {
    const how = signal !== null ? `was ended by ${signal}${signal === 'SIGKILL' ? ' (by someone, or by the system for want of memory)' : ''}` : `ended with code ${code}`
    const reason = `The job's process ${how}`
    if (output !== '') this.#parts.onFault(new Error(`job ${this.#job.id}: ${reason}: ${output}`))
    if (deaths > mostDeaths) throw new JobFailed('process_died', `${reason}, ${deaths} times in a row without getting further than step ${step}`)
    this.#log.message('warn', `${reason}; it goes on from ${step === 0 ? 'the beginning' : `the checkpoint of step ${step}`}`)
  }

  async #finish(result: TrainResult): Promise<void> {
    const { adapters, files, inspect, onAdapter, onFault, states } = this.#parts
    const { adapterId, parentId } = this.#plan
    const compared = await this.#compareWithAlias()
    this.finishing = true
    await register(adapters, inspect, {
      id: adapterId, directory: this.#adapterDirectory, source: 'job', jobId: this.#job.id, parentId, metrics: finalMetrics(this.#folder.run),
    })
    this.#log.message('info', `New fine-tuned model created: ${adapterId}`)
    if (compared !== undefined) await this.#promote(compared)
    await addResultFile(files, this.#job, this.#folder.run)
    await onAdapter?.(this.#job, adapterId).catch(onFault)
    await this.#log.flush()
    await states.end(this.#job, ['running', 'pausing'], {
      status: 'succeeded', message: 'The job has successfully completed', changes: { fine_tuned_model: adapterId, trained_tokens: result.tokens },
    })
  }

  /** Measures the adapter against the one that the job's alias points to, and decides. What was decided before is kept. */
  async #compareWithAlias(): Promise<Promotion | undefined> {
    const { alias, adapterId } = this.#plan
    if (alias === undefined) return undefined
    const { adapters, states } = this.#parts
    const known = (await states.get(this.#job.id))?.promotion_json
    const before = known == null ? undefined : JSON.parse(known) as Promotion
    const incumbent = adapters.aliases.get(alias)?.adapterId ?? null
    if (before !== undefined && (before.incumbent === incumbent || incumbent === adapterId)) return before
    this.#log.message('info', `Comparing with what the alias ${alias} points to: ${incumbent ?? 'the base'}`)
    const comparison = await this.#compare(incumbent === null ? null : adapters.get(incumbent)?.directory ?? null)
    const promotion: Promotion = { alias, incumbent, ...decide(comparison), comparison: comparison ?? null }
    this.#log.set({ promotion_json: JSON.stringify(promotion) })
    await this.#log.flush()
    return promotion
  }

  async #compare(incumbent: string | null): Promise<Comparison | undefined> {
    for (let deaths = 1; ; deaths++) {
      const outcome = await this.#run({ type: 'compare', run: this.#folder.run, candidate: this.#adapterDirectory, incumbent })
      if (outcome.type === 'compared') return outcome.comparison
      this.#tellDeath(this.#deathOf(outcome), deaths, lastCheckpoint(this.#folder.run))
    }
  }

  /** Moves the alias where that was decided, and tells what became of it. */
  async #promote(promotion: Promotion): Promise<void> {
    const { alias, incumbent, promote, reason } = promotion
    const { aliases } = this.#parts.adapters
    const now = aliases.get(alias)?.adapterId ?? null
    const tell = (moved: boolean, text: string): void => {
      this.#log.message(moved ? 'info' : 'warn', text, promotion)
      this.#log.set({ promotion_json: JSON.stringify({ ...promotion, promote: moved, reason: moved ? reason : text }) })
    }
    if (!promote) tell(false, `The alias ${alias} stays with ${now ?? 'the base'}: ${reason}`)
    else if (now !== incumbent && now !== this.#plan.adapterId) tell(false, `The alias ${alias} was moved to ${now ?? 'the base'} meanwhile and stays there`)
    else {
      if (now !== this.#plan.adapterId) await aliases.move(alias, this.#plan.adapterId, `job ${this.#job.id}: ${reason}`)
      tell(true, `The alias ${alias} now points to ${this.#plan.adapterId}: ${reason}`)
    }
  }
}
