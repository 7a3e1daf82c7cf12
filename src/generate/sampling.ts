import { UserError } from '../errors.ts'
import type { Random } from '../random.ts'

export interface SamplingOptions {
  /** 0 is greedy. */
  readonly temperature: number
  /** Only the k most likely tokens; undefined: all. */
  readonly topK?: number | undefined
  /** Only the most likely tokens whose probabilities together reach p (Holtzman et al. 2020); undefined: all. */
  readonly topP?: number | undefined
}

/** Throws a UserError that names the parameter that is out of its range. */
export function checkSampling({ temperature, topK, topP }: SamplingOptions): void {
  const refuse = (name: string, value: number, range: string): never => {
    throw new UserError(`${name} is ${value}: it must be ${range}`, { exitCode: 2 })
  }
  if (!(temperature >= 0 && temperature <= 100)) refuse('temperature', temperature, 'from 0 (greedy) to 100')
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) refuse('top_k', topK, 'a whole number from 1')
  if (topP !== undefined && !(topP > 0 && topP <= 1)) refuse('top_p', topP, 'above 0 and at most 1')
}

/** The next token's id. Ties go to the lower id. @param logits [V] */
export function sampleToken(logits: Float32Array, { temperature, topK, topP }: SamplingOptions, random: Random): number {
  if (temperature === 0 || topK === 1) return largest(logits)
  const candidates = topCandidates(logits, topK, topP, temperature)
  return draw(candidates, random)
}

function largest(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

interface Candidates {
  readonly ids: ArrayLike<number>
  /** Not normalized, the most likely one 1. */
  readonly weights: Float64Array
}

function topCandidates(logits: Float32Array, topK: number | undefined, topP: number | undefined, temperature: number): Candidates {
  const peak = logits[largest(logits)]!
  const weightOf = (id: number): number => Math.exp((logits[id]! - peak) / temperature)
  if (topK === undefined && topP === undefined) {
    const ids = Uint32Array.from(logits.keys())
    return { ids, weights: Float64Array.from(ids, weightOf) }
  }
  // Stable: equal logits stay in the order of their ids.
  const sorted = Uint32Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b)
  const ids = sorted.subarray(0, topK ?? sorted.length)
  const weights = Float64Array.from(ids, weightOf)
  const count = topP === undefined ? ids.length : nucleusSize(weights, topP)
  return { ids: ids.subarray(0, count), weights: weights.subarray(0, count) }
}

/** How many of the descending weights it takes to reach the share p; at least one. */
function nucleusSize(weights: Float64Array, p: number): number {
  const target = p * weights.reduce((sum, weight) => sum + weight, 0)
  let sum = 0
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i]!
    if (sum >= target) return i + 1
  }
  return weights.length
}

function draw({ ids, weights }: Candidates, random: Random): number {
  let left = (random.uint32() / 2 ** 32) * weights.reduce((sum, weight) => sum + weight, 0)
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i]!
    if (left < 0) return ids[i]!
  }
  return ids[ids.length - 1]!
}
