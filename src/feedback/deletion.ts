/** A user's right to be forgotten. */
import { emptyDeletedItems } from '../registry/evaluation-items.ts'
import type { Row, Store } from '../store/index.ts'
import { referenceOf } from './datasets.ts'
import { exclusive } from './exclusive.ts'
import type { Redactor } from './redact.ts'

/** What was removed, and what remains of it elsewhere. */
export interface Deletion {
  readonly completions: number
  readonly feedback: number
  /** Rows of datasets that are tombstones now. */
  readonly datasetRows: number
  readonly datasets: readonly AffectedDataset[]
  /** Jobs that were given these datasets: their folders may hold copies of the rows. */
  readonly jobs: readonly AffectedJob[]
  /** Adapters that were trained on the user's rows. They are not removed: whoever wants to be rid of what they learned trains anew. */
  readonly adapters: readonly string[]
}

export interface AffectedDataset {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly rows: number
}

export interface AffectedJob {
  readonly id: string
  readonly status: Row<'jobs'>['status']
  readonly fineTunedModel: string | null
}

/**
 * Removes everything of a user: completions and what was said of them, the user's feedback on others' answers, and the rows
 * of datasets that were made of any of it, which leave tombstones, with what models answered to them in evaluations. What was
 * uploaded as a file stays, since no one can tell whose it is.
 */
export async function deleteUser(store: Store, redactor: Redactor, user: string): Promise<Deletion> {
  return await exclusive(store, () => remove(store, redactor.identifier(user)))
}

async function remove(store: Store, user: string): Promise<Deletion> {
  const { db } = store
  const completions = db.selectFrom('completions').select('id').where('user_id', '=', user)
  const feedback = db.selectFrom('feedback').select('id')
    .where(({ eb, or }) => or([eb('user_id', '=', user), eb('completion_id', 'in', completions)]))
  const datasets = await affectedDatasets(store, user)
  // Rows first, by what they were made of, as long as that is there.
  const tombstones = db.updateTable('dataset_rows').set({ row_json: null }).where('row_json', 'is not', null)
  const changes = await store.write(
    tombstones.where('user_id', '=', user),
    tombstones.where('completion_id', 'in', completions),
    tombstones.where('feedback_id', 'in', feedback),
    db.deleteFrom('tags').where('feedback_id', 'in', feedback),
    db.deleteFrom('tags').where('completion_id', 'in', completions),
    db.deleteFrom('feedback').where('id', 'in', feedback),
    db.deleteFrom('choices').where('completion_id', 'in', completions),
    db.deleteFrom('completions').where('user_id', '=', user),
    ...(datasets.length === 0 ? [] : [emptyDeletedItems(store, datasets.map(({ id }) => id))]),
  )
  const jobs = await jobsOn(store, datasets)
  return {
    completions: changes[7]!,
    feedback: changes[5]!,
    datasetRows: changes[0]! + changes[1]! + changes[2]!,
    datasets,
    jobs,
    adapters: await adaptersOf(store, jobs),
  }
}

/** Versions that have rows of the user, deleted before or not: a second deletion still says which adapters learned from them. */
async function affectedDatasets({ db }: Store, user: string): Promise<AffectedDataset[]> {
  const completions = db.selectFrom('completions').select('id').where('user_id', '=', user)
  const feedback = db.selectFrom('feedback').select('id').where('user_id', '=', user)
  const rows = await db.selectFrom('dataset_rows').innerJoin('datasets', 'datasets.id', 'dataset_rows.dataset_id')
    .select(['datasets.id', 'datasets.name', 'datasets.version', ({ fn }) => fn.countAll<number>().as('rows')])
    .where(({ eb, or }) => or([
      eb('dataset_rows.user_id', '=', user), eb('dataset_rows.completion_id', 'in', completions), eb('dataset_rows.feedback_id', 'in', feedback),
    ]))
    .groupBy(['datasets.id', 'datasets.name', 'datasets.version']).orderBy('datasets.name').orderBy('datasets.version').execute()
  return rows.map(({ rows: count, ...dataset }) => ({ ...dataset, rows: Number(count) }))
}

async function jobsOn({ db }: Store, datasets: readonly AffectedDataset[]): Promise<AffectedJob[]> {
  const references = datasets.map(referenceOf)
  if (references.length === 0) return []
  const rows = await db.selectFrom('jobs').select(['id', 'status', 'fine_tuned_model as fineTunedModel'])
    .where(({ eb, or }) => or([eb('training_file', 'in', references), eb('validation_file', 'in', references)]))
    .orderBy('created_at').execute()
  return rows.map((row) => ({ ...row }))
}

/** What the jobs made, checkpoints too, and what was trained on from there. */
async function adaptersOf({ db }: Store, jobs: readonly AffectedJob[]): Promise<string[]> {
  if (jobs.length === 0) return []
  const all = await db.selectFrom('adapters').select(['id', 'job_id', 'parent_id']).orderBy('created_at').orderBy('id').execute()
  const ids = new Set(jobs.map(({ id }) => id))
  const trained = new Set(jobs.flatMap(({ fineTunedModel }) => fineTunedModel ?? []))
  // Children are made after their parents.
  for (const { id, job_id: job, parent_id: parent } of all) {
    if ((job !== null && ids.has(job)) || (parent !== null && trained.has(parent))) trained.add(id)
  }
  return [...trained]
}
