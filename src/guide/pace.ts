/** How long a unit of work takes. */
import type { ModelConfig } from '../models/config.ts'
import type { Precision } from '../models/graph/linear-maps.ts'
import type { Work } from './work.ts'

/** How fast a machine is, beside the one whose figures are below. */
export interface Pace {
  /** Seconds here for each second there. */
  readonly factor: number
  readonly source: 'runs' | 'trial' | 'assumed'
}

/** Nanoseconds for each unit of work, by the clock, on two cores of an AMD EPYC with AVX-512. */
interface Rates {
  /** A multiply-add of the blocks' linear layers. */
  readonly linear: number
  /** A multiply-add of the output head. */
  readonly head: number
  /** A weight that is read or unpacked anew for each run of a graph. */
  readonly weights: number
}

const rates: Readonly<Record<Precision, Rates>> = {
  f32: { linear: 0.0065, head: 0.0065, weights: 0 },
  int8: { linear: 0.0035, head: 0.004, weights: 0 },
  int4: { linear: 0.005, head: 0.004, weights: 1 },
  nf4: { linear: 0.0065, head: 0.0065, weights: 2 },
}
const common = { dense: 0.02, scores: 1, elements: 0.5, updates: 3, runs: 2e6 }

/** Seconds of some work. */
export function secondsOf(work: Work, { precision, pace }: { readonly config: ModelConfig; readonly precision: Precision; readonly pace: Pace }): number {
  const { linear, head, weights } = rates[precision]
  const nanoseconds = work.linear * linear + work.head * head + work.weights * weights + work.dense * common.dense + work.scores * common.scores +
    work.elements * common.elements + work.updates * common.updates + work.runs * common.runs
  return pace.factor * nanoseconds / 1e9
}

/** The pace of this machine. */
export function thisPace(): Pace {
  return { factor: 1, source: 'assumed' }
}
