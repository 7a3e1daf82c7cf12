import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pointsText, sparkline } from './sparkline.ts'
import { dataWords, deletionWords, ownMeasure, stateWords } from './words.ts'

test('a sparkline reaches from edge to edge, the highest on top, zero at the bottom', () => {
  assert.deepEqual(sparkline([0, 5, 10], 102, 22), [{ x: 1, y: 21 }, { x: 51, y: 11 }, { x: 101, y: 1 }])
  assert.equal(pointsText(sparkline([1, 3, 2], 10, 5, 0)), '0,3.33 5,0 10,1.67')
})

test('without traffic it is a line at the bottom, and one value is a point', () => {
  assert.deepEqual(sparkline([0, 0], 10, 6, 0).map(({ y }) => y), [6, 6])
  assert.deepEqual(sparkline([4], 10, 6, 0), [{ x: 0, y: 0 }])
  assert.deepEqual(sparkline([], 10, 6), [])
})

test('what is pinned is in memory, whatever else', () => {
  assert.deepEqual([[true, true], [true, false], [false, false]].map(([inMemory, pinned]) => stateWords({ in_memory: inMemory!, pinned: pinned! })),
    ['kept in memory', 'in memory', 'on the disk'])
})

test('data is called by its version, its file, or what is left of it', () => {
  assert.equal(dataWords({ reference: 'dataset:a@2', dataset: { name: 'a', version: 2, kind: 'sft', rows: 1 }, filename: null }), 'a, version 2 (1 row)')
  assert.equal(dataWords({ reference: 'file-1', dataset: null, filename: 'rows.jsonl' }), 'rows.jsonl')
  assert.equal(dataWords({ reference: 'file-1', dataset: null, filename: null }), 'file-1, deleted since')
})

test('a deletion says what stands in its way and what becomes of the files', () => {
  const { obstacle, consequences } = deletionWords({ aliases: ['bot', 'beta'], source: 'request', pinned: false }, 0)
  assert.match(obstacle!, /point to it: bot, beta\./)
  assert.match(consequences[0]!, /stay where they are/)
  const free = deletionWords({ aliases: [], source: 'job', pinned: true }, 1)
  assert.equal(free.obstacle, undefined)
  assert.match(free.consequences.join(' '), /cannot be undone.*leaves it\. What was trained from it \(1 adapter\) stays/)
})

test('a run is judged by what its method is about', () => {
  assert.deepEqual(ownMeasure({ 'eval/loss': 0.255, 'eval/rewards/accuracies': 0.9583 }), { value: '96%', what: 'of held-out pairs ranked right' })
  assert.deepEqual(ownMeasure({ 'train/loss': 1, 'eval/loss': 4.321 }), { value: '4.32', what: 'held-out loss' })
  assert.equal(ownMeasure({ 'train/loss': 1 }), undefined)
})
