/** The lines of a run's logs. `step` is the number of optimizer steps done: 0 before the first, N at checkpoint step-N. */

/** A line of metrics.jsonl: one optimizer step. Methods add metrics of their own (`rewards/margins`). */
export interface StepMetrics {
  readonly step: number
  /** Passes over the data so far, in fractions. */
  readonly epoch: number
  readonly loss: number
  /** Global L2 norm before clipping. */
  readonly grad_norm: number
  readonly lr: number
  /** Trained so far in this run. */
  readonly tokens: number
  readonly tokens_per_second: number
  /** Peak resident memory of the process, MiB. */
  readonly memory_mb: number
  readonly [metric: string]: number
}

/** A line of samples.jsonl: what the model said at this step. */
export interface Sample {
  readonly step: number
  /** Sampled to learn from, or the likeliest answer to a held-out row. */
  readonly split: 'train' | 'eval'
  readonly prompt: unknown
  readonly completion: string
  /** null: no grader could give one; `error` says why. */
  readonly reward: number | null
  /** By the graders' names. */
  readonly components: Readonly<Record<string, number | null>>
  readonly finish_reason: 'stop' | 'length'
  readonly error?: string
}

/** A line of events.jsonl: what happened beside the steps. */
export type RunEvent = { readonly step: number } & (
  /** `steps`: how many there are to be; early stopping may end the run before. */
  | { readonly type: 'started'; readonly steps?: number }
  | { readonly type: 'finished' }
  /** Checkpoints that were passed over as damaged, each with the reason. */
  | { readonly type: 'resumed'; readonly damaged: readonly string[] }
  /** Loss or reward and the method's metrics on the held-out rows, and the loss on the general set that measures forgetting. */
  | { readonly type: 'evaluation'; readonly loss?: number; readonly reward?: number; readonly general_loss?: number; readonly [metric: string]: unknown }
  | { readonly type: 'stopped' | 'warning' | 'failed'; readonly message: string }
)

/** As it is on the disk. */
export type StoredEvent = RunEvent & { /** ISO 8601, UTC. */ readonly time: string }
