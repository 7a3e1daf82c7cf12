/** What is said of a run before it begins. */
import type { Precision } from '../models/graph/linear-maps.ts'

export interface TimePart {
  readonly name: 'setup' | 'reference' | 'sampling' | 'training' | 'evaluation' | 'saving'
  readonly seconds: number
}

export interface MemoryPart {
  readonly name: 'process' | 'base' | 'optimizer' | 'activations' | 'attention' | 'logits' | 'sampling'
  readonly mb: number
}

/** What the estimate rests on. */
export interface EstimateBasis {
  /** Where the speed is from: runs that ended on this machine, a short trial of it, or another machine's figures. */
  readonly pace: 'runs' | 'trial' | 'assumed'
  readonly rowsSampled: number
  /** Where answers are sampled: the length that was taken for them. */
  readonly answerTokens?: number
}

export interface RunEstimate {
  readonly steps: number
  /** Trained on, as the run counts them. */
  readonly tokens: number
  readonly seconds: number
  /** Of all cores together. */
  readonly cpuSeconds: number
  /** Of a step, sampling included. */
  readonly secondsPerStep: number
  /** Peak resident memory of the run's process, MiB. */
  readonly memoryMb: number
  readonly parts: readonly TimePart[]
  readonly memory: readonly MemoryPart[]
  readonly precision: Precision
  readonly basis: EstimateBasis
}
