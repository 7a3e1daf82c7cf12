/** What a dataset's maker should know of it. */
import type { LabelRow } from '../data/rows.ts'
import type { Cleaned, Conflict, Split, SplitRows } from './dataset-curate.ts'
import type { Candidate, DropReason } from './dataset-rows.ts'
import type { DatasetSpec } from './dataset-spec.ts'

export interface DatasetReport {
  readonly rows: number
  readonly splits: Readonly<Record<Split, number>>
  /** Rows by what they were made of: thumbs, rating, correction, choice, prompt, file. */
  readonly origins: Readonly<Record<string, number>>
  /** Of labelled rows. */
  readonly labels?: Readonly<Record<Split, { readonly up: number; readonly down: number }>>
  readonly users: number
  readonly conversations: number
  /** What the filter let through and is no row, by reason. */
  readonly dropped: Readonly<Partial<Record<DropReason | 'completion_not_stored', number>>>
  /** Rows left out since others say the opposite of the same; the first hundred contradictions are listed. */
  readonly conflicts: { readonly rows: number; readonly contradictions: number; readonly first: readonly Conflict[] }
  /** Rows that said the same as another one. */
  readonly duplicates: number
  /** Different questions that are nearly the same as another; they stand on one side of the split. */
  readonly near_duplicates: number
  /** Rows moved to where the same, or nearly the same, prompt of another conversation is. */
  readonly leakage: { readonly moved: number; readonly groups: number }
  /** Of a version that was made by editing another one (dataset-edits.ts): how many rows. */
  readonly edits?: EditCounts & { readonly from: string }
  readonly warnings: readonly string[]
}

/** Rows by what became of them. */
export interface EditCounts {
  readonly rewritten: number
  readonly relabelled: number
  readonly moved: number
  readonly removed: number
}

const listedConflicts = 100

export type Drops = ReadonlyMap<DropReason | 'completion_not_stored', number>

export function reportOn(spec: DatasetSpec, cleaned: Cleaned, parts: SplitRows, drops: Drops): DatasetReport {
  const { kept, conflicts, conflicting, duplicates } = cleaned
  const { splits, nearDuplicates, moved, groups } = parts
  const evalRows = splits.filter((split) => split === 'eval').length
  const labels = spec.kind === 'labelled' ? labelCounts(kept, splits) : undefined
  const report = {
    rows: kept.length,
    splits: { train: kept.length - evalRows, eval: evalRows },
    origins: Object.fromEntries([...Map.groupBy(kept, ({ origin }) => origin)].map(([origin, { length }]) => [origin, length])),
    ...(labels !== undefined && { labels }),
    users: new Set(kept.flatMap(({ userId }) => userId ?? [])).size,
    conversations: new Set(kept.map(({ conversationId }) => conversationId)).size,
    dropped: Object.fromEntries(drops),
    conflicts: { rows: conflicting, contradictions: conflicts.length, first: conflicts.slice(0, listedConflicts) },
    duplicates,
    near_duplicates: nearDuplicates,
    leakage: { moved, groups },
  }
  return { ...report, warnings: warningsOf(spec, report) }
}

function labelCounts(rows: readonly Candidate[], splits: readonly Split[]): NonNullable<DatasetReport['labels']> {
  const counts = { train: { up: 0, down: 0 }, eval: { up: 0, down: 0 } }
  for (const [i, { row }] of rows.entries()) counts[splits[i]!][(row as LabelRow).label ? 'up' : 'down']++
  return counts
}

/** KTO's weights of the two classes make up for a ratio, but not for much more than this. */
const mostUneven = 10

function warningsOf(spec: DatasetSpec, { rows, splits, labels, leakage }: Omit<DatasetReport, 'warnings'>): string[] {
  const fraction = spec.eval_fraction
  const warnings: string[] = []
  if (fraction > 0 && splits.eval === 0) {
    warnings.push(`Nothing is held out: ${rows} rows are ${leakage.groups} groups that cannot be divided, each larger than ${fraction} of all`)
  }
  return labels === undefined ? warnings : [...warnings, ...balanceWarnings(labels.train)]
}

export function balanceWarnings({ up, down }: { readonly up: number; readonly down: number }): string[] {
  if (up === 0 || down === 0) return [`All ${up + down} rows to train on are thumbs ${up === 0 ? 'down' : 'up'}: KTO learns from both`]
  if (Math.max(up, down) <= mostUneven * Math.min(up, down)) return []
  return [`${up} thumbs up and ${down} down are far apart: weigh the rarer ones (kto.desirable_weight, kto.undesirable_weight)`]
}
