import assert from 'node:assert/strict'
import { test } from 'node:test'
import { described, planOf, smoothed, tablePlaces, valueAt, type ChartSeries } from './chart.ts'

const loss: ChartSeries = { label: 'loss', x: [1, 2, 4], y: [4, null, 1], low: [3, null, 0], high: [5, null, 2] }
const heldOut: ChartSeries = { label: 'held-out', x: [0, 4], y: [6, 2], dots: true }

test('series with steps of their own share one axis: where one has none it has no value, and no gap', () => {
  const { x, lines, rows } = planOf([loss, heldOut])
  assert.deepEqual(x, [0, 1, 2, 4])
  assert.deepEqual(lines.map(({ of, role }) => [of, role]), [[0, 'high'], [0, 'low'], [0, 'main'], [1, 'main']])
  assert.deepEqual(rows[2], [undefined, 4, null, 1])
  assert.deepEqual(rows[3], [6, undefined, undefined, 2])
})

test('a logarithmic axis leaves out what has no logarithm', () => {
  assert.deepEqual(planOf([loss], { log: true }).rows[1], [3, null, null])
})

test('smoothing keeps the raw line beneath, and leaves single measurements alone', () => {
  const { lines, rows } = planOf([loss, heldOut], { smoothing: 0.5 })
  assert.deepEqual(lines.map(({ role }) => role), ['high', 'low', 'raw', 'main', 'main'])
  assert.deepEqual(rows[2], [undefined, 4, null, 1])
  assert.deepEqual(rows[4], [6, undefined, undefined, 2])
})

test('the first smoothed value is the first value, a constant stays one, and a jump is followed by degrees', () => {
  assert.deepEqual(smoothed([3, 3, null, 3], 0.9).map((value) => value?.toFixed(6)), ['3.000000', '3.000000', undefined, '3.000000'])
  const [first, second] = smoothed([0, 1], 0.5)
  assert.equal(first, 0)
  assert.ok(Math.abs(second! - 2 / 3) < 1e-12)
})

test('between its steps a series has its last value', () => {
  assert.equal(valueAt(loss, 0), null)
  assert.equal(valueAt(loss, 1), 4)
  assert.equal(valueAt(loss, 3), 4)
  assert.equal(valueAt(loss, 99), 1)
})

test('words tell the course of what is shown', () => {
  assert.equal(described([loss], 'step'), 'loss: from 4 at step 1 to 1 at step 4; lowest 0 at 4, highest 5 at 1.')
  assert.equal(described([loss], 'step', { from: 3, to: 9 }), 'loss: 1 at step 4.')
  assert.equal(described([loss], 'step', { from: 5, to: 9 }), 'loss: no values.')
})

test('a table has the first and the last place of a long axis', () => {
  const x = Array.from({ length: 1000 }, (_, i) => i)
  const places = tablePlaces(x, undefined)
  assert.equal(places.length, 40)
  assert.deepEqual([places[0], places.at(-1)], [0, 999])
  assert.deepEqual(tablePlaces(x, { from: 10, to: 12 }), [10, 11, 12])
})
