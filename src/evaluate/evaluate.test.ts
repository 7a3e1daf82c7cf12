import assert from 'node:assert/strict'
import { test } from 'node:test'

import { summedLoss } from './loss.ts'

test('the loss is over the tokens that the mask names, each predicted from those before it', () => {
  const mask = Uint8Array.of(0, 0, 1, 1)
  assert.deepEqual(summedLoss({ mask }, Float32Array.of(-8, -1, -0.5)), { loss: 1.5, tokens: 2 })
  assert.deepEqual(summedLoss({ mask: new Uint8Array(4) }, Float32Array.of(-8, -1, -0.5)), { loss: 0, tokens: 0 })
})
