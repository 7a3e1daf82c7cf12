import assert from 'node:assert/strict'
import { test } from 'node:test'

import { exactMatch, inForm } from './accuracy.ts'
import { summedLoss } from './loss.ts'

test('an answer is exact if it is the reference, white space around it aside', () => {
  assert.equal(exactMatch(['a b\n', 'a  b', 'A b', 'a b c'], ['a b', 'a b', 'a b', 'a b']), 0.25)
  assert.equal(exactMatch([], []), 0)
})

test('an answer is in form if it matches the pattern as a whole', () => {
  assert.equal(inForm([' R05 — Cough', 'It is R05 — Cough', 'R05'], /^[A-Z]\d\d — \S.*$/), 1 / 3)
})

test('the loss is over the tokens that the mask names, each predicted from those before it', () => {
  const mask = Uint8Array.of(0, 0, 1, 1)
  assert.deepEqual(summedLoss({ mask }, Float32Array.of(-8, -1, -0.5)), { loss: 1.5, tokens: 2 })
  assert.deepEqual(summedLoss({ mask: new Uint8Array(4) }, Float32Array.of(-8, -1, -0.5)), { loss: 0, tokens: 0 })
})
