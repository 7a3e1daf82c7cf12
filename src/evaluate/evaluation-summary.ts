/** What the answers to a suite come to, alone and against another model's. */
import { setImmediate } from 'node:timers/promises'
import { winRate } from './compare.ts'
import type { AnswerGrade, EvaluationResult, ItemGrades } from './evaluation.ts'
import { meanEstimate, meanOf, pairedDifference, shareEstimate, type Estimate } from './statistics.ts'
import { rowReward } from './summary.ts'

/** @param preferred of each pair that the model can read, whether it prefers the chosen answer; undefined: the rows are no pairs */
export function summarizeItems(items: readonly ItemGrades[], preferred?: readonly boolean[]): EvaluationResult {
  const grades = items.flatMap((item) => item.grades)
  return {
    prompts: items.length,
    score: meanEstimate(numbers(items.map(rewardOf))),
    components: Object.fromEntries(componentNames(items).map((name) => [name, meanEstimate(numbers(items.map((item) => componentOf(item, name))))])),
    cut: shareOf(grades, ({ finish_reason: reason }) => reason === 'length'),
    ungraded: shareOf(grades, ({ reward }) => reward === null),
    preferenceAccuracy: preferred === undefined || preferred.length === 0 ? null : shareEstimate(preferred.filter(Boolean).length, preferred.length),
  }
}

/** Two models on the same prompts; those that one of them lacks, or that could not be graded, do not count. */
export interface ItemComparison {
  /** Mean change over prompts. */
  readonly change: Estimate
  readonly winRate: Estimate
  readonly better: number
  readonly worse: number
  readonly same: number
  readonly components: readonly { readonly name: string; readonly before: Estimate; readonly after: Estimate; readonly change: Estimate }[]
}

/** Bootstraps one estimate after the other, with a pause between two of them. */
export async function compareItems(before: readonly ItemGrades[], after: readonly ItemGrades[]): Promise<ItemComparison> {
  const pairs = pairItems(before, after)
  const [a, b] = bothOf(pairs, rewardOf)
  const change = pairedDifference(a, b)
  const { wins: better, losses: worse, ties: same, rate, interval: [low, high] } = winRate(a, b)
  const components = []
  for (const name of componentNames(pairs.map(({ after }) => after))) {
    const [old, now] = bothOf(pairs, (item) => componentOf(item, name))
    if (old.length === 0) continue
    await setImmediate()
    components.push({ name, before: meanEstimate(old), after: meanEstimate(now), change: pairedDifference(old, now) })
  }
  return { change, winRate: { value: rate, low, high }, better, worse, same, components }
}

interface ItemPair<Item> {
  readonly before: Item
  readonly after: Item
}

/** The prompts that both have, in the order of `after`. */
export function pairItems<Item extends { readonly position: number }>(before: readonly Item[], after: readonly Item[]): ItemPair<Item>[] {
  const byPosition = new Map(before.map((item) => [item.position, item]))
  return after.flatMap((item) => {
    const other = byPosition.get(item.position)
    return other === undefined ? [] : [{ before: other, after: item }]
  })
}

export function rewardOf({ grades }: Pick<ItemGrades, 'grades'>): number | null {
  return rowReward(grades)
}

function componentOf({ grades }: ItemGrades, name: string): number | null {
  const values = numbers(grades.map(({ components }) => components[name] ?? null))
  return values.length === 0 ? null : meanOf(values)
}

/** Of a grader that is made of others; one alone is its own only component, which says nothing more. */
function componentNames(items: readonly ItemGrades[]): string[] {
  const names = [...new Set(items.flatMap(({ grades }) => grades.flatMap(({ components }) => Object.keys(components))))]
  const isGraded = (name: string): boolean => items.some((item) => componentOf(item, name) !== null)
  return names.length < 2 ? [] : names.filter(isGraded)
}

/** A value of both sides, where both have it. */
function bothOf(pairs: readonly ItemPair<ItemGrades>[], value: (item: ItemGrades) => number | null): [before: number[], after: number[]] {
  const both = pairs.flatMap(({ before, after }) => {
    const [a, b] = [value(before), value(after)]
    return a === null || b === null ? [] : [[a, b] as const]
  })
  return [both.map(([a]) => a), both.map(([, b]) => b)]
}

function shareOf(grades: readonly AnswerGrade[], is: (grade: AnswerGrade) => boolean): number {
  return grades.length === 0 ? 0 : grades.filter(is).length / grades.length
}

function numbers(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null)
}
