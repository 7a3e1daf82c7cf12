/** Measured values with their 95% intervals, as people read them. */
import type { WireEstimate } from '../../src/server/routes/evaluations-wire.ts'

export type Estimate = WireEstimate

export interface EstimateText {
  readonly value: string
  readonly low: string
  readonly high: string
}

/** Value and bounds with the same number of decimals: as many as its width gives a meaning to, 2 to 4. */
export function readEstimate({ value, low, high }: Estimate): EstimateText {
  const decimals = decimalsFor(high - low)
  const read = (number: number): string => number.toFixed(decimals)
  return { value: read(value), low: read(low), high: read(high) }
}

/** The same for a change: with a sign, no sign before a zero, and no bound that only looks like zero. */
export function readChange({ value, low, high }: Estimate): EstimateText {
  const looksZero = (decimals: number): boolean => [low, high].some((bound) => bound !== 0 && Number(bound.toFixed(decimals)) === 0)
  let decimals = decimalsFor(high - low)
  while (decimals < 4 && looksZero(decimals)) decimals++
  const read = (number: number): string => signed(number, decimals)
  return { value: read(value), low: read(low), high: read(high) }
}

/** "+0.12", "−0.12", "0.00" */
export function signed(number: number, decimals: number): string {
  const digits = Math.abs(number).toFixed(decimals)
  if (Number(digits) === 0) return digits
  return `${number < 0 ? '−' : '+'}${digits}`
}

/** "0.73, 95% interval 0.65 to 0.80": for whoever hears it. */
export function sayEstimate(estimate: Estimate): string {
  const { value, low, high } = readEstimate(estimate)
  return low === high ? value : `${value}, 95% interval ${low} to ${high}`
}

function decimalsFor(width: number): number {
  if (!(width > 0)) return 2
  return Math.min(4, Math.max(2, -Math.floor(Math.log10(width))))
}

export type Verdict = 'better' | 'worse' | 'unclear'

/** What a change says: its sign counts where the whole interval has it. */
export function verdictOn({ low, high }: Estimate): Verdict {
  if (low > 0) return 'better'
  return high < 0 ? 'worse' : 'unclear'
}

export const verdictWords: Readonly<Record<Verdict, string>> = {
  better: 'better beyond chance',
  worse: 'worse beyond chance',
  unclear: 'not distinguishable from chance',
}
