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

/** Whether the likeliest token is taken, without chance. */
export function isGreedy({ temperature, topK }: SamplingOptions): boolean {
  return temperature === 0 || topK === 1
}

/** Whether some tokens are left out. */
export function isTruncated({ topK, topP }: SamplingOptions): boolean {
  return topK !== undefined || topP !== undefined
}

/** The next token's place among the logits, [V] or a part of them. Of equal ones the lower is the likelier. */
export function sampleToken(logits: Float32Array, options: SamplingOptions, random: Random): number {
  if (isGreedy(options)) return largest(logits)
  const { temperature, topK, topP } = options
  const peak = logits[largest(logits)]!
  const weightOf = (logit: number): number => Math.exp((logit - peak) / temperature)
  if (!isTruncated(options)) return draw(Float64Array.from(logits, weightOf), random)
  // Stable: equal logits stay in the order of their ids.
  const sorted = Uint32Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b).subarray(0, topK)
  const weights = Float64Array.from(sorted, (id) => weightOf(logits[id]!))
  return sorted[draw(topP === undefined ? weights : weights.subarray(0, nucleusSize(weights, topP)), random)]!
}

function largest(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

/** How many of the descending weights it takes to reach the share p; at least one. */
function nucleusSize(weights: Float64Array, p: number): number {
  const target = p * total(weights)
  let sum = 0
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i]!
    if (sum >= target) return i + 1
  }
  return weights.length
}

/** The place of a weight, each as likely as its share; none that is 0. */
function draw(weights: Float64Array, random: Random): number {
  let left = (random.uint32() / 2 ** 32) * total(weights)
  let last = 0
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue
    left -= weights[i]!
    if (left < 0) return i
    last = i
  }
  return last
}

function total(weights: Float64Array): number {
  let sum = 0
  for (const weight of weights) sum += weight
  return sum
}
