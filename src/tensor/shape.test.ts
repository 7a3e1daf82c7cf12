import assert from 'node:assert/strict'
import { test } from 'node:test'
import { axisOf, broadcastShapes, times, type Dim, type Shape } from './shape.ts'

const dims: readonly Dim[] = [0, 1, 2, 3, 7, 'B', 'S', 'B*S', '3*S', '2*B*S']

test('times: in canonical form', () => {
  assert.equal(times(), 1)
  assert.equal(times(2, 3), 6)
  assert.equal(times('S', 'B'), 'B*S')
  assert.equal(times('3*S', 2, 'B'), '6*B*S')
  assert.equal(times('S', 'S'), 'S*S')
  assert.equal(times('S', 1), 'S')
  assert.equal(times('S', 0), 0)
})

test('times: order and grouping do not matter', () => {
  for (const a of dims) {
    for (const b of dims) {
      assert.equal(times(a, b), times(b, a))
      for (const c of dims) assert.equal(times(times(a, b), c), times(a, b, c))
    }
  }
})

test('times agrees with arithmetic once the symbols are known', () => {
  const known: Readonly<Record<string, number>> = { B: 5, S: 11 }
  const value = (dim: Dim): number => String(dim).split('*').reduce((product, factor) => product * (known[factor] ?? Number(factor)), 1)
  for (const a of dims) for (const b of dims) assert.equal(value(times(a, b)), value(a) * value(b))
})

test('broadcast: as numpy', () => {
  const cases: [Shape, Shape, Shape][] = [
    [[], [], []],
    [[3], [], [3]],
    [[2, 3], [3], [2, 3]],
    [[2, 1, 3], [4, 1], [2, 4, 3]],
    [['B', 1, 'S'], [4, 1], ['B', 4, 'S']],
    [[1], ['S'], ['S']],
    [['S'], ['S'], ['S']],
  ]
  for (const [a, b, expected] of cases) {
    assert.deepEqual(broadcastShapes(a, b), expected)
    assert.deepEqual(broadcastShapes(b, a), expected)
  }
})

test('broadcast: what does not fit is refused with both shapes, and so is a guess about a symbol', () => {
  assert.throws(() => broadcastShapes([2, 3], [2]), /\[2, 3\] and \[2\] do not broadcast/)
  assert.throws(() => broadcastShapes(['B'], ['S']), /do not broadcast/)
  assert.throws(() => broadcastShapes(['S'], [4]), /do not broadcast/)
})

test('axes count from the front or the back, and no further', () => {
  assert.deepEqual([axisOf(0, 3), axisOf(2, 3), axisOf(-1, 3), axisOf(-3, 3)], [0, 2, 2, 0])
  for (const axis of [3, -4]) assert.throws(() => axisOf(axis, 3), RangeError)
  assert.throws(() => axisOf(0, 0), RangeError)
})
