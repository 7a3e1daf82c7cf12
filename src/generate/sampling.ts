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
  const likeliest = largest(logits)
  if (isGreedy(options)) return likeliest
  const weights = temperedWeights(logits, logits[likeliest]!, options.temperature)
  if (!isTruncated(options)) return draw(weights, random)
  const candidates = topCandidates(weights, options)
  return candidates[draw(Float64Array.from(candidates, (id) => weights[id]!), random)]!
}

/** Ids of the `count` largest logits, the largest first, of equal ones the lower id. */
export function largestLogits(logits: Float32Array, count: number): number[] {
  const ids: number[] = []
  let least = -Infinity
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!
    if (ids.length === count && !(logit > least)) continue
    let place = Math.min(ids.length, count - 1)
    while (place > 0 && logits[ids[place - 1]!]! < logit) {
      ids[place] = ids[place - 1]!
      place--
    }
    ids[place] = id
    least = logits[ids.at(-1)!]!
  }
  return ids
}

function largest(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

/** Probabilities up to a factor: the likeliest has 1. */
function temperedWeights(logits: Float32Array, peak: number, temperature: number): Float64Array {
  const weights = new Float64Array(logits.length)
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]!
    if (logit !== -Infinity) weights[i] = Math.exp((logit - peak) / temperature)
  }
  return weights
}

/** Weights down to which candidates are looked for and sorted, first among few, last among all. */
const floors = [1e-3, 1e-6, 0]

/** Ids of the tokens that top-k and top-p leave, the likeliest first. */
function topCandidates(weights: Float64Array, { topK = Infinity, topP }: SamplingOptions): Uint32Array {
  let candidates = new Uint32Array()
  for (const floor of floors) {
    candidates = heavierThan(floor, weights).subarray(0, topK)
    if (candidates.length === topK) break
    if (topP !== undefined && topK === Infinity && sumOf(candidates, weights) >= topP * total(weights)) break
  }
  if (topP === undefined) return candidates
  const target = topP * (topK === Infinity ? total(weights) : sumOf(candidates, weights))
  return candidates.subarray(0, nucleusSize(candidates, weights, target))
}

/** Ids of all weights of at least `floor`, the heaviest first; equal ones in the order of their ids. */
function heavierThan(floor: number, weights: Float64Array): Uint32Array<ArrayBuffer> {
  let count = 0
  for (let id = 0; id < weights.length; id++) if (weights[id]! >= floor) count++
  const ids = new Uint32Array(count)
  for (let id = 0, at = 0; at < count; id++) if (weights[id]! >= floor) ids[at++] = id
  return ids.sort((a, b) => weights[b]! - weights[a]! || a - b)
}

/** How many of the candidates it takes to reach the target together; at least one. */
function nucleusSize(candidates: Uint32Array, weights: Float64Array, target: number): number {
  let sum = 0
  for (let i = 0; i < candidates.length; i++) {
    sum += weights[candidates[i]!]!
    if (sum >= target) return i + 1
  }
  return candidates.length
}

function sumOf(candidates: Uint32Array, weights: Float64Array): number {
  let sum = 0
  for (const id of candidates) sum += weights[id]!
  return sum
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
