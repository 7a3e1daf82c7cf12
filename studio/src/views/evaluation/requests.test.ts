import assert from 'node:assert/strict'
import { test } from 'node:test'
import { again, suiteTitle } from './requests.ts'

const suite = {
  id: 'a', name: 'heldout', rows: 'dataset:x@1', grader: { type: 'length' }, measure: 'brevity', limit: 50,
  sampling: { samples: 2, temperature: 0.7, max_tokens: 64, seed: 3 },
}

test('the same questions again are the same suite: rows, grader, sampling and limit', () => {
  const { id: _id, measure: _measure, ...same } = suite
  assert.deepEqual(again(suite, ['v1']), { models: ['v1'], ...same })
})

test('a suite is called by its name, and by more only where that is not enough', () => {
  const other = { ...suite, id: 'b', name: 'maths' }
  const graded = { ...suite, id: 'c', measure: 'equal' }
  const longer = { ...suite, id: 'd', limit: 200 }
  assert.equal(suiteTitle(suite, [suite, other]), 'heldout')
  assert.equal(suiteTitle(graded, [suite, graded]), 'heldout: equal')
  assert.notEqual(suiteTitle(suite, [suite, graded, longer]), suiteTitle(longer, [suite, graded, longer]))
})
