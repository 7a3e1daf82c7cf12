/** What `POST /v1/evaluations` is sent, and what a suite is called. */
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

type Named = Pick<WireSuite, 'id' | 'name' | 'measure' | 'sampling' | 'limit'>

/** A suite's name; where others have the same one, what is measured too, and where that is no help either, how. */
export function suiteTitle(suite: Named, suites: readonly Named[]): string {
  const { name, measure, sampling: { samples, temperature, max_tokens }, limit } = suite
  const namesakes = suites.filter((each) => each.name === name)
  if (namesakes.length < 2) return name
  if (namesakes.filter((each) => each.measure === measure).length < 2) return `${name}: ${measure}`
  return `${name}: ${measure}, ${samples} × ${max_tokens} tokens at temperature ${temperature}, ${limit} questions at most`
}
