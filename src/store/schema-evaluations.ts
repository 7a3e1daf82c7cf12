/** The tables of what models are measured on, and of what came of it: see schema.ts. */

/** What models are measured on, and how: the id is the digest of all of it. */
export interface SuiteTable {
  readonly id: string
  readonly created_at: number
  readonly name: string
  /** File id, or `dataset:NAME@VERSION`: its held-out rows. */
  readonly rows: string
  /** null: the rows are a file's. */
  readonly dataset_id: string | null
  /** The kind of the rows: data/kinds.ts; null: of a file whose rows were not read yet. */
  readonly kind: string | null
  readonly grader_json: string
  /** {samples, temperature, max_tokens, seed} */
  readonly sampling_json: string
  /** The most prompts that are taken of the rows. */
  readonly row_limit: number
}

/** One model, measured on one suite. */
export interface EvaluationTable {
  readonly id: string
  readonly suite_id: string
  readonly created_at: number
  readonly finished_at: number | null
  readonly status: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'
  /** Name of the base that was measured, alone or under the adapter; null: it was not noted yet. */
  readonly base: string | null
  /** Of the base when it was measured last; null: it has not begun, or that was not noted yet. */
  readonly precision: string | null
  /** null: the base. */
  readonly adapter_id: string | null
  /** Of the adapter's weights: under an id there may be others later. Empty: the base. */
  readonly adapter_sha256: string
  /** The job that asked for it; null: somebody did. */
  readonly job_id: string | null
  /** Prompts that are answered and graded, of how many; 0 until that is known. */
  readonly done: number
  readonly total: number
  readonly error: string | null
  /** evaluate/evaluation.ts: `EvaluationResult` */
  readonly result_json: string | null
}

/** A prompt of a suite under one model. */
export interface EvaluationItemTable {
  readonly evaluation_id: string
  /** The row's, in its dataset or its file. */
  readonly position: number
  /** With `position`, the row that it was made of; null: a file's. */
  readonly dataset_id: string | null
  /** Mean over its answers; null: none could be graded. */
  readonly reward: number | null
  /** [{reward, components, finish_reason}], one for each answer. */
  readonly grades_json: string
  /** {prompt, reference, answers}; null once deleted. */
  readonly texts_json: string | null
}
