import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from './ids.ts'

test('ids sort by their making, also within a millisecond', () => {
  const ids = Array.from({ length: 5000 }, () => newId('x_'))
  assert.deepEqual(ids.toSorted(), ids)
  const once = Array.from({ length: 300 }, () => newId('x_', 1_700_000_000_000))
  assert.deepEqual(once.toSorted(), once)
  assert.ok(newId('x_', 1_700_000_000_001) > once.at(-1)!)
  assert.match(once[0]!, /^x_[0-9a-f]{36}$/)
})

test('of two ids of one millisecond neither tells the other', () => {
  const [a, b] = [newId('', 1), newId('', 1)]
  assert.notEqual(a.slice(16), b.slice(16))
})
