/** Versions of datasets, made of what the store has and never changed. */
import { UserError } from '../errors.ts'
import { newId, type Row, type Store } from '../store/index.ts'
import { breathing } from './breathing.ts'
import { clean, split, type Split } from './dataset-curate.ts'
import { reportOn, type DatasetReport } from './dataset-report.ts'
import { candidates, type Candidate, type DropReason } from './dataset-rows.ts'
import { countUnknown, namesOf } from './dataset-sources.ts'
import type { DatasetKind, DatasetSpec } from './dataset-spec.ts'
import { exclusive } from './exclusive.ts'
import type { Redactor } from './redact.ts'

/** A version of a dataset. */
export interface Dataset {
  readonly id: string
  readonly createdAt: number
  readonly name: string
  readonly version: number
  readonly kind: DatasetKind
  /** The specification that it was made by. */
  readonly spec: Partial<DatasetSpec>
  readonly report: DatasetReport
}

export interface DatasetRow {
  readonly position: number
  readonly split: Split
  /** undefined: a user's deletion has removed it. */
  readonly row: unknown
  readonly completionId: string | null
  readonly feedbackId: string | null
}

/**
 * Makes the next version of a dataset.
 * @throws UserError where there is no row to be made
 */
export async function createDataset(store: Store, spec: DatasetSpec, redactor: Redactor): Promise<Dataset> {
  return await exclusive(store, () => create(store, spec, redactor))
}

async function create(store: Store, spec: DatasetSpec, redactor: Redactor): Promise<Dataset> {
  await removeUnfinished(store)
  const rows: Candidate[] = []
  const drops = new Map<DropReason | 'completion_not_stored', number>()
  const drop = (reason: DropReason | 'completion_not_stored', count = 1): void => {
    if (count > 0) drops.set(reason, (drops.get(reason) ?? 0) + count)
  }
  for await (const page of candidates(store, spec, redactor)) {
    for (const outcome of page) {
      if ('drop' in outcome) drop(outcome.drop)
      else rows.push(outcome)
    }
  }
  drop('completion_not_stored', await countUnknown(store, namesOf(spec)))
  // The oldest first: a version that grows goes on where the one before ended.
  const cleaned = await clean(rows.reverse(), spec.kind)
  if (cleaned.kept.length === 0) throw noRows(spec, cleaned.conflicting, drops)
  const parts = await split(cleaned.kept, { evalFraction: spec.eval_fraction, seed: spec.seed, near: spec.options.near_duplicates })
  return await write(store, await storable(spec, redactor), reportOn(spec, cleaned, parts, drops), cleaned.kept, parts.splits)
}

/** The specification without what is not to be stored: a user's id that says too much. */
async function storable(spec: DatasetSpec, redactor: Redactor): Promise<DatasetSpec> {
  const { user, ...filter } = spec.filter
  return { ...spec, filter: { ...await redactor.value(filter), ...(user !== undefined && { user: redactor.identifier(user) }) } }
}

function noRows({ kind }: DatasetSpec, conflicting: number, drops: ReadonlyMap<string, number>): UserError {
  const reasons = [...drops].map(([reason, count]) => `${reason} ${count}`)
  if (conflicting > 0) reasons.push(`contradictions ${conflicting}`)
  const why = reasons.length === 0 ? 'no feedback or completions match the filter' : `none can be used (${reasons.join(', ')})`
  return new UserError(`There is nothing to make ${kind} rows of: ${why}. Ask with dry_run what there is.`)
}

/** Rows of one statement: seven parameters each, of which SQLite takes 32,766. */
const batch = 500

/** A version is there when its row in `datasets` is, which is written last. */
async function write(
  store: Store,
  spec: DatasetSpec,
  report: DatasetReport,
  rows: readonly Candidate[],
  splits: readonly Split[],
): Promise<Dataset> {
  const { db } = store
  const id = newId('ds_')
  const pause = breathing()
  try {
    for (let start = 0; start < rows.length; start += batch) {
      await pause()
      await store.write(db.insertInto('dataset_rows').values(rows.slice(start, start + batch).map((candidate, i) => ({
        dataset_id: id,
        position: start + i,
        split: splits[start + i]!,
        row_json: JSON.stringify(candidate.row),
        completion_id: candidate.completionId,
        feedback_id: candidate.feedbackId,
        user_id: candidate.userId,
      }))))
    }
    const latest = await db.selectFrom('datasets').select(({ fn }) => fn.max('version').as('version'))
      .where('name', '=', spec.name).executeTakeFirst()
    const { name, kind, dry_run: _, ...made } = spec
    const row: Row<'datasets'> = {
      id, created_at: Date.now(), name, kind, version: Number(latest?.version ?? 0) + 1,
      filter_json: JSON.stringify(made), report_json: JSON.stringify(report),
    }
    await store.write(db.insertInto('datasets').values(row))
    return datasetOf(row)
  } catch (error) {
    await store.write(db.deleteFrom('dataset_rows').where('dataset_id', '=', id)).catch(() => undefined)
    throw error
  }
}

const swept = new WeakSet<Store>()

/** Removes rows of versions that a crash kept from being finished, once. */
async function removeUnfinished(store: Store): Promise<void> {
  if (swept.has(store)) return
  await store.write(store.db.deleteFrom('dataset_rows').where('dataset_id', 'not in', store.db.selectFrom('datasets').select('id')))
  swept.add(store)
}

function datasetOf({ id, created_at: createdAt, name, version, kind, filter_json: spec, report_json: report }: Row<'datasets'>): Dataset {
  return {
    id, createdAt, name, version, kind,
    spec: JSON.parse(spec) as Partial<DatasetSpec>,
    report: JSON.parse(report) as DatasetReport,
  }
}

/** All versions, or those of one name, the newest first. */
export async function listDatasets({ db }: Store, name?: string): Promise<Dataset[]> {
  const rows = await db.selectFrom('datasets').selectAll()
    .$if(name !== undefined, (query) => query.where('name', '=', name!))
    .orderBy('created_at', 'desc').orderBy('version', 'desc').execute()
  return rows.map(datasetOf)
}

/** A version of a dataset, the latest unless given. */
export async function findDataset({ db }: Store, name: string, version?: number): Promise<Dataset | undefined> {
  const row = await db.selectFrom('datasets').selectAll().where('name', '=', name)
    .$if(version !== undefined, (query) => query.where('version', '=', version!))
    .orderBy('version', 'desc').limit(1).executeTakeFirst()
  return row === undefined ? undefined : datasetOf(row)
}

/** The dataset that a job names: `dataset:NAME` (the latest version) or `dataset:NAME@VERSION`; undefined: there is none. */
export async function resolveDataset(store: Store, reference: string): Promise<Dataset | undefined> {
  const [, name, version] = /^dataset:([^@]+)(?:@(\d{1,9}))?$/.exec(reference) ?? []
  return name === undefined ? undefined : await findDataset(store, name, version === undefined ? undefined : Number(version))
}

/** How jobs and people name a version. */
export function referenceOf({ name, version }: Pick<Dataset, 'name' | 'version'>): string {
  return `dataset:${name}@${version}`
}

export interface RowQuery {
  readonly split?: Split | undefined
  /** Rows after this position. */
  readonly after?: number | undefined
  readonly limit: number
}

export async function datasetRows({ db }: Store, datasetId: string, { split, after, limit }: RowQuery): Promise<DatasetRow[]> {
  const rows = await db.selectFrom('dataset_rows').selectAll().where('dataset_id', '=', datasetId)
    .$if(split !== undefined, (query) => query.where('split', '=', split!))
    .$if(after !== undefined, (query) => query.where('position', '>', after!))
    .orderBy('position').limit(limit).execute()
  return rows.map(({ position, split, row_json: row, completion_id: completionId, feedback_id: feedbackId }) => ({
    position, split, row: row === null ? undefined : JSON.parse(row) as unknown, completionId, feedbackId,
  }))
}

/** How many rows a version has, and how many of them deletions have emptied. */
export async function splitSizes({ db }: Store, datasetId: string): Promise<Readonly<Record<Split | 'deleted', number>>> {
  const rows = await db.selectFrom('dataset_rows').select('split')
    .select(({ fn }) => [fn.countAll<number>().as('all'), fn.count<number>('row_json').as('there')])
    .where('dataset_id', '=', datasetId).groupBy('split').execute()
  const sizes = { train: 0, eval: 0, deleted: 0 }
  for (const { split, all, there } of rows) {
    sizes[split] = Number(there)
    sizes.deleted += Number(all) - Number(there)
  }
  return sizes
}

/** The lines of a split as JSONL, each with its line end; rows that were deleted are left out. */
export async function* exportSplit(store: Store, datasetId: string, split: Split): AsyncIterable<string> {
  const limit = 500
  for (let after = -1; ;) {
    const rows = await datasetRows(store, datasetId, { split, after, limit })
    for (const { row } of rows) if (row !== undefined) yield `${JSON.stringify(row)}\n`
    if (rows.length < limit) return
    after = rows.at(-1)!.position
  }
}
