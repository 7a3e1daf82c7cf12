import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generalLossOf } from './forgetting.ts'

test('the general loss of a job that was compared', () => {
  assert.deepEqual(generalLossOf({ promote: true, comparison: { measure: 'x', generalLoss: { before: 2.2, after: 2.21 } } }), { before: 2.2, after: 2.21 })
})

test('a job without a comparison has none', () => {
  for (const promotion of [null, undefined, {}, { comparison: null }, { comparison: { generalLoss: { before: null, after: 2 } } }]) {
    assert.equal(generalLossOf(promotion), undefined)
  }
})
