import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neighbour, shortcutsFor } from './keys.ts'

test('keys mean what they mean for the rows that are seen', () => {
  const actions = (kind: Parameters<typeof shortcutsFor>[0]): string[] => shortcutsFor(kind).map(({ action }) => action)
  assert.deepEqual(actions('labelled').filter((action) => ['up', 'down', 'swap'].includes(action)), ['up', 'down'])
  assert.deepEqual(actions('pairs').filter((action) => ['up', 'down', 'swap'].includes(action)), ['swap'])
  assert.deepEqual(actions('sft').filter((action) => ['up', 'down', 'swap'].includes(action)), [])
})

test('no key means two things', () => {
  for (const kind of ['sft', 'pairs', 'labelled', 'prompts'] as const) {
    const keys = shortcutsFor(kind).map(({ key }) => key)
    assert.equal(new Set(keys).size, keys.length)
  }
})

test('from row to row, until the page ends', () => {
  const page = [3, 5, 8]
  assert.deepEqual([neighbour(page, undefined, 1), neighbour(page, undefined, -1)], [3, 8])
  assert.deepEqual([neighbour(page, 3, 1), neighbour(page, 8, -1)], [5, 5])
  assert.deepEqual([neighbour(page, 8, 1), neighbour(page, 3, -1), neighbour([], 3, 1)], [undefined, undefined, undefined])
  assert.equal(neighbour(page, 99, 1), 3)
})
