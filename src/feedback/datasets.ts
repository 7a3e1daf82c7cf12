/** Versions of datasets, made of what the store has and never changed. */
import { UserError } from '../errors.ts'
import { newId, type Row, type Store } from '../store/index.ts'
import { breathing } from './breathing.ts'
import { readContents } from './dataset-contents.ts'
import type { Split } from './dataset-curate.ts'
import type { UploadedRows } from './dataset-file.ts'
import type { DatasetReport } from './dataset-report.ts'
import type { Candidate } from './dataset-rows.ts'
import type { DatasetKind, DatasetSpec, MadeBy } from './dataset-spec.ts'
import { exclusive } from './exclusive.ts'
import type { Redactor } from './redact.ts'

/** A version of a dataset. */
export interface Dataset {
  readonly id: string
  readonly createdAt: number
  readonly name: string
  readonly version: number
  readonly kind: DatasetKind
  /** What it was made by. */
  readonly spec: MadeBy
  readonly report: DatasetReport
}

/**
 * Makes the next version of a dataset.
 * @param uploaded the rows of the file that the specification names
 * @throws UserError where there is no row to be made, or one of the file's cannot be used
 */
export async function createDataset(store: Store, spec: DatasetSpec, redactor: Redactor, uploaded?: UploadedRows): Promise<Dataset> {
  return await exclusive(store, () => create(store, spec, redactor, uploaded))
}

async function create(store: Store, spec: DatasetSpec, redactor: Redactor, uploaded: UploadedRows | undefined): Promise<Dataset> {
  await removeUnfinished(store)
  const { rows, splits, report } = await readContents(store, spec, redactor, uploaded)
  if (rows.length === 0) throw noRows(spec, report)
  return await write(store, await storable(spec, redactor), report, rows, splits)
}

/** The specification without what is not to be stored: a user's id that says too much. */
async function storable(spec: DatasetSpec, redactor: Redactor): Promise<DatasetSpec> {
  const { user, ...filter } = spec.filter
  return { ...spec, filter: { ...await redactor.value(filter), ...(user !== undefined && { user: redactor.identifier(user) }) } }
}

function noRows({ kind }: DatasetSpec, { dropped, conflicts }: DatasetReport): UserError {
  const reasons = Object.entries(dropped).map(([reason, count]) => `${reason} ${count}`)
  if (conflicts.rows > 0) reasons.push(`contradictions ${conflicts.rows}`)
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
    const { name, kind, dry_run: _, ...made } = spec
    return await publish(store, { id, name, kind, spec: made, report })
  } catch (error) {
    await discardRows(store, id)
    throw error
  }
}

/** Makes a version of rows that are written: from now on it is there, and the latest of its name. Within `exclusive`. */
export async function publish(
  store: Store, { id, name, kind, spec, report }: Pick<Dataset, 'id' | 'name' | 'kind' | 'spec' | 'report'>,
): Promise<Dataset> {
  const latest = await store.db.selectFrom('datasets').select(({ fn }) => fn.max('version').as('version'))
    .where('name', '=', name).executeTakeFirst()
  const row: Row<'datasets'> = {
    id, created_at: Date.now(), name, kind, version: Number(latest?.version ?? 0) + 1,
    filter_json: JSON.stringify(spec), report_json: JSON.stringify(report),
  }
  await store.write(store.db.insertInto('datasets').values(row))
  return datasetOf(row)
}

/** Removes what was written of a version that is not to be. */
export async function discardRows({ db, write }: Store, id: string): Promise<void> {
  await write(db.deleteFrom('dataset_rows').where('dataset_id', '=', id)).catch(() => undefined)
}

const swept = new WeakSet<Store>()

/** Removes rows of versions that a crash kept from being finished, once. */
export async function removeUnfinished(store: Store): Promise<void> {
  if (swept.has(store)) return
  await store.write(store.db.deleteFrom('dataset_rows').where('dataset_id', 'not in', store.db.selectFrom('datasets').select('id')))
  swept.add(store)
}

function datasetOf({ id, created_at: createdAt, name, version, kind, filter_json: spec, report_json: report }: Row<'datasets'>): Dataset {
  return {
    id, createdAt, name, version, kind,
    spec: JSON.parse(spec) as MadeBy,
    report: JSON.parse(report) as DatasetReport,
  }
}

/** All versions, or those of one name, the newest first. */
export async function listDatasets({ db }: Store, { name, limit }: { readonly name?: string; readonly limit?: number } = {}): Promise<Dataset[]> {
  const rows = await db.selectFrom('datasets').selectAll()
    .$if(name !== undefined, (query) => query.where('name', '=', name!))
    .orderBy('created_at', 'desc').orderBy('version', 'desc')
    .$if(limit !== undefined, (query) => query.limit(limit!)).execute()
  return rows.map(datasetOf)
}

/** The latest version of each name, the newest first. */
export async function latestDatasets({ db }: Store): Promise<Dataset[]> {
  const latest = db.selectFrom('datasets').select('name').select(({ fn }) => fn.max('version').as('version')).groupBy('name')
  const rows = await db.selectFrom('datasets')
    .innerJoin(latest.as('latest'), (join) => join
      .onRef('latest.name', '=', 'datasets.name').onRef('latest.version', '=', 'datasets.version'))
    .selectAll('datasets').orderBy('created_at', 'desc').execute()
  return rows.map(datasetOf)
}

/** Numbers of all versions of a name, the newest first. */
export async function versionsOf({ db }: Store, name: string): Promise<number[]> {
  const rows = await db.selectFrom('datasets').select('version').where('name', '=', name).orderBy('version', 'desc').execute()
  return rows.map(({ version }) => version)
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

/** How many rows a version has, and how many of them deletions have emptied: counted by an index of those alone. */
export async function splitSizes({ db }: Store, { id, report }: Dataset): Promise<Readonly<Record<Split | 'deleted', number>>> {
  const deleted = await db.selectFrom('dataset_rows').select('split').select(({ fn }) => fn.countAll<number>().as('rows'))
    .where('dataset_id', '=', id).where('row_json', 'is', null).groupBy('split').execute()
  const sizes = { ...report.splits, deleted: 0 }
  for (const { split, rows } of deleted) {
    sizes[split] -= Number(rows)
    sizes.deleted += Number(rows)
  }
  return sizes
}

/** The lines of a split as JSONL, each with its line end; rows that were deleted are left out. */
export async function* exportSplit({ db }: Store, datasetId: string, split: Split): AsyncIterable<string> {
  const limit = 500
  for (let after = -1; ;) {
    const rows = await db.selectFrom('dataset_rows').select(['position', 'row_json']).where('dataset_id', '=', datasetId)
      .where('split', '=', split).where('position', '>', after).orderBy('position').limit(limit).execute()
    for (const { row_json: row } of rows) if (row !== null) yield `${row}\n`
    if (rows.length < limit) return
    after = rows.at(-1)!.position
  }
}
