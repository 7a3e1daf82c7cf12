/** What `/v1/evaluations` and `/v1/map` answer: types alone, which the Studio shares. Times are seconds since 1970. */

export interface WireEstimate {
  readonly value: number
  /** 95% interval. */
  readonly low: number
  readonly high: number
}

export type EvaluationStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'

/** One model, measured on one suite. */
export interface WireEvaluation {
  readonly id: string
  readonly object: 'evaluation'
  readonly created_at: number
  readonly finished_at: number | null
  readonly status: EvaluationStatus
  /** As `/v1/models` lists it. */
  readonly model: string
  /** null: the base. */
  readonly adapter: string | null
  readonly suite: WireSuite
  /** The job that asked for it when it had ended; null: somebody did. */
  readonly job: string | null
  readonly progress: { readonly done: number; readonly total: number }
  readonly error: string | null
  readonly result: WireEvaluationResult | null
}

/** What is measured and how: evaluations of one suite can be compared, prompt by prompt. */
export interface WireSuite {
  /** The same for the same rows, grader and sampling. */
  readonly id: string
  readonly name: string
  /** `dataset:NAME@VERSION` (its held-out part) or a file's id. */
  readonly rows: string
  readonly grader: unknown
  /** What the grader measures, in words. */
  readonly measure: string
  readonly sampling: { readonly samples: number; readonly temperature: number; readonly max_tokens: number; readonly seed: number }
  /** The most prompts that are taken of the rows, drawn by the seed. */
  readonly limit: number
}

export interface WireEvaluationResult {
  readonly prompts: number
  /** Mean reward over prompts, 0 to 1 where the grader's is: the map's correctness. */
  readonly score: WireEstimate
  /** Of a grader that is made of several: each one's mean. */
  readonly components: Readonly<Record<string, WireEstimate>>
  /** Share of answers that did not end before the limit, and of those that no grader could judge. */
  readonly cut: number
  readonly ungraded: number
  /** Where the rows are pairs: the share in which the model finds the chosen answer likelier per token than the rejected one. */
  readonly preference_accuracy: WireEstimate | null
}

/** Two evaluations of one suite. */
export interface WireEvaluationComparison {
  readonly object: 'evaluation.comparison'
  readonly before: WireEvaluation
  readonly after: WireEvaluation
  /** Mean change over prompts. */
  readonly change: WireEstimate
  /** Share of prompts on which the later one does better by the grader, ties counted half. */
  readonly win_rate: WireEstimate
  readonly better: number
  readonly worse: number
  readonly same: number
  readonly components: readonly { readonly name: string; readonly before: WireEstimate; readonly after: WireEstimate; readonly change: WireEstimate }[]
}

export interface WireAnswer {
  readonly text: string
  readonly reward: number | null
  readonly components: Readonly<Record<string, number | null>>
  readonly finish_reason: string
}

/** A prompt of the suite under one or two models. */
export interface WireEvaluationItem {
  readonly object: 'evaluation.item'
  readonly position: number
  /** Whether a user's deletion has removed its texts: prompt and answers are empty, their rewards remain. */
  readonly deleted: boolean
  readonly prompt: readonly { readonly role: string; readonly content: string }[]
  /** What the answer should have been, where the row says. */
  readonly reference: string | null
  readonly answers: readonly WireAnswer[]
  readonly reward: number | null
  /** In a comparison: the same prompt under the earlier model. */
  readonly before?: { readonly answers: readonly WireAnswer[]; readonly reward: number | null }
  readonly change?: number | null
}

/** A page of items; `after` of the next one is the position of its last. */
export interface WireEvaluationItems {
  readonly object: 'list'
  readonly data: readonly WireEvaluationItem[]
  readonly has_more: boolean
  readonly last_position: number | null
  /** Of all pages. */
  readonly total: number
}

/** `GET /v1/map?suite=ID`: where each model stands on one suite, and which run moved it there. */
export interface WireMap {
  readonly object: 'map'
  /** The newest first. */
  readonly suites: readonly (WireSuite & { readonly models: number; readonly last: number })[]
  /** The one that is shown; null: nothing was measured yet. */
  readonly suite: WireSuite | null
  /** What the axes are, in words. */
  readonly correctness: string
  readonly preference: string
  readonly points: readonly WireMapPoint[]
  readonly arrows: readonly WireMapArrow[]
  /** Adapters that this suite has not measured. */
  readonly unmeasured: readonly { readonly model: string; readonly run: string | null }[]
}

export interface WireMapPoint {
  readonly model: string
  /** null: the base. */
  readonly adapter: string | null
  readonly evaluation: string
  readonly correctness: WireEstimate
  /** Win rate over the base (the base itself: one half), or accuracy on held-out pairs. */
  readonly preference: WireEstimate
  readonly aliases: readonly string[]
}

export interface WireMapArrow {
  /** The run that made `to`; it is in `/v1/runs`. */
  readonly run: string
  readonly method: string
  /** Models of points; where the parent was not measured, its nearest ancestor that was. */
  readonly from: string
  readonly to: string
}
