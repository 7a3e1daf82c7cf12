import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AnswerGrade } from './evaluation.ts'
import type { ItemGrades } from './evaluation.ts'
import { compareItems, summarizeItems } from './evaluation-summary.ts'

function grade(reward: number | null, components: Readonly<Record<string, number | null>> = { one: reward }, reason: AnswerGrade['finish_reason'] = 'stop'): AnswerGrade {
  return { reward, components, finish_reason: reason }
}

function items(...grades: readonly (readonly AnswerGrade[])[]): ItemGrades[] {
  return grades.map((each, position) => ({ position, grades: each }))
}

test('the score is the mean over prompts, of each the mean of its answers', () => {
  const result = summarizeItems(items([grade(1), grade(0), grade(0)], [grade(1, {}, 'length'), grade(null, {})], [grade(null), grade(null)]))
  assert.equal(result.prompts, 3)
  assert.ok(Math.abs(result.score.value - (1 / 3 + 1) / 2) < 1e-12, `${result.score.value}`)
  assert.ok(result.score.low <= result.score.value && result.score.value <= result.score.high)
  assert.deepEqual([result.cut, result.ungraded], [1 / 7, 3 / 7])
  assert.deepEqual([result.components, result.preferenceAccuracy], [{}, null])
})

test('components of a grader that is made of others; those that never had a value are left out', () => {
  const { components } = summarizeItems(items([grade(0.5, { a: 1, b: 0, c: null })], [grade(1, { a: 1, b: 1, c: null })]))
  assert.deepEqual(Object.keys(components), ['a', 'b'])
  assert.deepEqual([components['a']!.value, components['b']!.value], [1, 0.5])
})

test('the accuracy on pairs is a share with Wilson\'s interval', () => {
  const { preferenceAccuracy } = summarizeItems(items([grade(1)]), [true, true, false, true])
  assert.equal(preferenceAccuracy!.value, 0.75)
  assert.ok(Math.abs(preferenceAccuracy!.low - 0.3006) < 1e-4 && Math.abs(preferenceAccuracy!.high - 0.9544) < 1e-4)
  assert.equal(summarizeItems(items([grade(1)]), []).preferenceAccuracy, null, 'of no pair there is none')
})

test('a comparison is by prompt: what one side lacks or could not grade does not count', async () => {
  const before = items([grade(0, { a: 0, b: 0 })], [grade(0.5, { a: 1, b: 0 })], [grade(1, { a: 1, b: 1 })], [grade(null, { a: null, b: 1 })], [grade(0.2, { a: 0, b: 0 })])
  const after = items([grade(1, { a: 1, b: 1 })], [grade(0.5, { a: 0, b: 1 })], [grade(0.5, { a: 1, b: 0 })], [grade(1, { a: 1, b: 1 })]).toReversed()
  const comparison = await compareItems(before, after)
  assert.deepEqual([comparison.better, comparison.worse, comparison.same], [1, 1, 1])
  assert.ok(Math.abs(comparison.change.value - 0.5 / 3) < 1e-12)
  assert.equal(comparison.winRate.value, 0.5)
  const [a, b] = comparison.components
  assert.deepEqual([a!.name, a!.before.value, a!.after.value, a!.change.value], ['a', 2 / 3, 2 / 3, 0])
  assert.deepEqual([b!.name, b!.before.value, b!.after.value, b!.change.value], ['b', 0.5, 0.75, 0.25])
})

test('models that have no prompt in common are not compared', async () => {
  const comparison = await compareItems(items([grade(1)]), [{ position: 5, grades: [grade(1)] }])
  assert.deepEqual([comparison.better, comparison.worse, comparison.same], [0, 0, 0])
  assert.ok(Number.isNaN(comparison.change.value))
})
