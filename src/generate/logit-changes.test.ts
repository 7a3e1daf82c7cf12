import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../random.ts'
import type { GenerateRequest } from './completion.ts'
import { changesLogits, LogitChanges, type TokenConstraint } from './logit-changes.ts'
import { largestLogits, sampleToken } from './sampling.ts'

const plain: GenerateRequest = { prompt: [0], maxTokens: 9, temperature: 1 }
/** Probabilities 0.4, 0.3, 0.2, 0.1. */
const logits = Float32Array.from([0.4, 0.3, 0.2, 0.1], Math.log)

function probabilities(changed: Float32Array): number[] {
  const weights = Array.from(changed, Math.exp)
  const sum = weights.reduce((a, b) => a + b)
  return weights.map((weight) => weight / sum)
}

function assertNear(actual: readonly number[], expected: readonly number[]): void {
  actual.forEach((value, i) => { assert.ok(Math.abs(value - expected[i]!) < 1e-6, `${actual.join()} instead of ${expected.join()}`) })
}

test('a bias is added to the logit: odds change by its exponential', () => {
  const changed = new LogitChanges({ ...plain, logitBias: { 3: Math.log(4), 0: -100 } }, undefined).apply(logits)
  assertNear(probabilities(changed), [0, 0.3 / 0.9, 0.2 / 0.9, 0.4 / 0.9])
  assertNear(Array.from(logits), [0.4, 0.3, 0.2, 0.1].map(Math.log))
})

test('100 forces and -100 forbids, whatever the logits of a model', () => {
  const random = new Random(1)
  const extreme = Float32Array.of(30, -20, 25, 0)
  for (let i = 0; i < 100; i++) {
    assert.equal(sampleToken(new LogitChanges({ ...plain, logitBias: { 1: 100 } }, undefined).apply(extreme), plain, random), 1)
    assert.notEqual(sampleToken(new LogitChanges({ ...plain, logitBias: { 0: -100 } }, undefined).apply(extreme), plain, random), 0)
  }
})

test('presence is taken once from what was generated, frequency as often as it was', () => {
  const changes = new LogitChanges({ ...plain, presencePenalty: 0.5, frequencyPenalty: 0.25 }, undefined)
  assertNear(Array.from(changes.apply(logits)), Array.from(logits))
  for (const id of [1, 2, 1, 1]) changes.take(id)
  assertNear(Array.from(changes.apply(logits)), [logits[0]!, logits[1]! - 0.5 - 3 * 0.25, logits[2]! - 0.5 - 0.25, logits[3]!])
})

test('a negative penalty rewards repetition', () => {
  const changes = new LogitChanges({ ...plain, presencePenalty: -2 }, undefined)
  changes.take(3)
  assertNear([changes.apply(logits)[3]!], [logits[3]! + 2])
})

test('what a format forbids stays forbidden, whatever its bias', () => {
  const taken: number[] = []
  const constraint: TokenConstraint = { allowed: () => Uint32Array.of(0b1010, 1 << 31), accept: (id) => { taken.push(id) }, isFinished: false }
  const changes = new LogitChanges({ ...plain, logitBias: { 0: 100, 63: 1 } }, constraint)
  const changed = changes.apply(new Float32Array(70))
  assert.deepEqual([...changed.entries()].filter(([, logit]) => logit > -Infinity), [[1, 0], [3, 0], [63, 1]])
  changes.take(63)
  assert.deepEqual(taken, [63])
})

test('greedy takes the largest of the changed logits', () => {
  const changes = new LogitChanges({ ...plain, logitBias: { 2: 1 } }, undefined)
  assert.equal(sampleToken(changes.apply(logits), { temperature: 0 }, new Random(1)), 2)
})

test('nothing asked for is no change: such rows choose in the graph', () => {
  for (const request of [{}, { logitBias: {} }, { presencePenalty: 0, frequencyPenalty: 0 }, { topLogprobs: 5 }]) assert.ok(!changesLogits({ ...plain, ...request }))
  for (const request of [{ logitBias: { 1: 1 } }, { presencePenalty: 1 }, { frequencyPenalty: -1 }, { format: { type: 'json_object' } as const }]) {
    assert.ok(changesLogits({ ...plain, ...request }))
  }
})

test('the largest logits, in their order, of equal ones the lower id', () => {
  const random = new Random(4)
  const values = Float32Array.from({ length: 500 }, () => random.below(60) / 4)
  const expected = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b)
  for (const count of [1, 2, 20, 500]) assert.deepEqual(largestLogits(values, count), expected.slice(0, count))
  assert.deepEqual(largestLogits(Float32Array.of(-Infinity, 1), 5), [1, 0])
})
