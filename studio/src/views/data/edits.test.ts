import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { changesOf, countEdits, describeEdits, editedRow, move, parseEdits, relabel, rewrite, same, swapSides, toggleRemoved, undo, type Edits, type Original } from './edits.ts'

const thumb: Original = { position: 3, split: 'train', row: { prompt: 'p', completion: 'c', label: true } }
const pair: Original = { position: 4, split: 'train', row: { prompt: 'p', chosen: 'a', rejected: 'b' } }
const gone: Original = { position: 5, split: 'eval', row: null }

describe('an edit that brings a row back to what it was is none', () => {
  const cases: readonly (readonly [name: string, edits: Edits])[] = [
    ['thumb', relabel(relabel({}, thumb, false), thumb, true)],
    ['rewriting', rewrite(rewrite({}, thumb, { prompt: 'x' }), thumb, { label: true, completion: 'c', prompt: 'p' })],
    ['side', move(move({}, thumb, 'eval'), thumb, 'train')],
    ['dropping', toggleRemoved(toggleRemoved({}, thumb), thumb)],
    ['swapping', swapSides(swapSides({}, pair), pair)],
    ['undoing', undo(relabel({}, thumb, false), 3)],
  ]
  for (const [name, edits] of cases) test(name, () => { assert.deepEqual(edits, {}) })
})

test('a thumb of a row that is rewritten is part of the row, and the other way round', () => {
  const row = { prompt: 'new', completion: 'c', label: true }
  const down = { 3: { row: { ...row, label: false } } }
  assert.deepEqual(relabel(rewrite({}, thumb, row), thumb, false), down)
  assert.deepEqual(rewrite(relabel({}, thumb, false), thumb, { ...row, label: false }), down)
  assert.deepEqual(editedRow(thumb, down[3]), { row: { ...row, label: false }, split: 'train', removed: false })
  assert.deepEqual(editedRow(thumb, { label: false, split: 'eval' }), { row: { prompt: 'p', completion: 'c', label: false }, split: 'eval', removed: false })
})

test('what is sent, and what is said of it', () => {
  let edits = relabel({}, thumb, false)
  edits = swapSides(edits, pair)
  edits = move(toggleRemoved(edits, gone), { ...thumb, position: 9 }, 'eval')
  edits = toggleRemoved(edits, { ...thumb, position: 9 })
  assert.deepEqual(changesOf(edits), [
    { position: 3, label: false }, { position: 4, row: { prompt: 'p', chosen: 'b', rejected: 'a' } }, { position: 5, remove: true }, { position: 9, remove: true },
  ])
  assert.deepEqual([countEdits(edits), describeEdits(edits)], [4, '1 rewritten, 1 relabelled, 2 dropped'])
  assert.deepEqual(parseEdits(JSON.stringify(edits)), edits)
})

test('a deleted row can be dropped and nothing else', () => {
  assert.equal(editedRow(gone, undefined), undefined)
  assert.deepEqual(changesOf(toggleRemoved({}, gone)), [{ position: 5, remove: true }])
})

test('what storage holds that is none of ours is nothing', () => {
  for (const text of [null, '', '{', '[]', 'null', '3']) assert.deepEqual(parseEdits(text), {})
})

test('the order of keys says nothing, the order of turns does', () => {
  assert.ok(same({ a: 1, b: [{ c: 2 }] }, { b: [{ c: 2 }], a: 1 }))
  for (const [a, b] of [[{ a: 1 }, { a: 2 }], [{ a: 1 }, { b: 1 }], [[1, 2], [2, 1]], [[], {}], [{ a: null }, {}], [null, {}], ['', null]]) assert.equal(same(a, b), false)
})
