/** What `/v1/runs` answers: types alone, which the Studio shares. Times are seconds since 1970. */

/** A job's status, or that of a run that no job made: `running`, `succeeded`, `failed`, `interrupted` (its process is gone). */
export type WireRunStatus = 'validating_files' | 'queued' | 'running' | 'pausing' | 'paused' | 'succeeded' | 'failed' | 'cancelled' | 'interrupted'

export interface WireRunData {
  /** A file's id or `dataset:NAME@VERSION`; null: a file that only its recipe knows. */
  readonly id: string | null
  readonly name: string
}

export interface WireRun {
  readonly id: string
  readonly object: 'run'
  readonly name: string
  /** `folder`: below one of the operator's roots, made by `posttrain train`. */
  readonly kind: 'job' | 'folder'
  readonly status: WireRunStatus
  /** It was told to stop and keep what it has learnt. */
  readonly finishing: boolean
  readonly method: string
  /** What it began with, as it was asked for. */
  readonly model: string
  /** The adapter that it began with; null: a new one. */
  readonly parent: string | null
  /** The adapter that came of it, as it is served. */
  readonly adapter: string | null
  /** The alias that is to point to it. */
  readonly alias: string | null
  readonly data: readonly WireRunData[]
  readonly created_at: number
  readonly started_at: number | null
  readonly finished_at: number | null
  readonly step: number
  /** How many there are to be. */
  readonly steps: number | null
  readonly loss: number | null
  /** Mean reward of the answers that were sampled last. */
  readonly reward: number | null
  /** On the held-out rows, as it was measured last. */
  readonly eval_loss: number | null
  readonly eval_reward: number | null
  readonly eta_seconds: number | null
  readonly error: { readonly code: string; readonly message: string; readonly param: string | null } | null
}

export interface WireRunEvent {
  readonly created_at: number
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
  readonly step: number | null
}

export interface WireRunDetail extends WireRun {
  /** Every default filled in; names in the place of paths where a job made it. */
  readonly recipe: Readonly<Record<string, unknown>>
  readonly recipe_yaml: string
  /** The newest first. */
  readonly events: readonly WireRunEvent[]
  /** By step: `loss` or `reward` on the held-out rows, `general_loss`, and the method's own; thinned where they are many. */
  readonly evaluations: readonly { readonly step: number; readonly metrics: Readonly<Record<string, number>> }[]
  /** report.md, of a run that is over. */
  readonly report: string | null
  readonly result: { readonly adapter: string | null; readonly steps: number; readonly tokens: number | null } | null
  readonly tokens: number | null
  readonly tokens_per_second: number | null
  /** Highest of all steps, MiB. */
  readonly memory_mb: number | null
  /** What became of its alias, and why. */
  readonly promotion: WirePromotion | null
  /** The newest first. */
  readonly checkpoints: readonly { readonly step: number; readonly adapter: string | null }[]
  /** Metrics that it logs. */
  readonly keys: readonly string[]
  /** Whether it logs samples. */
  readonly sampled: boolean
}

export interface WirePromotion {
  readonly alias: string
  /** What the alias pointed to; null: the base. */
  readonly incumbent: string | null
  /** Whether the alias has moved. */
  readonly promote: boolean
  readonly reason: string
}

/** A metric, one number for each point; null where there is none. */
export interface WireSeries {
  readonly mean: readonly (number | null)[]
  /** Least and greatest of the point's rows; left out where a point is one row. */
  readonly min?: readonly (number | null)[]
  readonly max?: readonly (number | null)[]
}

export interface WireCurves {
  /** Rows of each point: 1, 2, 4 … */
  readonly rows: number
  readonly steps: readonly number[]
  readonly series: Readonly<Record<string, WireSeries>>
}

/** `GET /v1/runs/ID/metrics` */
export interface WireRunMetrics extends WireCurves {
  readonly object: 'run.metrics'
  readonly evaluations: WireCurves
  /** The run's last step so far. */
  readonly last: number
}

/** `GET /v1/runs/ID/samples`: one answer. */
export interface WireSample {
  readonly object: 'run.sample'
  readonly id: string
  readonly step: number
  readonly split: 'train' | 'eval'
  /** A text or messages, as the row has it. */
  readonly prompt: unknown
  readonly completion: string
  readonly reward: number | null
  /** By the graders' names. */
  readonly components: Readonly<Record<string, number | null>>
  readonly finish_reason: 'stop' | 'length'
  /** Why no grader could judge it. */
  readonly error: string | null
}

/** `GET /v1/runs/compare`: keys of the recipes that are not the same in all runs; null where a recipe has none. */
export interface WireRunComparison {
  readonly object: 'run.comparison'
  readonly runs: readonly string[]
  readonly differences: readonly { readonly key: string; readonly values: readonly unknown[] }[]
}
