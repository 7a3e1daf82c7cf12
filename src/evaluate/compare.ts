import { type Estimate, shareEstimate, signTest } from './statistics.ts'

/** How often B's answer is judged better than A's. */
export interface WinRate {
  /** Rows where B scores higher. */
  readonly wins: number
  readonly losses: number
  readonly ties: number
  /** Share of the rows that B wins, ties counted half, with Wilson's interval; NaN of no rows. */
  readonly rate: number
  readonly interval: readonly [low: number, high: number]
  /** Of the sign test over the rows that are no ties: how likely such a split is if neither is better. */
  readonly pValue: number
}

/** Scores of one judge for the answers of A and B to the same rows. Rows that lack one of them do not count. */
export function winRate(a: readonly (number | null)[], b: readonly (number | null)[]): WinRate {
  if (a.length !== b.length) throw new Error(`${a.length} scores are compared with ${b.length}`)
  let wins = 0
  let losses = 0
  let ties = 0
  for (const [i, score] of a.entries()) {
    const other = b[i]!
    if (score === null || other === null) continue
    if (other > score) wins++
    else if (other < score) losses++
    else ties++
  }
  const { value: rate, low, high }: Estimate = shareEstimate(wins + ties / 2, wins + losses + ties)
  return { wins, losses, ties, rate, interval: [low, high], pValue: signTest(wins, losses) }
}
