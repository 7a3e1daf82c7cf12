import assert from 'node:assert/strict'
import { test } from 'node:test'
import { axisOver, positionOn } from './axis.ts'

test('marks are round and hold all values', () => {
  assert.deepEqual(axisOver([0.42, 0.83]), { low: 0.4, high: 0.9, ticks: [0.4, 0.5, 0.6, 0.7, 0.8, 0.9], decimals: 1 })
  assert.deepEqual(axisOver([-1.3, 6.9]).ticks, [-2, 0, 2, 4, 6, 8])
  assert.deepEqual(axisOver([0, 1]).ticks, [0, 0.2, 0.4, 0.6, 0.8, 1])
  assert.deepEqual(axisOver([120, 480]).ticks, [100, 200, 300, 400, 500])
})

test('a value on a mark asks for no further one', () => {
  assert.deepEqual(axisOver([0.2, 0.7]).ticks, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
  assert.deepEqual(axisOver([0.3, 0.6], { marks: 3 }).ticks, [0.3, 0.4, 0.5, 0.6])
})

test('equal values get room around them, within 0 and 1 where they are shares', () => {
  const middle = axisOver([0.5])
  assert.ok(middle.low <= 0.4 && middle.high >= 0.6)
  const top = axisOver([1, 1])
  assert.equal(top.high, 1)
  assert.ok(top.low <= 0.8)
  const bottom = axisOver([0])
  assert.equal(bottom.low, 0)
  assert.ok(bottom.high >= 0.2)
})

test('without values there still is an axis', () => {
  assert.deepEqual(axisOver([Number.NaN]).ticks, [0, 0.2, 0.4, 0.6, 0.8, 1])
})

test('every range holds its values, has few marks and writes them apart', () => {
  for (let seed = 1; seed < 500; seed++) {
    const low = Math.sin(seed) * 10 ** (seed % 5 - 2)
    const high = low + Math.abs(Math.cos(seed * 7)) * 10 ** (seed % 4 - 2)
    const axis = axisOver([low, high])
    assert.ok(axis.low <= low + 1e-9 && axis.high >= high - 1e-9, `${low} ${high}`)
    assert.ok(axis.ticks.length >= 3 && axis.ticks.length <= 10, `${axis.ticks.length} marks for ${low} ${high}`)
    assert.equal(new Set(axis.ticks.map((tick) => tick.toFixed(axis.decimals))).size, axis.ticks.length)
  }
})

test('positions go from one end to the other, upwards too', () => {
  const axis = axisOver([0, 1])
  assert.equal(positionOn(axis, 0.25, 0, 400), 100)
  assert.equal(positionOn(axis, 0.25, 400, 0), 300)
})
