import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requireFinite } from './finite.ts'

const gradients = new Map([['a', Float32Array.of(1)], ['b', Float32Array.of(1, NaN)]])
const finite = new Map([['a', Float32Array.of(1)]])

test('finite steps pass', () => {
  requireFinite({ step: 1, loss: 0, gradNorm: 1e30, gradients: finite })
})

test('a loss that is not finite is named with its step', () => {
  for (const loss of [NaN, Infinity, -Infinity]) {
    assert.throws(() => requireFinite({ step: 12, loss, gradNorm: 1, gradients: finite }), {
      name: 'UserError', exitCode: 1, message: new RegExp(`^Stopped at step 12: the loss is ${loss}\\. .*those of step 11`),
    })
  }
})

test('a gradient that is not finite is named with its tensor', () => {
  assert.throws(() => requireFinite({ step: 3, loss: 1, gradNorm: NaN, gradients }), {
    name: 'UserError', message: /^Stopped at step 3: the gradient of b is not finite/,
  })
})
