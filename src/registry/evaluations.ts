/** Evaluations: asked for by people and after jobs, carried out one at a time, compared prompt by prompt. */
import { sql, type RawBuilder } from 'kysely'
import type { DataKindName } from '../data/kinds.ts'
import { ConflictError, NotFoundError } from './errors.ts'
import type { Adapter } from './adapters.ts'
import { EvaluationItems } from './evaluation-items.ts'
import { EvaluationRunner, type Evaluation, type EvaluationParts, type Suite } from './evaluation-runner.ts'
import type { Page, PageRequest } from './jobs.ts'
import { suiteRow, type NewSuite, type SuiteRows } from './suites.ts'
import { newId } from '../store/index.ts'

export type { Evaluation, Suite } from './evaluation-runner.ts'

/** A version of a dataset. */
export interface HeldOut {
  readonly datasetId: string
  /** `dataset:NAME@VERSION` */
  readonly reference: string
  readonly kind: DataKindName
}

/** Finds `NAME` or `NAME@VERSION`; undefined: there is none; `isEmpty`: it has no held-out rows. */
export type FindHeldOut = (name: string) => Promise<(HeldOut & { readonly isEmpty: boolean }) | undefined>

export interface EvaluationsOptions extends EvaluationParts {
  readonly findHeldOut: FindHeldOut
}

export interface EvaluationFilter extends PageRequest {
  readonly suite?: string | undefined
  /** null: the base. */
  readonly adapter?: string | null | undefined
  readonly job?: string | undefined
}

/** An evaluation with what it measures. */
export interface EvaluationOf {
  readonly evaluation: Evaluation
  readonly suite: Suite
}

/** Evaluations over a base, with those of which it was not noted. */
export function isOver(base: string): RawBuilder<boolean> {
  return sql<boolean>`(evaluations.base is null or evaluations.base = ${base})`
}

const datasetPrefix = 'dataset:'
const openStatuses = ['queued', 'running'] as const

export class Evaluations implements AsyncDisposable {
  readonly items: EvaluationItems
  readonly #parts: EvaluationsOptions
  readonly #runner: EvaluationRunner
  #turn: Promise<unknown> = Promise.resolve()

  /** Goes on with those that are not over. */
  constructor(options: EvaluationsOptions) {
    this.#parts = options
    this.items = new EvaluationItems(options.store)
    this.#runner = new EvaluationRunner(options)
    this.#runner.recover()
  }

  /**
   * Rows to measure on: the held-out ones of `dataset:NAME[@VERSION]`, or a file's.
   * @throws NotFoundError where there are none
   */
  async rowsOf(reference: string): Promise<SuiteRows> {
    const { findHeldOut, files } = this.#parts
    if (!reference.startsWith(datasetPrefix)) {
      const file = await files.get(reference)
      if (file === undefined) throw new NotFoundError(`There is no file ${reference}`)
      return { reference, datasetId: null, content: file.sha256, kind: undefined, label: file.filename }
    }
    const found = await findHeldOut(reference.slice(datasetPrefix.length))
    if (found === undefined) throw new NotFoundError(`There is no dataset ${reference.slice(datasetPrefix.length)}`)
    if (found.isEmpty) throw new NotFoundError(`${found.reference} has no held-out rows to measure on: make a version with eval_fraction`)
    return { reference: found.reference, datasetId: found.datasetId, content: found.datasetId, kind: found.kind, label: `${found.reference.slice(datasetPrefix.length)}, held out` }
  }

  /**
   * Puts evaluations of models on one suite into the queue. What is there, or under way, for the same weights is not measured
   * again. The base is measured too: the others are seen against it.
   * @param adapters null: the base
   * @returns an evaluation for each of `adapters`
   */
  async ask(suite: NewSuite, adapters: readonly (Adapter | null)[], jobId: string | null = null): Promise<EvaluationOf[]> {
    const asked = await this.#inTurn(() => this.#ask(suite, adapters, jobId))
    this.#runner.wake()
    return asked
  }

  /** @throws NotFoundError */
  async get(id: string): Promise<EvaluationOf> {
    const { db } = this.#parts.store
    const evaluation = await db.selectFrom('evaluations').selectAll().where('id', '=', id).executeTakeFirst()
    if (evaluation === undefined) throw new NotFoundError(`There is no evaluation ${id}`)
    const suite = await db.selectFrom('suites').selectAll().where('id', '=', evaluation.suite_id).executeTakeFirst()
    if (suite === undefined) throw new NotFoundError(`There is no evaluation ${id} any more`)
    return { evaluation, suite }
  }

  /** The newest first. @throws NotFoundError where there is no evaluation `after` */
  async list({ after, limit, suite, adapter, job }: EvaluationFilter): Promise<Page<EvaluationOf>> {
    const { db } = this.#parts.store
    if (after !== undefined) await this.get(after)
    let query = db.selectFrom('evaluations').selectAll().orderBy('id', 'desc').limit(limit + 1)
    // Ids sort by the time of their making.
    if (after !== undefined) query = query.where('id', '<', after)
    if (suite !== undefined) query = query.where('suite_id', '=', suite)
    if (adapter !== undefined) query = query.where('adapter_id', adapter === null ? 'is' : '=', adapter).where(isOver(this.#parts.adapters.base))
    if (job !== undefined) query = query.where('job_id', '=', job)
    const evaluations = await query.execute()
    const ids = [...new Set(evaluations.map(({ suite_id }) => suite_id))]
    const suites = ids.length === 0 ? [] : await db.selectFrom('suites').selectAll().where('id', 'in', ids).execute()
    const byId = new Map(suites.map((suite) => [suite.id, suite]))
    // One that was removed this moment has no suite any more.
    const items = evaluations.slice(0, limit).flatMap((evaluation) => {
      const suite = byId.get(evaluation.suite_id)
      return suite === undefined ? [] : [{ evaluation, suite }]
    })
    return { items, hasMore: evaluations.length > limit }
  }

  /** Ends an evaluation that is not over; what it has measured is forgotten. @throws NotFoundError; ConflictError where it is over */
  async cancel(id: string): Promise<EvaluationOf> {
    const { store } = this.#parts
    const [cancelled] = await store.write(
      store.db.updateTable('evaluations').set({ status: 'cancelled', finished_at: Date.now() }).where('id', '=', id).where('status', 'in', openStatuses),
    )
    const now = await this.get(id)
    if (cancelled === 0) throw new ConflictError(`evaluation ${id} has already ${now.evaluation.status === 'cancelled' ? 'been cancelled' : now.evaluation.status}`)
    await this.#runner.stop(id)
    await store.write(store.db.deleteFrom('evaluation_items').where('evaluation_id', '=', id))
    return now
  }

  /** Removes an evaluation and its items; one that runs is ended. A suite that no evaluation has goes too. @throws NotFoundError */
  async remove(id: string): Promise<void> {
    const { store } = this.#parts
    const { suite } = await this.get(id)
    await this.cancel(id).catch((error: unknown) => { if (!(error instanceof ConflictError)) throw error })
    const { db } = store
    await this.#inTurn(() => store.write(
      db.deleteFrom('evaluation_items').where('evaluation_id', '=', id),
      db.deleteFrom('evaluations').where('id', '=', id),
      db.deleteFrom('suites').where('id', '=', suite.id).where('id', 'not in', db.selectFrom('evaluations').select('suite_id').where('suite_id', '=', suite.id)),
    ))
  }

  /** Rows of these datasets were deleted: whatever was read of them before is forgotten. */
  async forgetDeleted(datasetIds: readonly string[]): Promise<void> {
    await this.#runner.restart(datasetIds)
    await this.items.emptyDeleted(datasetIds)
  }

  async close(): Promise<void> {
    await this.#runner.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Asking and removing, one after the other: what two ask for at once is measured once, and no suite goes while it is asked for. */
  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #ask(suite: NewSuite, adapters: readonly (Adapter | null)[], jobId: string | null): Promise<EvaluationOf[]> {
    const { store } = this.#parts
    const { db } = store
    const row = suiteRow(suite)
    const known = new Map<string, Evaluation>()
    const missing: Evaluation[] = []
    for (const adapter of new Set([null, ...adapters])) {
      const current = await this.#current(row.id, adapter)
      const evaluation = current ?? this.#newEvaluation(row.id, adapter, jobId)
      if (current === undefined) missing.push(evaluation)
      known.set(adapter?.id ?? '', evaluation)
    }
    // A name that is given takes the place of the suite's.
    const { name } = suite
    const insert = db.insertInto('suites').values(row)
      .onConflict((conflict) => (name === undefined ? conflict.column('id').doNothing() : conflict.column('id').doUpdateSet({ name })))
    await store.write(insert, ...missing.map((evaluation) => db.insertInto('evaluations').values(evaluation)))
    const kept = await db.selectFrom('suites').selectAll().where('id', '=', row.id).executeTakeFirstOrThrow()
    return adapters.map((adapter) => ({ evaluation: known.get(adapter?.id ?? '')!, suite: kept }))
  }

  /** The evaluation of these weights that is there or under way. */
  async #current(suiteId: string, adapter: Adapter | null): Promise<Evaluation | undefined> {
    return this.#parts.store.db.selectFrom('evaluations').selectAll()
      .where('suite_id', '=', suiteId).where('adapter_id', adapter === null ? 'is' : '=', adapter?.id ?? null)
      .where('adapter_sha256', '=', adapter?.facts.sha256 ?? '').where('status', 'in', [...openStatuses, 'succeeded'])
      .where(isOver(this.#parts.adapters.base))
      .orderBy('id', 'desc').executeTakeFirst()
  }

  #newEvaluation(suiteId: string, adapter: Adapter | null, jobId: string | null): Evaluation {
    return {
      id: newId('eval_'), suite_id: suiteId, created_at: Date.now(), finished_at: null, status: 'queued', base: this.#parts.adapters.base, precision: null, adapter_id: adapter?.id ?? null,
      adapter_sha256: adapter?.facts.sha256 ?? '', job_id: jobId, done: 0, total: 0, error: null, result_json: null,
    }
  }
}
