/**
 * AdamW on the host, over named f32 parameters: adapters are a small part of the weights, so their update needs no graph.
 */
import { UserError } from '../errors.ts'

/** Named f32 values: parameters, their gradients or their moments. */
export type NamedArrays = ReadonlyMap<string, Float32Array>

/** How one parameter departs from the rest. */
export interface ParameterRule {
  /** Multiplies the step's learning rate (LoRA+: larger for B). Default 1. */
  readonly lrScale?: number
  /** Whether weight decay applies. Default true. */
  readonly decay?: boolean
}

export interface AdamWSettings {
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weightDecay: number
  /** Asked once for each parameter, by its name. */
  readonly rule?: (name: string) => ParameterRule
}

/** What an optimizer must remember to go on bit by bit as if it had never stopped. */
export interface OptimizerState {
  /** Updates made so far. */
  readonly step: number
  /** `exp_avg.NAME` and `exp_avg_sq.NAME` for every parameter, of its length. Views, not copies. */
  readonly moments: NamedArrays
}

export interface Optimizer {
  /** Updates all parameters in place. `gradients` has an entry of equal length for each of them. */
  step(gradients: NamedArrays, lr: number): void
  state(): OptimizerState
  /** Copies a saved state in. Throws a UserError where a tensor is missing or has another length. */
  restore(state: OptimizerState): void
}

interface Slot {
  readonly name: string
  readonly values: Float32Array
  readonly expAvg: Float32Array
  readonly expAvgSq: Float32Array
  readonly lrScale: number
  readonly weightDecay: number
}

/**
 * AdamW (Loshchilov & Hutter 2019) in the order of torch.optim.AdamW: decay of the parameter, moments, bias
 * corrections, `eps` added to the corrected root. Scalars are rounded to f32 as torch does; each element is computed
 * in f64 and rounded when it is stored, which in JavaScript is faster than f32 arithmetic, and no less exact.
 */
export function createAdamW(parameters: NamedArrays, settings: AdamWSettings): Optimizer {
  const { betas, eps, weightDecay, rule } = settings
  const slots = [...parameters].map(([name, values]): Slot => {
    const { lrScale = 1, decay = true } = rule?.(name) ?? {}
    const expAvg = new Float32Array(values.length)
    const expAvgSq = new Float32Array(values.length)
    return { name, values, expAvg, expAvgSq, lrScale, weightDecay: decay ? weightDecay : 0 }
  })
  const moments = new Map(
    slots.flatMap(({ name, expAvg, expAvgSq }) => [[`exp_avg.${name}`, expAvg], [`exp_avg_sq.${name}`, expAvgSq]]),
  )
  let steps = 0

  return {
    step(gradients, lr) {
      steps += 1
      for (const slot of slots) {
        const gradient = sameLength(gradients, slot.name, slot.values.length)
        updateSlot(slot, gradient, { lr: lr * slot.lrScale, step: steps, betas, eps })
      }
    },
    state: () => ({ step: steps, moments }),
    restore(saved) {
      for (const [name, values] of moments) sameLength(saved.moments, name, values.length)
      for (const [name, values] of moments) values.set(saved.moments.get(name)!)
      steps = saved.step
    },
  }
}

interface Update {
  readonly lr: number
  /** Counted from 1. */
  readonly step: number
  readonly betas: readonly [number, number]
  readonly eps: number
}

function updateSlot(slot: Slot, gradient: Float32Array, { lr, step, betas: [beta1, beta2], eps }: Update): void {
  const { values, expAvg, expAvgSq } = slot
  const keep = Math.fround(1 - lr * slot.weightDecay)
  const weight1 = Math.fround(1 - beta1)
  const weight2 = Math.fround(1 - beta2)
  const beta2f = Math.fround(beta2)
  const stepSize = Math.fround(lr / (1 - beta1 ** step))
  const correction2 = Math.fround(Math.sqrt(1 - beta2 ** step))
  const epsf = Math.fround(eps)
  for (let i = 0; i < values.length; i++) {
    const g = gradient[i]!
    const m = expAvg[i]! + weight1 * (g - expAvg[i]!)
    const v = expAvgSq[i]! * beta2f + weight2 * g * g
    expAvg[i] = m
    expAvgSq[i] = v
    values[i] = values[i]! * keep - (stepSize * m) / (Math.sqrt(v) / correction2 + epsf)
  }
}

function sameLength(arrays: NamedArrays, name: string, length: number): Float32Array {
  const found = arrays.get(name)
  if (found?.length === length) return found
  const was = found === undefined ? 'is missing' : `has ${found.length} values`
  throw new UserError(`The optimizer expects ${length} values for ${name}, which ${was}.`)
}

/**
 * Scales all gradients in place so that their global L2 norm is at most `maxNorm`, as torch's clip_grad_norm_:
 * by `maxNorm / (norm + 1e-6)`, only where that is below 1.
 *
 * Returns the norm before clipping, summed in f64. It is not finite exactly if some gradient is not; nothing is
 * scaled then, and `firstNonFinite` names the tensor.
 */
export function clipGradients(gradients: NamedArrays, maxNorm: number): number {
  let sum = 0
  for (const values of gradients.values()) sum += sumOfSquares(values)
  const norm = Math.sqrt(sum)
  const scale = Math.fround(maxNorm / (norm + 1e-6))
  if (Number.isFinite(norm) && scale < 1) {
    for (const values of gradients.values()) scaleInPlace(values, scale)
  }
  return norm
}

function sumOfSquares(values: Float32Array): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!
  return sum
}

function scaleInPlace(values: Float32Array, scale: number): void {
  for (let i = 0; i < values.length; i++) values[i]! *= scale
}

/** The name of the first tensor with a NaN or an infinity, if there is one. */
export function firstNonFinite(arrays: NamedArrays): string | undefined {
  for (const [name, values] of arrays) {
    if (!allFinite(values)) return name
  }
  return undefined
}

/** A finite number times zero is zero, any other NaN: one pass without a branch for each value. */
function allFinite(values: Float32Array): boolean {
  let zero = 0
  for (let i = 0; i < values.length; i++) zero += values[i]! * 0
  return zero === 0
}
