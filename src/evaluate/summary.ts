import type { Grade } from './graders/index.ts'
import { type Estimate, meanEstimate, meanOf } from './statistics.ts'

/** What a set of rows was graded. */
export interface GradeSummary {
  /** Rows; of each, the mean of its completions counts. */
  readonly rows: number
  readonly completions: number
  /** Mean over the rows that have a reward; NaN where none has. */
  readonly reward: Estimate
  /** By name, the mean of each component over the completions where it is not null. */
  readonly components: Readonly<Record<string, number>>
  /** Completions without a reward, and how often for which reason, the most frequent first. */
  readonly missing: number
  readonly reasons: readonly { readonly reason: string; readonly count: number }[]
}

/** Summarizes the grades of each row's completions; `seed` is that of the interval's bootstrap. */
export function summarizeGrades(rows: readonly (readonly Grade[])[], seed = 0): GradeSummary {
  const grades = rows.flat()
  const names = new Set(grades.flatMap(({ components }) => Object.keys(components)))
  const reasons = new Map<string, number>()
  for (const { error } of grades) {
    if (error !== undefined) reasons.set(error, (reasons.get(error) ?? 0) + 1)
  }
  return {
    rows: rows.length,
    completions: grades.length,
    reward: meanEstimate(rows.map(rowReward).filter(reward => reward !== null), seed),
    components: Object.fromEntries([...names].map(name => [name, meanOf(numbers(grades.map(({ components }) => components[name] ?? null)))])),
    missing: grades.filter(({ reward }) => reward === null).length,
    reasons: [...reasons].map(([reason, count]) => ({ reason, count })).toSorted((a, b) => b.count - a.count),
  }
}

/** The mean reward of a row's completions; null where none has one. */
export function rowReward(grades: readonly Grade[]): number | null {
  const rewards = numbers(grades.map(({ reward }) => reward))
  return rewards.length === 0 ? null : meanOf(rewards)
}

function numbers(values: readonly (number | null)[]): number[] {
  return values.filter(value => value !== null)
}
