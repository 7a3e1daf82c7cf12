import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionOf, isTypedInto, neighbour, shortcuts, shortcutsFor, type Press } from './keys.ts'

const press = (key: string, held: Partial<Press> = {}): Press => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...held })
const free = { typing: false }

test('keys mean what they mean for the rows that are seen', () => {
  assert.deepEqual(['j', 'k', 'e', 'u', 'd', 's', 'x', 'h', 'z', '/', '?', 'q'].map((key) => actionOf(press(key), 'labelled', free)), [
    'next', 'previous', 'edit', 'up', 'down', undefined, 'drop', 'move', 'undo', 'search', 'help', undefined,
  ])
  assert.deepEqual([actionOf(press('s'), 'pairs', free), actionOf(press('u'), 'pairs', free), actionOf(press('d'), 'sft', free)], ['swap', undefined, undefined])
})

test('keys of the browser, and those that are typed, are not ours', () => {
  for (const held of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }]) assert.equal(actionOf(press('d', held), 'labelled', free), undefined)
  assert.equal(actionOf(press('d'), 'labelled', { typing: true }), undefined)
  for (const tagName of ['INPUT', 'TEXTAREA', 'SELECT']) assert.ok(isTypedInto({ tagName }))
  assert.ok(isTypedInto({ tagName: 'DIV', isContentEditable: true }))
  for (const target of [null, { tagName: 'BUTTON' }, { tagName: 'ARTICLE' }]) assert.equal(isTypedInto(target), false)
})

test('no key means two things', () => {
  for (const kind of ['sft', 'pairs', 'labelled', 'prompts'] as const) {
    const keys = shortcutsFor(kind).map(({ key }) => key)
    assert.equal(new Set(keys).size, keys.length)
  }
  assert.ok(shortcuts.every(({ does }) => does !== ''))
})

test('from row to row, until the page ends', () => {
  const page = [3, 5, 8]
  assert.deepEqual([neighbour(page, undefined, 1), neighbour(page, undefined, -1)], [3, 8])
  assert.deepEqual([neighbour(page, 3, 1), neighbour(page, 8, -1)], [5, 5])
  assert.deepEqual([neighbour(page, 8, 1), neighbour(page, 3, -1), neighbour([], 3, 1)], [undefined, undefined, undefined])
  assert.equal(neighbour(page, 99, 1), 3)
})
