import { Random } from '../random.ts'

/** An estimate and the bounds that hold it with 95% confidence. */
export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** The 97.5th percentile of the normal distribution. */
const Z = 1.959963984540054
const RESAMPLES = 2_000

/**
 * The mean of `values` with its bootstrap interval (percentiles of the means of resamples, Efron 1979), the same for the
 * same seed; NaN of none. The values must be independent: of several completions of a prompt, give their mean.
 */
export function meanEstimate(values: readonly number[], seed = 0): Estimate {
  const mean = meanOf(values)
  if (values.length < 2) return { value: mean, low: mean, high: mean }
  const random = new Random(seed)
  const means = Float64Array.from({ length: RESAMPLES }, () => {
    let sum = 0
    for (let i = 0; i < values.length; i++) sum += values[random.below(values.length)]!
    return sum / values.length
  }).sort()
  return { value: mean, low: quantile(means, 0.025), high: quantile(means, 0.975) }
}

/** The mean of `b[i] - a[i]` with its bootstrap interval: pairs are drawn whole, so what makes a row hard cancels out. */
export function pairedDifference(a: readonly number[], b: readonly number[], seed = 0): Estimate {
  if (a.length !== b.length) throw new Error(`${a.length} values are paired with ${b.length}`)
  return meanEstimate(b.map((value, i) => value - a[i]!), seed)
}

/** A share with Wilson's score interval (1927), which stays within 0 and 1 also for few trials; NaN of none. */
export function shareEstimate(successes: number, trials: number): Estimate {
  const share = successes / trials
  if (trials === 0) return { value: share, low: 0, high: 1 }
  const weight = Z ** 2 / trials
  const centre = (share + weight / 2) / (1 + weight)
  const half = (Z * Math.sqrt((share * (1 - share)) / trials + weight / (4 * trials))) / (1 + weight)
  return { value: share, low: Math.max(0, centre - half), high: Math.min(1, centre + half) }
}

/**
 * Two-sided p-value of the sign test: how likely a split at least as uneven is where wins and losses are equally likely.
 * Ties say nothing and are left out by the caller. Exact: the sum of a binomial distribution's tails.
 */
export function signTest(wins: number, losses: number): number {
  const trials = wins + losses
  const fewer = Math.min(wins, losses)
  let tail = 0
  let logTerm = -trials * Math.LN2
  for (let k = 0; k <= fewer; k++) {
    tail += Math.exp(logTerm)
    logTerm += Math.log(trials - k) - Math.log(k + 1)
  }
  return Math.min(1, 2 * tail)
}

/** NaN of no values. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Of ascending values, with linear interpolation between neighbours. */
function quantile(ascending: Float64Array, share: number): number {
  const at = share * (ascending.length - 1)
  const below = ascending[Math.floor(at)]!
  return below + (at - Math.floor(at)) * (ascending[Math.ceil(at)]! - below)
}
