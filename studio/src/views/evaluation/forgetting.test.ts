import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generalLossOf } from './forgetting.ts'

test('the general loss before and after a run, whatever was measured in between', () => {
  const evaluations = [
    { step: 24, metrics: { loss: 0.2, general_loss: 2.2 } }, { step: 12, metrics: { loss: 0.5 } }, { step: 0, metrics: { loss: 0.7, general_loss: 2 } },
  ]
  const { before, after, rise } = generalLossOf({ evaluations })!
  assert.deepEqual([before, after], [2, 2.2])
  assert.ok(Math.abs(rise - 10) < 1e-9)
})

test('a run that measured it once, or never, tells nothing of a change', () => {
  assert.equal(generalLossOf({ evaluations: [] }), undefined)
  assert.equal(generalLossOf({ evaluations: [{ step: 0, metrics: { general_loss: 2 } }, { step: 9, metrics: { loss: 1 } }] }), undefined)
})
