/** What a version is that was made by edits. */
import type { LabelRow } from '../data/rows.ts'
import type { Row, Store } from '../store/index.ts'
import type { Split } from './dataset-curate.ts'
import { balanceWarnings, type DatasetReport, type EditCounts } from './dataset-report.ts'
import { referenceOf, type Dataset } from './datasets.ts'

/** A row and what becomes of it; `after` is undefined where it is removed. */
export interface EditedRow {
  readonly before: Row<'dataset_rows'>
  readonly after: { readonly row: unknown; readonly split: Split } | undefined
}

/**
 * The report of the version whose rows were edited, with the counts that the edits change. Duplicates, contradictions and what was
 * dropped are those of the search that found the rows.
 */
export async function editedReport(store: Store, dataset: Dataset, edited: readonly EditedRow[]): Promise<DatasetReport> {
  const { report } = dataset
  const splits = { ...report.splits }
  const labels = report.labels && { train: { ...report.labels.train }, eval: { ...report.labels.eval } }
  for (const { before, after } of edited) {
    const was = before.row_json === null ? undefined : JSON.parse(before.row_json) as LabelRow
    splits[before.split]--
    if (after !== undefined) splits[after.split]++
    if (labels === undefined) continue
    // Of a row that was deleted the label is gone: its count stays.
    if (was !== undefined) labels[before.split][was.label ? 'up' : 'down']--
    if (after !== undefined) labels[after.split][(after.row as LabelRow).label ? 'up' : 'down']++
  }
  const torn = await tornConversations(store, dataset, edited)
  return {
    ...report,
    rows: splits.train + splits.eval,
    splits,
    ...(labels !== undefined && { labels }),
    origins: await remainingOrigins(store, report.origins, edited),
    edits: { from: referenceOf(dataset), ...countEdits(edited) },
    warnings: [
      ...(labels === undefined ? [] : balanceWarnings(labels.train)),
      ...(splits.eval === 0 && report.splits.eval > 0 ? ['Nothing is held out any more'] : []),
      ...(torn === 0 ? [] : [
        `${torn} ${torn === 1 ? 'row was' : 'rows were'} moved away from other rows of the same conversation, which now is on both sides of the split: ` +
        'what is held out is no longer new to the model',
      ]),
    ],
  }
}

function countEdits(edited: readonly EditedRow[]): EditCounts {
  const counts = { rewritten: 0, relabelled: 0, moved: 0, removed: 0 }
  for (const { before, after } of edited) {
    if (after === undefined) counts.removed++
    else {
      if (after.split !== before.split) counts.moved++
      const [was, is] = [JSON.parse(before.row_json!) as Partial<LabelRow>, after.row as Partial<LabelRow>]
      if (JSON.stringify({ ...was, label: null }) !== JSON.stringify({ ...is, label: null })) counts.rewritten++
      else if (was.label !== is.label) counts.relabelled++
    }
  }
  return counts
}

/** Rows by what they were made of, less those that were removed; where their feedback is no longer stored the count stays. */
async function remainingOrigins({ db }: Store, origins: DatasetReport['origins'], edited: readonly EditedRow[]): Promise<DatasetReport['origins']> {
  const removed = edited.filter(({ after }) => after === undefined)
  const left = { ...origins }
  const take = (origin: string): void => { if ((left[origin] ?? 0) > 0) left[origin]!-- }
  const ids = removed.flatMap(({ before }) => before.feedback_id ?? [])
  for (let start = 0; start < ids.length; start += 1000) {
    const names = await db.selectFrom('feedback').select('name').where('id', 'in', ids.slice(start, start + 1000)).execute()
    for (const { name } of names) take(name)
  }
  for (const { before } of removed) if (before.feedback_id === null) take('file' in origins ? 'file' : 'prompt')
  return left
}

/** Rows that were moved to the other side while another row of their conversation stays. */
async function tornConversations({ db }: Store, { id }: Dataset, edited: readonly EditedRow[]): Promise<number> {
  const sides = new Map(edited.map(({ before, after }) => [before.position, after?.split]))
  const moved = edited.filter(({ before, after }) => after !== undefined && after.split !== before.split)
  let torn = 0
  for (const { before } of moved) {
    if (before.completion_id === null) continue
    const others = await db.selectFrom('dataset_rows as other')
      .innerJoin('completions as theirs', 'theirs.id', 'other.completion_id')
      .innerJoin('completions as own', 'own.conversation_id', 'theirs.conversation_id')
      .select(['other.position', 'other.split']).where('own.id', '=', before.completion_id).where('other.dataset_id', '=', id).execute()
    if (others.some(({ position, split }) => (sides.has(position) ? sides.get(position) : split) === before.split)) torn++
  }
  return torn
}
