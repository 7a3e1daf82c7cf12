import assert from 'node:assert/strict'
import { test } from 'node:test'
import { afterEvaluation, evaluationDue, isBest, noProgress, shouldStop } from './stop.ts'
import type { Progress } from './stop.ts'

const after = (losses: readonly number[]): Progress => losses.reduce((progress, loss, i) => afterEvaluation(progress, i, loss), noProgress)

/** The evaluation after which a run with these losses stops. */
function stopsAt(losses: readonly number[], patience: number | undefined): number | undefined {
  const at = losses.findIndex((_, i) => shouldStop(after(losses.slice(0, i + 1)), patience))
  return at === -1 ? undefined : at
}

test('the best evaluation is the lowest, and the earlier of equal ones', () => {
  const progress = after([3, 2, 2.5, 2, 2.1])
  assert.deepEqual(progress, { best: { step: 1, loss: 2 }, evaluationsSinceBest: 3 })
  assert.deepEqual([isBest(progress, 1), isBest(progress, 4)], [true, false])
  assert.deepEqual(after([3, 2, 2.5, 1.9]), { best: { step: 3, loss: 1.9 }, evaluationsSinceBest: 0 })
  assert.equal(isBest(noProgress, 0), false)
})

test('the progress can be taken from a checkpoint\'s state, and nothing else of it is taken along', () => {
  const state = { best: { step: 4, loss: 1 }, evaluationsSinceBest: 0, step: 4, tokens: 9 }
  assert.deepEqual(afterEvaluation(state, 5, 2), { best: { step: 4, loss: 1 }, evaluationsSinceBest: 1 })
})

test('patience counts evaluations in a row that bring nothing better', () => {
  assert.equal(stopsAt([3, 2, 2.1, 1.9, 2, 2, 1], 2), 5)
  assert.equal(stopsAt([3, 2, 2, 1], 1), 2)
  assert.equal(stopsAt([3, 2, 1, 0.5], 1), undefined)
  assert.equal(stopsAt([3, 4, 5, 6, 7], undefined), undefined)
})

test('a loss that is not finite is never the best, and uses up patience', () => {
  assert.deepEqual(after([2, NaN, Infinity]), { best: { step: 0, loss: 2 }, evaluationsSinceBest: 2 })
  assert.equal(stopsAt([NaN, NaN], 2), 1)
  assert.equal(stopsAt([2, NaN, 1], 2), undefined)
})

test('evaluations are due before the first step, as planned, and after the last', () => {
  const due = (every: number | undefined): number[] =>
    Array.from({ length: 11 }, (_, step) => step).filter((step) => evaluationDue(step, { totalSteps: 10, stepsPerEpoch: 4, every }))
  assert.deepEqual(due(undefined), [0, 4, 8, 10])
  assert.deepEqual(due(3), [0, 3, 6, 9, 10])
  assert.deepEqual(due(50), [0, 10])
})
