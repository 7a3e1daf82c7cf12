/** How long a unit of work takes: figures of one machine, and how fast another is beside it. */
import type { Precision } from '../models/graph/linear-maps.ts'
import type { EstimateBasis } from './run-estimate.ts'
import type { Work } from './work.ts'

/** How fast a machine is. */
export interface Pace {
  /** CPU seconds of one of its cores for each of the machine whose figures are below. */
  readonly factor: number
  /** The same of products with weights in 8 or 4 bits: how a machine's integer kernels compare with those for floats is its own. */
  readonly quantized: number
  readonly cores: number
  readonly source: EstimateBasis['pace']
}

/**
 * CPU nanoseconds for each unit of work, fitted by least squares to 13 runs of SmolLM2-135M (AMD EPYC with AVX-512, two cores); no
 * phase of them is off by more than 17%. bench/estimates.ts compares other runs with what comes of them.
 */
const rates = {
  /** A multiply-add of the blocks' linear layers, by the base's precision; f32 and int8 are the output head's too. */
  linear: { f32: 0.0095, int8: 0.0062, int4: 0.012, nf4: 0.014 } satisfies Readonly<Record<Precision, number>>,
  dense: 0.017,
  scores: 3.2,
  elements: 0.57,
  weights: 0.25,
  updates: 5,
  runs: 13e6,
}

/** What n cores do of one core's work is n to this power; 1.87 of two was measured, more cores were not. */
const parallel = 0.9

/** Seconds of some work by the clock. */
export function secondsOf(work: Work, precision: Precision, { factor, quantized, cores }: Pace): number {
  // NF4 is unpacked, and multiplied in f32.
  const isQuantized = precision === 'int8' || precision === 'int4'
  const frozen = work.linear * rates.linear[precision] + work.head * rates.linear[isQuantized ? 'int8' : 'f32'] + work.weights * rates.weights
  const rest = work.dense * rates.dense + work.scores * rates.scores + work.elements * rates.elements + work.updates * rates.updates + work.runs * rates.runs
  return ((isQuantized ? quantized : factor) * frozen + factor * rest) / cores ** parallel / 1e9
}

/** Nanoseconds in which a value is written, hashed and flushed to the disk, on one core; fitted to checkpoints of full fine-tuning. */
const saving = 6.5

/** @param values of 4 bytes, in checkpoints and in what a run leaves */
export function savingSeconds(values: number, { factor }: Pace): number {
  return (factor * values * saving) / 1e9
}

/** CPU seconds of all cores for each second by the clock, where a machine does nothing else. */
export function cpuShare({ cores }: Pace): number {
  return cores ** parallel
}

/** Seconds in which a graph is built and compiled, on one core, for each layer of its model; and in which a run begins. */
const compiling = { forward: 0.022, backward: 0.078, start: 0.8 }

/** @param forward graphs without gradients, beside the one with them */
export function compileSeconds(layers: number, forward: number, { factor }: Pace): number {
  return factor * (compiling.start + layers * (compiling.backward + forward * compiling.forward))
}
