import type { Estimate } from '../../estimate.ts'

/** What a line of measured values reaches from and to: 0 to 1 where they lie within, as most graders' do; else what holds them. */
export function rangeOf(estimates: readonly Estimate[]): readonly [low: number, high: number] {
  const low = Math.min(0, ...estimates.map((each) => each.low))
  const high = Math.max(1, ...estimates.map((each) => each.high))
  return [low, high]
}
