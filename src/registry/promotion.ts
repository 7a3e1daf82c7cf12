/** When a job's adapter takes the place of the one that an alias points to. */
import type { Comparison } from '../train/job-comparison.ts'

/** The general loss may rise by this factor. */
const generalLossLimit = 1.02

/** With fewer held-out prompts an interval says nothing. */
const fewestPrompts = 8

export interface Decision {
  readonly promote: boolean
  /** A sentence for the job's log and the alias's history. */
  readonly reason: string
}

/** What became of a job's alias. */
export interface Promotion extends Decision {
  readonly alias: string
  /** What the alias pointed to when the job ended; null: the base. */
  readonly incumbent: string | null
  readonly comparison: Comparison | null
}

/**
 * An alias moves by itself only if held-out preference improves (95% interval above 0) and the general loss rises by at most 2%.
 * @param comparison undefined where there are no held-out rows
 */
export function decide(comparison: Comparison | undefined): Decision {
  if (comparison === undefined) return { promote: false, reason: 'there are no held-out rows to compare on: give a validation_file' }
  const { prompts, measure, preference: { value, low, high }, generalLoss: { before, after } } = comparison
  const figures = `${measure}: ${signed(value)} (95% interval ${signed(low)} to ${signed(high)}, ${prompts} held-out prompts)`
  const rise = `general loss ${signed((after / before - 1) * 100, 1)}%`
  if (prompts < fewestPrompts) return { promote: false, reason: `${prompts} held-out prompts are too few to tell, ${fewestPrompts} are needed; ${figures}` }
  if (!(low > 0)) return { promote: false, reason: `held-out preference does not surely improve; ${figures}; ${rise}` }
  if (!(after <= before * generalLossLimit)) return { promote: false, reason: `the general loss rises by more than 2%; ${rise}; ${figures}` }
  return { promote: true, reason: `held-out preference improves; ${figures}; ${rise}` }
}

function signed(value: number, digits = 4): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(digits)}`
}
