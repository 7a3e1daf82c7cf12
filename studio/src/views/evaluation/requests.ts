/** What `POST /v1/evaluations` is sent. */
import type { WireSuite } from '../../../../src/server/routes/evaluations-wire.ts'

export interface EvaluationBody {
  readonly models: readonly string[]
  readonly rows: string
  /** Left out: the answer is compared with the rows' own. */
  readonly grader?: unknown
  readonly name?: string
  readonly sampling: Partial<WireSuite['sampling']>
  readonly limit: number
}

/** The same questions again, to other models: what is answered can be compared. */
export function again({ rows, grader, name, sampling, limit }: WireSuite, models: readonly string[]): EvaluationBody {
  return { models, rows, grader, name, sampling, limit }
}
