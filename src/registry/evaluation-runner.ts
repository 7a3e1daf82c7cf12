/** The queue of evaluations: one at a time, each in a process of its own, the oldest first. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DataKindName } from '../data/kinds.ts'
import { messageOf, UserError } from '../errors.ts'
import type { AnswerGrade, EvaluationRequest, EvaluationResult, ItemGrades, MeasuredItem, SuiteFile, SuiteSampling } from '../evaluate/evaluation.ts'
import { rewardOf } from '../evaluate/evaluation-summary.ts'
import type { Precision } from '../models/graph/parts.ts'
import type { Row, Store } from '../store/index.ts'
import type { AdapterRegistry } from './adapters.ts'
import { startEvaluationProcess, type EvaluationChild, type EvaluationNews, type EvaluationOutcome } from './evaluation-child.ts'
import { fileSource } from './job-folder.ts'
import type { Files } from './files.ts'

export type Evaluation = Row<'evaluations'>
export type Suite = Row<'suites'>

/** Writes the held-out rows of a version of a dataset as JSONL. @returns their positions @throws NotFoundError where there are none */
export type WriteHeldOut = (datasetId: string, path: string) => Promise<number[]>

export interface EvaluationSettings {
  /** The server's folder. */
  readonly directory: string
  /** What the base is loaded from. */
  readonly modelRef: string
  /** Of the base, the server's. */
  readonly precision: Precision
  readonly threads?: number | undefined
}

export interface EvaluationParts {
  readonly store: Store
  readonly adapters: AdapterRegistry
  readonly files: Files
  readonly writeHeldOut: WriteHeldOut
  readonly settings: EvaluationSettings
  readonly onFault: (error: unknown) => void
}

/** How often the process of an evaluation may die before it fails. */
const mostDeaths = 3

/** What runs. `again`: it is to be put back in the queue when its process has ended. */
interface Running {
  readonly evaluation: Evaluation
  readonly suite: Suite
  child?: EvaluationChild
  again: boolean
  stopped: boolean
  readonly ended: Promise<void>
}

export class EvaluationRunner {
  readonly #parts: EvaluationParts
  #running: Running | undefined
  #turn: Promise<void> = Promise.resolve()
  #closing = false

  constructor(parts: EvaluationParts) {
    this.#parts = parts
  }

  /** Goes on with what a server before this one left; what is asked for meanwhile waits. */
  recover(): void {
    this.#turn = this.#turn.then(() => this.#recover()).catch(this.#parts.onFault)
    this.wake()
  }

  /** Starts what can be started. */
  wake(): void {
    this.#turn = this.#turn.then(() => this.#next()).catch(this.#parts.onFault)
  }

  /** Ends the process of an evaluation. Resolves when nothing of it is written any more. */
  async stop(id: string): Promise<void> {
    if (this.#running?.evaluation.id === id) await this.#end(this.#running)
  }

  /** Begins an evaluation again that has read rows of one of these datasets before they were deleted. */
  async restart(datasetIds: readonly string[]): Promise<void> {
    const running = this.#running
    if (running === undefined || !datasetIds.includes(running.suite.dataset_id ?? '')) return
    running.again = true
    await this.#end(running)
  }

  /** Ends what runs; the next server goes on with it. */
  async close(): Promise<void> {
    this.#closing = true
    // What is being started has been.
    await this.#turn
    if (this.#running !== undefined) await this.#end(this.#running)
  }

  async #recover(): Promise<void> {
    const { store, settings } = this.#parts
    await rm(join(settings.directory, 'evaluations'), { recursive: true, force: true })
    await store.write(store.db.updateTable('evaluations').set({ status: 'queued' }).where('status', '=', 'running'))
  }

  async #end(running: Running): Promise<void> {
    running.stopped = true
    running.child?.kill()
    await running.ended
  }

  async #next(): Promise<void> {
    if (this.#closing || this.#running !== undefined) return
    const { store, onFault } = this.#parts
    const { db } = store
    const evaluation = await db.selectFrom('evaluations').selectAll()
      .where('status', '=', 'queued').where('suite_id', 'in', db.selectFrom('suites').select('id')).orderBy('id').executeTakeFirst()
    if (evaluation === undefined) return
    const suite = await db.selectFrom('suites').selectAll().where('id', '=', evaluation.suite_id).executeTakeFirst()
    if (suite === undefined) {
      // It has just been removed, with its evaluation.
      this.wake()
      return
    }
    const { promise: ended, resolve } = Promise.withResolvers<undefined>()
    const running: Running = { evaluation, suite, again: false, stopped: false, ended }
    this.#running = running
    void this.#carryOut(running).catch(onFault).finally(() => {
      this.#running = undefined
      resolve(undefined)
      this.wake()
    })
  }

  async #carryOut(running: Running): Promise<void> {
    const { evaluation: { id, precision: before } } = running
    const { precision } = this.#parts.settings
    if (!await this.#move(id, 'queued', { status: 'running', precision })) return
    // Answers over another precision of the base are no beginning of these.
    if (before !== precision) await this.#forgetItems(id)
    const folder = join(this.#parts.settings.directory, 'evaluations', id)
    try {
      const outcome = await this.#measure(running, folder)
      if (running.again) await this.#requeue(id)
      else if (!running.stopped) await this.#finish(id, outcome)
    } catch (error) {
      if (running.again) await this.#requeue(id)
      else await this.#fail(id, error)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** @throws UserError where it cannot be begun */
  async #measure(running: Running, folder: string): Promise<EvaluationOutcome> {
    const request = await this.#requestOf(running, folder)
    for (let deaths = 1; ; deaths++) {
      const outcome = await this.#run(running, { ...request, measured: await this.#measuredOf(running.evaluation.id) })
      if (outcome.type !== 'died' || running.stopped || deaths === mostDeaths) return outcome
    }
  }

  async #run(running: Running, request: EvaluationRequest): Promise<EvaluationOutcome> {
    if (running.stopped) return { type: 'died', code: null, signal: null, output: '' }
    let written: Promise<void> = Promise.resolve()
    const hear = (news: EvaluationNews): void => {
      written = written.then(async () => { if (!running.stopped) await this.#write(running, news) })
      written.catch(() => {})
    }
    running.child = startEvaluationProcess(request, hear)
    const outcome = await running.child.ended
    await written
    return outcome
  }

  /** What a process before this one has measured. */
  async #measuredOf(id: string): Promise<ItemGrades[]> {
    const items = await this.#parts.store.db.selectFrom('evaluation_items').select(['position', 'grades_json'])
      .where('evaluation_id', '=', id).orderBy('position').execute()
    return items.map(({ position, grades_json: grades }) => ({ position, grades: JSON.parse(grades) as AnswerGrade[] }))
  }

  async #requestOf({ evaluation, suite }: Running, folder: string): Promise<Omit<EvaluationRequest, 'measured'>> {
    const { adapters, settings: { modelRef, precision, threads } } = this.#parts
    if (evaluation.base !== null && evaluation.base !== adapters.base) {
      throw new UserError(`It was to be measured over ${evaluation.base}, and the server has been started with ${adapters.base} since`)
    }
    const adapter = evaluation.adapter_id === null ? null : adapters.get(evaluation.adapter_id)
    if (adapter === undefined || (adapter?.facts.sha256 ?? '') !== evaluation.adapter_sha256) {
      throw new UserError(`The adapter ${evaluation.adapter_id} was removed or replaced before it was measured`)
    }
    return {
      model: modelRef, adapter: adapter?.directory ?? null, precision, threads,
      rows: await this.#rowsOf(suite, folder),
      grader: JSON.parse(suite.grader_json),
      sampling: JSON.parse(suite.sampling_json) as SuiteSampling,
      limit: suite.row_limit,
    }
  }

  async #rowsOf({ rows: name, dataset_id: datasetId, kind }: Suite, folder: string): Promise<SuiteFile> {
    const { files, writeHeldOut } = this.#parts
    await mkdir(folder, { recursive: true })
    const known = kind === null ? {} : { kind: kind as DataKindName }
    if (datasetId !== null) {
      const path = join(folder, 'rows.jsonl')
      return { path, name, positions: await writeHeldOut(datasetId, path), ...known }
    }
    const file = await files.get(name)
    if (file === undefined) throw new UserError(`The file ${name} was deleted before it was measured on`)
    const source = fileSource(files.pathOf(file), file.filename)
    const path = join(folder, `rows${source.extension}`)
    await source.write(path)
    return { path, name, ...known }
  }

  async #write({ evaluation: { id }, suite }: Running, news: EvaluationNews): Promise<void> {
    const { store } = this.#parts
    const { db } = store
    if (news.type === 'planned') {
      if (news.kept === 0) await this.#forgetItems(id)
      await store.write(
        db.updateTable('evaluations').set({ total: news.total, done: news.kept }).where('id', '=', id),
        db.updateTable('suites').set({ kind: news.kind }).where('id', '=', suite.id).where('kind', 'is', null),
      )
      return
    }
    await store.write(
      db.insertInto('evaluation_items').values(news.items.map((item) => itemRow(id, suite.dataset_id, item))),
      db.updateTable('evaluations').set(({ eb }) => ({ done: eb('done', '+', news.items.length) })).where('id', '=', id),
    )
  }

  async #finish(id: string, outcome: EvaluationOutcome): Promise<void> {
    const { onFault } = this.#parts
    if (outcome.type === 'done') {
      await this.#succeed(id, outcome.result)
      return
    }
    if (outcome.type === 'failed') {
      if (outcome.stack !== undefined) onFault(new Error(`evaluation ${id}: ${outcome.stack}`))
      await this.#fail(id, new UserError(outcome.message))
      return
    }
    const { signal, code, output } = outcome
    if (output !== '') onFault(new Error(`evaluation ${id}: ${output}`))
    const why = signal === 'SIGKILL' ? ' (by someone, or by the system for want of memory)' : ''
    await this.#fail(id, new UserError(`The process that measured ended with ${signal ?? `code ${code}`}${why}, ${mostDeaths} times in a row`))
  }

  async #succeed(id: string, result: EvaluationResult): Promise<void> {
    await this.#move(id, 'running', { status: 'succeeded', finished_at: Date.now(), result_json: JSON.stringify(result) })
  }

  async #fail(id: string, error: unknown): Promise<void> {
    const isOurs = !(error instanceof UserError)
    if (isOurs) this.#parts.onFault(error)
    const told = isOurs ? 'The server failed at this evaluation; its log says why' : messageOf(error)
    await this.#forgetItems(id)
    await this.#move(id, 'running', { status: 'failed', finished_at: Date.now(), error: told })
  }

  async #requeue(id: string): Promise<void> {
    await this.#forgetItems(id)
    await this.#move(id, 'running', { status: 'queued' })
  }

  async #forgetItems(id: string): Promise<void> {
    const { store } = this.#parts
    await store.write(
      store.db.deleteFrom('evaluation_items').where('evaluation_id', '=', id),
      store.db.updateTable('evaluations').set({ done: 0 }).where('id', '=', id),
    )
  }

  /** @returns whether the evaluation was in the status `from` */
  async #move(id: string, from: Evaluation['status'], changes: Partial<Evaluation>): Promise<boolean> {
    const { store } = this.#parts
    const [moved] = await store.write(store.db.updateTable('evaluations').set(changes).where('id', '=', id).where('status', '=', from))
    return moved === 1
  }
}

function itemRow(evaluationId: string, datasetId: string | null, { position, prompt, reference, answers }: MeasuredItem): Row<'evaluation_items'> {
  const grades = answers.map(({ text: _, ...grade }) => grade)
  return {
    evaluation_id: evaluationId, position, dataset_id: datasetId,
    reward: rewardOf({ grades }),
    grades_json: JSON.stringify(grades),
    texts_json: JSON.stringify({ prompt, reference, answers: answers.map(({ text }) => text) }),
  }
}
