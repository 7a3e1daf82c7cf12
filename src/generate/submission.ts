import type { Completion, GenerateRequest } from './completion.ts'
import type { Row, Taken } from './row.ts'

/** What a request hears. After `done` or `failed` it hears nothing more. */
export interface Listener {
  token(sample: number, taken: Taken): void
  /** @param completions the request's samples */
  done(completions: Completion[]): void
  failed(error: unknown): void
}

/** A request in the engine's hands. */
export interface Submission {
  readonly request: GenerateRequest
  readonly rows: readonly Row[]
  readonly listener: Listener
  /** Done, failed or cancelled: its rows leave before the next step. */
  ended: boolean
}

/** Hands out a request's completions if it has them all. */
export function finish(submission: Submission): void {
  if (submission.rows.some(({ completion }) => completion === undefined)) return
  submission.ended = true
  submission.listener.done(submission.rows.map(({ completion }) => completion!))
}

/** Tells a request why it gets no answer, unless it has ended. */
export function fail(submission: Submission, error: unknown): void {
  if (submission.ended) return
  submission.ended = true
  submission.listener.failed(error)
}
