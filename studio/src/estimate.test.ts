import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readChange, readEstimate, sayEstimate, signed, verdictOn } from './estimate.ts'

test('value and bounds have the same decimals, as many as the interval gives a meaning to', () => {
  assert.deepEqual(readEstimate({ value: 0.7, low: 0.6968, high: 0.7034 }), { value: '0.700', low: '0.697', high: '0.703' })
  assert.deepEqual(readEstimate({ value: 0.7, low: 0.651, high: 0.75 }), { value: '0.70', low: '0.65', high: '0.75' })
  assert.deepEqual(readEstimate({ value: 0.7, low: 0.6999, high: 0.7001 }).value, '0.7000')
  assert.deepEqual(readEstimate({ value: 3.123, low: 1, high: 5 }), { value: '3.12', low: '1.00', high: '5.00' })
})

test('a value without an interval is said without one', () => {
  assert.equal(sayEstimate({ value: 0.5, low: 0.5, high: 0.5 }), '0.50')
  assert.equal(sayEstimate({ value: 0.5, low: 0.4, high: 0.65 }), '0.50, 95% interval 0.40 to 0.65')
})

test('changes have a sign, zero has none', () => {
  assert.deepEqual(readChange({ value: 0.12, low: -0.05, high: 0.29 }), { value: '+0.12', low: '−0.05', high: '+0.29' })
  assert.deepEqual(readChange({ value: 0.02, low: 0.002, high: 0.04 }), { value: '+0.020', low: '+0.002', high: '+0.040' })
  assert.deepEqual(readChange({ value: 0.02, low: 0, high: 0.04 }).low, '0.00')
  assert.equal(signed(-0.001, 2), '0.00')
  assert.equal(signed(0, 1), '0.0')
})

test('a change is better or worse only where its whole interval is', () => {
  assert.equal(verdictOn({ value: 0.1, low: 0.01, high: 0.2 }), 'better')
  assert.equal(verdictOn({ value: -0.1, low: -0.2, high: -0.01 }), 'worse')
  assert.equal(verdictOn({ value: 0.1, low: 0, high: 0.2 }), 'unclear')
  assert.equal(verdictOn({ value: -0.1, low: -0.3, high: 0.1 }), 'unclear')
})
