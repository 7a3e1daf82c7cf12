import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pairAnswers, rewardText } from './pairs.ts'

function answer(text: string, reward: number | null) {
  return { text, reward, components: {}, finish_reason: 'stop' }
}

function texts(change: number | null, before: readonly (number | null)[], after: readonly (number | null)[]): readonly string[] {
  const item = { change, before: { answers: before.map((reward, i) => answer(`b${i}`, reward)), reward: null }, answers: after.map((reward, i) => answer(`a${i}`, reward)) }
  return pairAnswers(item).map(({ earlier, later }) => `${earlier?.text ?? ''}-${later?.text ?? ''}`)
}

test('of a question that got better, the answers come first that show it', () => {
  assert.deepEqual(texts(0.4, [0.5, 0.1], [0.5, 0.9]), ['b1-a1', 'b0-a0'])
  assert.deepEqual(texts(-0.4, [0.5, 0.9], [0.5, 0.1]), ['b1-a1', 'b0-a0'])
})

test('without a change they come as they were sampled', () => {
  assert.deepEqual(texts(0, [0.1, 0.9], [0.9, 0.1]), ['b0-a0', 'b1-a1'])
  assert.deepEqual(texts(null, [null, null], [1, 0]), ['b0-a0', 'b1-a1'])
})

test('where one has fewer answers, none is lost', () => {
  assert.deepEqual(texts(0, [0.1], [0.9, 0.1]), ['b0-a0', '-a1'])
})

test('rewards have two decimals, or are none', () => {
  assert.deepEqual([rewardText(1), rewardText(0.666), rewardText(null)], ['1.00', '0.67', 'none'])
})
