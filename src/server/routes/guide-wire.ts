/** What `/v1/guide`, `/v1/advise` and `/v1/estimates` answer: types alone, which the Studio shares. */
import type { Decision, SituationId } from '../../guide/decision-table.ts'
import type { DatasetToMake } from '../../guide/facts.ts'
import type { Guide } from '../../guide/guide.ts'
import type { Stage } from '../../guide/headline-path.ts'
import type { EstimateBasis, MemoryPart, TimePart } from '../../guide/run-estimate.ts'
import type { RecipeInput } from '../../train/recipe.ts'

export type { Claim, Verdict } from '../../guide/claims.ts'
export type { Decision, SituationId } from '../../guide/decision-table.ts'
export type { Stage, TuningGoal } from '../../guide/headline-path.ts'
export type { Reference, ReferenceId } from '../../guide/references.ts'
export type { Technique, TechniqueId } from '../../guide/techniques.ts'

/** `GET /v1/guide` */
export type WireGuide = Guide & { readonly object: 'guide' }

/** What `POST /v1/advise` takes. With neither dataset nor file, advice is of what the store has. */
export interface WireAdviceRequest {
  readonly dataset?: string | null
  readonly file?: string | null
  readonly goal?: SituationId | null
  /** What the training is to go on from; the base unless given. */
  readonly model?: string | null
}

/** `POST /v1/advise` */
export interface WireAdvice {
  readonly object: 'advice'
  /** A row of the decision table; null: there is nothing to learn from yet. */
  readonly decision: Decision | null
  readonly stage: Stage['id'] | null
  readonly reasons: readonly string[]
  readonly warnings: readonly string[]
  /** In the order in which they are to be done. */
  readonly runs: readonly WireAdvisedRun[]
  readonly next: readonly string[]
}

export interface WireAdvisedRun {
  readonly title: string
  readonly recipe: RecipeInput
  readonly yaml: string
  /** What is to be made by `POST /v1/datasets` before: the recipe's `dataset:NAME` is not there yet. */
  readonly datasets: readonly DatasetToMake[]
  /** null where the rows are not there yet. */
  readonly estimate: WireEstimateOfRun | null
}

/** `POST /v1/estimates`, which takes the body of a fine-tuning job. */
export interface WireEstimateOfRun {
  readonly object: 'estimate'
  readonly steps: number
  readonly tokens: number
  readonly seconds: number
  /** Of all cores together. */
  readonly cpu_seconds: number
  readonly seconds_per_step: number
  /** Peak of the job's process, MiB. */
  readonly memory_mb: number
  readonly parts: readonly TimePart[]
  readonly memory: readonly MemoryPart[]
  readonly precision: string
  readonly basis: EstimateBasis
  readonly machine: { readonly memory_mb: number; readonly cores: number; readonly cpu: string }
}
