/** The rows that a dataset is made of, and what is to be known of them: all but written. */
import type { Store } from '../store/index.ts'
import { clean, split, type Split } from './dataset-curate.ts'
import { fileCandidates, type UploadedRows } from './dataset-file.ts'
import { reportOn, type DatasetReport, type Drops } from './dataset-report.ts'
import { candidates, type Candidate, type DropReason } from './dataset-rows.ts'
import { countUnknown, namesOf } from './dataset-sources.ts'
import type { DatasetSpec } from './dataset-spec.ts'
import type { Redactor } from './redact.ts'

export interface Contents {
  /** As in the file, or the oldest first: a version that grows goes on where the one before ended. */
  readonly rows: readonly Candidate[]
  /** Of each row. */
  readonly splits: readonly Split[]
  readonly report: DatasetReport
  /** How many events (prompts: completions; of a file: rows) were read. */
  readonly read: number
}

/** @param uploaded the rows of the file that the specification names; undefined: it names none */
export async function readContents(store: Store, spec: DatasetSpec, redactor: Redactor, uploaded?: UploadedRows): Promise<Contents> {
  const { rows, drops, read } = uploaded === undefined ? await readFeedback(store, spec, redactor) : await readFile(uploaded, spec, redactor)
  const cleaned = await clean(rows, spec.kind)
  const parts = await split(cleaned.kept, { evalFraction: spec.eval_fraction, seed: spec.seed, near: spec.options.near_duplicates })
  return { rows: cleaned.kept, splits: parts.splits, report: reportOn(spec, cleaned, parts, drops), read }
}

interface Found {
  readonly rows: readonly Candidate[]
  readonly drops: Drops
  readonly read: number
}

async function readFile(uploaded: UploadedRows, { kind }: DatasetSpec, redactor: Redactor): Promise<Found> {
  const rows = await fileCandidates(uploaded, kind, redactor)
  return { rows, drops: new Map(), read: rows.length }
}

async function readFeedback(store: Store, spec: DatasetSpec, redactor: Redactor): Promise<Found> {
  const rows: Candidate[] = []
  const drops = new Map<DropReason | 'completion_not_stored', number>()
  let read = 0
  for await (const page of candidates(store, spec, redactor)) {
    read += page.length
    for (const outcome of page) {
      if ('drop' in outcome) drops.set(outcome.drop, (drops.get(outcome.drop) ?? 0) + 1)
      else rows.push(outcome)
    }
  }
  const unknown = await countUnknown(store, namesOf(spec))
  if (unknown > 0) drops.set('completion_not_stored', unknown)
  return { rows: rows.reverse(), drops, read }
}

/** Events that a preview reads, the newest first. */
const mostPreviewed = 20_000

export interface Preview {
  /** As the version's own would be. */
  readonly report: DatasetReport
  /** false: there is more than was read, and the version will have more. */
  readonly complete: boolean
}

/** What the dataset would be, for whoever is about to make it. */
export async function previewContents(store: Store, spec: DatasetSpec, redactor: Redactor): Promise<Preview> {
  const limit = Math.min(spec.options.limit, mostPreviewed)
  const { report, read } = await readContents(store, { ...spec, options: { ...spec.options, limit } }, redactor)
  return { report, complete: read < limit || limit === spec.options.limit }
}
