/** What is known of a run, whoever made it: a job, or a recipe at the command line. Times are milliseconds since 1970. */
import type { JobStatus } from '../store/index.ts'
import type { Thinned } from '../train/downsample.ts'
import type { RunStatus } from '../train/run-glance.ts'
import type { JobError } from './job-states.ts'
import type { Promotion } from './promotion.ts'
import type { RunRecipe } from './run-recipes.ts'

/** Rows that a run learns from. */
export interface RunData {
  /** A file's id or `dataset:NAME@VERSION`; null: a file that only its recipe knows. */
  readonly reference: string | null
  readonly name: string
}

export interface RunSummary {
  readonly id: string
  readonly name: string
  readonly kind: 'job' | 'folder'
  readonly status: JobStatus | RunStatus
  /** It was told to stop and keep what it has learnt. */
  readonly finishing: boolean
  readonly method: string
  /** What it began with: the base, an adapter or an alias, as it was asked for. */
  readonly model: string
  /** The adapter that it began with; null: a new one. */
  readonly parent: string | null
  /** The adapter that came of it, where it is registered. */
  readonly adapter: string | null
  /** The alias that is to point to it. */
  readonly alias: string | null
  readonly data: readonly RunData[]
  readonly createdAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly step: number
  readonly steps: number | null
  readonly loss: number | null
  readonly reward: number | null
  readonly evalLoss: number | null
  readonly evalReward: number | null
  readonly etaSeconds: number | null
  readonly error: JobError | null
}

export interface RunLogEvent {
  readonly at: number
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
  /** null: not of a step. */
  readonly step: number | null
}

export interface RunEvaluation {
  readonly step: number
  readonly metrics: Readonly<Record<string, number>>
}

export interface RunCheckpoint {
  readonly step: number
  /** The adapter that was made of it, as it is served. */
  readonly adapter: string | null
}

export interface RunDetail extends RunSummary {
  readonly recipe: RunRecipe
  /** The newest first. */
  readonly events: readonly RunLogEvent[]
  /** In the order of their steps, thinned where they are many. */
  readonly evaluations: readonly RunEvaluation[]
  /** report.md */
  readonly report: string | null
  readonly tokens: number | null
  readonly tokensPerSecond: number | null
  /** Highest of all steps, MiB. */
  readonly memoryMb: number | null
  readonly promotion: Promotion | null
  /** The newest first. */
  readonly checkpoints: readonly RunCheckpoint[]
  /** Metrics that the run logs. */
  readonly keys: readonly string[]
  /** Whether it logs samples. */
  readonly sampled: boolean
}

export interface RunCurves extends Thinned {
  readonly evaluations: Thinned
  /** The last step of the run. */
  readonly last: number
}
