import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shortcutFor, type Press, type Shortcut } from './shortcuts.ts'

const shortcuts: readonly Shortcut<'next' | 'down' | 'open'>[] = [
  { key: 'j', action: 'next', does: 'the next' }, { key: 'd', action: 'down', does: 'thumb down' }, { key: 'Enter', action: 'open', does: 'open' },
]
const press = (key: string, target: object = { tagName: 'BODY' }, more: Partial<Press> = {}) =>
  shortcutFor({ key, ctrlKey: false, metaKey: false, altKey: false, defaultPrevented: false, target, ...more }, shortcuts)

test('keys do what they are listed for, except where somebody writes', () => {
  assert.deepEqual(['j', 'd', 'Enter', 'q'].map((key) => press(key)), ['next', 'down', 'open', undefined])
  for (const target of [{ tagName: 'TEXTAREA' }, { tagName: 'SELECT' }, { tagName: 'INPUT', type: 'text' }, { tagName: 'DIV', isContentEditable: true }]) {
    assert.equal(press('d', target), undefined)
  }
  assert.equal(press('d', { tagName: 'INPUT', type: 'checkbox' }), 'down')
})

test('what belongs to the browser or to the focused element stays with it', () => {
  for (const modifier of ['ctrlKey', 'metaKey', 'altKey', 'defaultPrevented']) assert.equal(press('d', { tagName: 'BODY' }, { [modifier]: true }), undefined)
  assert.equal(press('Enter', { tagName: 'A' }), undefined)
  assert.equal(press('Enter', { tagName: 'BUTTON' }), undefined)
  assert.equal(press('j', { tagName: 'A' }), 'next')
})
