import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionOf, shortcuts } from './keys.ts'

const press = (key: string, target: object = { tagName: 'BODY' }, more = {}) =>
  actionOf({ key, ctrlKey: false, metaKey: false, altKey: false, defaultPrevented: false, target, ...more })

test('keys are for judging, except where somebody writes', () => {
  assert.deepEqual(shortcuts.map(({ key }) => press(key)), shortcuts.map(({ action }) => action))
  for (const target of [{ tagName: 'TEXTAREA' }, { tagName: 'SELECT' }, { tagName: 'INPUT', type: 'text' }, { tagName: 'DIV', isContentEditable: true }]) {
    assert.equal(press('d', target), undefined)
  }
  assert.equal(press('d', { tagName: 'INPUT', type: 'checkbox' }), 'down')
  assert.equal(press('q'), undefined)
})

test('what belongs to the browser or to the focused element stays with it', () => {
  for (const modifier of ['ctrlKey', 'metaKey', 'altKey', 'defaultPrevented']) assert.equal(press('d', { tagName: 'BODY' }, { [modifier]: true }), undefined)
  assert.equal(press('Enter', { tagName: 'A' }), undefined)
  assert.equal(press('Enter', { tagName: 'BUTTON' }), undefined)
  assert.equal(press('j', { tagName: 'A' }), 'next')
})
