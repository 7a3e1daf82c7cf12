/** Edits of a version: they make the next one, which keeps all other rows and every row's provenance. */
import { z } from 'zod'
import { dataKinds } from '../data/kinds.ts'
import { describeIssues, detectKind, type LabelRow, type RowKind } from '../data/rows.ts'
import { shortList, UserError } from '../errors.ts'
import { newId, type NewRow, type Row, type Store } from '../store/index.ts'
import type { DatasetKind } from './dataset-spec.ts'
import { discardRows, publish, referenceOf, removeUnfinished, type Dataset } from './datasets.ts'
import { editedReport, type EditedRow } from './edited-report.ts'
import { exclusive } from './exclusive.ts'
import type { Redactor } from './redact.ts'

const position = z.int().min(0)

/** What is to become of one row. */
const change = z.union([
  z.strictObject({ position, remove: z.literal(true) }),
  z.strictObject({
    position,
    row: z.record(z.string(), z.unknown()).optional(),
    /** Of labelled rows: the thumb. */
    label: z.boolean().optional(),
    split: z.enum(['train', 'eval']).optional(),
  }).refine(({ row, label, split }) => row !== undefined || label !== undefined || split !== undefined, {
    error: 'must say what changes: row, label, split or remove',
  }).refine(({ row, label }) => row === undefined || label === undefined, { error: 'has a row and a label: give the label in the row', path: ['label'] }),
], { error: 'must be {position, row?, label?, split?} or {position, remove: true}' })

const mostChanges = 10_000

/** `POST /v1/datasets/NAME/versions/VERSION/edits` */
export const editsBody = z.strictObject({
  changes: z.array(change).min(1, 'is empty: there is nothing to change').max(mostChanges),
  note: z.string().max(1000).optional(),
})

export type DatasetEdits = z.output<typeof editsBody>
type Change = DatasetEdits['changes'][number]

/**
 * Makes the next version of a dataset's name from one version and changes to it. All rows keep their positions, so a removed
 * one leaves its number free.
 * @throws UserError where a change names no row, or a row is none of the dataset's kind; then there is no new version
 */
export async function editDataset(store: Store, dataset: Dataset, edits: DatasetEdits, redactor: Redactor): Promise<Dataset> {
  return await exclusive(store, () => edit(store, dataset, edits, redactor))
}

async function edit(store: Store, dataset: Dataset, { changes, note }: DatasetEdits, redactor: Redactor): Promise<Dataset> {
  await removeUnfinished(store)
  const edited = await editedRows(store, dataset, changes, redactor)
  const report = await editedReport(store, dataset, edited)
  if (report.rows === 0) throw new UserError('The changes remove every row: there would be nothing left to learn from.')
  const id = newId('ds_')
  try {
    await copyRows(store, dataset.id, id, edited.map(({ before }) => before.position))
    await insertRows(store, id, edited)
    const spec = { ...dataset.spec, edited: { from: referenceOf(dataset), note: note === undefined ? null : await redactor.value(note) } }
    return await publish(store, { id, name: dataset.name, kind: dataset.kind, spec, report })
  } catch (error) {
    await discardRows(store, id)
    throw error
  }
}

/** Rows of one statement: SQLite takes 32,766 parameters, and a row has seven. */
const batch = 500

/** The rows that the changes name, in their order, without changes that change nothing. @throws UserError that names all faults */
async function editedRows({ db }: Store, { id, kind }: Dataset, changes: readonly Change[], redactor: Redactor): Promise<EditedRow[]> {
  const sorted = changes.toSorted((a, b) => a.position - b.position)
  const faults: string[] = []
  const edited: EditedRow[] = []
  for (let start = 0; start < sorted.length; start += batch) {
    const part = sorted.slice(start, start + batch)
    const rows = await db.selectFrom('dataset_rows').selectAll().where('dataset_id', '=', id)
      .where('position', 'in', part.map(({ position }) => position)).execute()
    const byPosition = new Map(rows.map((row) => [row.position, row]))
    for (const [i, change] of part.entries()) {
      const before = byPosition.get(change.position)
      const twice = sorted[start + i - 1]?.position === change.position
      try {
        if (twice) throw new UserError('is named twice')
        if (before === undefined) throw new UserError('there is no such row')
        const after = await changed(before, change, kind, redactor)
        if (after === undefined || after.split !== before.split || JSON.stringify(after.row) !== before.row_json) edited.push({ before, after })
      } catch (error) {
        if (!(error instanceof UserError)) throw error
        faults.push(`row ${change.position}: ${error.message}`)
      }
    }
  }
  if (faults.length > 0) throw new UserError(shortList(faults))
  if (edited.length === 0) throw new UserError('The changes change nothing: all rows are as they say.')
  return edited
}

async function changed(before: Row<'dataset_rows'>, change: Change, kind: DatasetKind, redactor: Redactor): Promise<EditedRow['after']> {
  if ('remove' in change) return undefined
  if (before.row_json === null) throw new UserError('was deleted with the data of its user; it can only be removed')
  const was = JSON.parse(before.row_json) as object
  const split = change.split ?? before.split
  if (change.row !== undefined) return { row: await redactor.value(checkedRow(change.row, was, kind)), split }
  if (change.label === undefined) return { row: was, split }
  if (kind !== 'labelled') throw new UserError(`has no label: the rows of this dataset are ${kind}`)
  return { row: { ...was, label: change.label } satisfies Pick<LabelRow, 'label'>, split }
}

/** A row as data/rows.ts has it, of the same shape as the one whose place it takes. @throws UserError */
export function checkedRow(value: object, was: object, kind: DatasetKind): object {
  const kinds: readonly RowKind<object>[] = dataKinds[kind].rows
  const shape = detectKind(was, kinds)!
  const parsed = shape.schema.safeParse(value)
  if (!parsed.success) throw new UserError(`is not ${shape.name}: ${describeIssues(parsed.error)}`)
  if (detectKind(parsed.data, kinds) !== shape) throw new UserError(`is not ${shape.name}, as all rows of this dataset are; a row looks like ${shape.example}`)
  return parsed.data
}

/** Positions of one statement, which copies as many rows within the database: others' writes go between two of them. */
const copiedAtOnce = 2000

async function copyRows(store: Store, from: string, to: string, without: readonly number[]): Promise<void> {
  const { db } = store
  const columns = ['position', 'split', 'row_json', 'completion_id', 'feedback_id', 'user_id'] as const
  const last = await db.selectFrom('dataset_rows').select('position').where('dataset_id', '=', from).orderBy('position', 'desc').limit(1)
    .executeTakeFirst()
  for (let start = 0; start <= (last?.position ?? -1); start += copiedAtOnce) {
    const end = start + copiedAtOnce
    const left = without.filter((position) => position >= start && position < end)
    await store.write(db.insertInto('dataset_rows').columns(['dataset_id', ...columns]).expression(
      db.selectFrom('dataset_rows').select(({ val }) => val(to).as('dataset_id')).select(columns)
        .where('dataset_id', '=', from).where('position', '>=', start).where('position', '<', end)
        .$if(left.length > 0, (query) => query.where('position', 'not in', left)),
    ))
  }
}

async function insertRows(store: Store, id: string, edited: readonly EditedRow[]): Promise<void> {
  const rows = edited.flatMap(({ before, after }): NewRow<'dataset_rows'>[] =>
    (after === undefined ? [] : [{ ...before, dataset_id: id, split: after.split, row_json: JSON.stringify(after.row) }]))
  for (let start = 0; start < rows.length; start += batch) {
    await store.write(store.db.insertInto('dataset_rows').values(rows.slice(start, start + batch)))
  }
}
