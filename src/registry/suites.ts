/** Suites: what models are measured on, and how. */
import { createHash } from 'node:crypto'
import type { DataKindName } from '../data/kinds.ts'
import type { SuiteSampling } from '../evaluate/evaluation.ts'
import { referenceGrader } from '../evaluate/suite-rows.ts'
import type { Row } from '../store/index.ts'

/** Rows to be measured on. */
export interface SuiteRows {
  /** `dataset:NAME@VERSION`, of which the held-out rows are meant, or a file's id. */
  readonly reference: string
  /** null: the rows are a file's. */
  readonly datasetId: string | null
  /** The same for the same rows, whatever they are called. */
  readonly content: string
  /** undefined: by the fields of the first row, when it is read. */
  readonly kind: DataKindName | undefined
  /** What people call them. */
  readonly label: string
}

export interface NewSuite {
  readonly rows: SuiteRows
  /** JSON of a grader that was checked; unless given the answer is compared with the rows' own. */
  readonly grader?: unknown
  readonly sampling?: SuiteSampling | undefined
  /** The most prompts that are taken. */
  readonly limit?: number | undefined
  readonly name?: string | undefined
}

/** One answer, the likeliest. */
export const defaultSampling: SuiteSampling = { samples: 1, temperature: 0, max_tokens: 128, seed: 0 }
const defaultLimit = 200

export function suiteRow({ rows, grader = referenceGrader, sampling = defaultSampling, limit = defaultLimit, name }: NewSuite): Row<'suites'> {
  const digest = createHash('sha256').update(sortedJson([rows.content, grader, sampling, limit])).digest('hex')
  return {
    id: `suite_${digest.slice(0, 24)}`, created_at: Date.now(), name: name ?? rows.label, rows: rows.reference, dataset_id: rows.datasetId,
    kind: rows.kind ?? null, grader_json: JSON.stringify(grader), sampling_json: JSON.stringify(sampling), row_limit: limit,
  }
}

/** JSON in which the order of keys says nothing. */
function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    (typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part))
}
