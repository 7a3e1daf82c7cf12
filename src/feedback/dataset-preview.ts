/** What a dataset would be, all but made: for whoever is about to make it. */
import type { Store } from '../store/index.ts'
import { clean, split } from './dataset-curate.ts'
import { reportOn, type DatasetReport } from './dataset-report.ts'
import { candidates, type Candidate, type DropReason } from './dataset-rows.ts'
import type { DatasetSpec } from './dataset-spec.ts'
import type { Redactor } from './redact.ts'

/** Events (prompts: completions) that a preview reads, the newest first. */
export const mostPreviewed = 20_000

export interface Preview {
  /** As the version's own would be. */
  readonly report: DatasetReport
  /** false: there is more than was read, and the version will have more. */
  readonly complete: boolean
}

/** Goes all the way that the dataset would go, but for the writing. */
export async function previewDataset(store: Store, spec: DatasetSpec, redactor: Redactor): Promise<Preview> {
  const limit = Math.min(spec.options.limit, mostPreviewed)
  const rows: Candidate[] = []
  const drops = new Map<DropReason, number>()
  for await (const page of candidates(store, { ...spec, options: { ...spec.options, limit } }, redactor)) {
    for (const outcome of page) {
      if ('drop' in outcome) drops.set(outcome.drop, (drops.get(outcome.drop) ?? 0) + 1)
      else rows.push(outcome)
    }
  }
  const read = rows.length + drops.values().reduce((sum, count) => sum + count, 0)
  const cleaned = await clean(rows.reverse(), spec.kind)
  const parts = await split(cleaned.kept, { evalFraction: spec.eval_fraction, seed: spec.seed, near: spec.options.near_duplicates })
  return { report: reportOn(spec, cleaned, parts, drops), complete: read < limit || limit === spec.options.limit }
}
