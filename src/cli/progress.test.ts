import assert from 'node:assert/strict'
import { test } from 'node:test'

import { clock, createProgress } from './progress.ts'

/** A stream that remembers what was written, and a clock that the test moves. */
function recorder(isTTY: boolean) {
  const state = { text: '', time: 0 }
  const progress = createProgress({ write: text => { state.text += text }, isTTY, columns: 60 }, () => state.time)
  return { state, progress }
}

test('a log gets the first and the last state and a line now and then', () => {
  const { state, progress } = recorder(false)
  for (let done = 1; done <= 100; done++) {
    state.time += 100
    progress.update({ label: 'train', done, total: 100, detail: `loss ${String(done)}` })
  }
  progress.end()
  assert.deepEqual(state.text.split('\n'), [
    'train 1/100  loss 1',
    'train 51/100  loss 51  ETA 0:05',
    'train 100/100  loss 100',
    '',
  ])
})

test('a terminal gets one line that is redrawn and fits its width', () => {
  const { state, progress } = recorder(true)
  progress.update({ label: 'train', done: 0, total: 4 })
  state.time = 1000
  progress.update({ label: 'train', done: 2, total: 4, detail: 'loss 1.0' })
  progress.update({ label: 'train', done: 3, total: 4, detail: 'a detail that is longer than the terminal is wide' })
  progress.end()
  const lines = state.text.split('\r\x1b[2K')
  assert.equal(lines[1], `train  ${'░'.repeat(24)}  0/4`)
  assert.equal(lines[2], `train  ${'█'.repeat(12)}${'░'.repeat(12)}  2/4  loss 1.0  ETA 0:01`)
  assert.match(lines[3]!, /3\/4 {2}a detail/)
  assert.ok(lines[3]!.length <= 60)
  assert.ok(state.text.endsWith('\n'))
})

test('a note stands above the bar', () => {
  const { state, progress } = recorder(true)
  progress.update({ label: 'train', done: 1, total: 4 })
  progress.note('warning')
  assert.match(state.text, /\r\x1b\[2Kwarning\ntrain {2}█{6}/)
})

test('work of another label begins a new bar with a rate of its own', () => {
  const { state, progress } = recorder(false)
  progress.update({ label: 'a', done: 1, total: 1 })
  state.time = 60_000
  progress.update({ label: 'b', done: 0, total: 2 })
  state.time = 70_000
  progress.update({ label: 'b', done: 1, total: 2 })
  assert.equal(state.text, 'a 1/1\nb 0/2\nb 1/2  ETA 0:10\n')
})

test('bytes are shown as megabytes, their total if it is known', () => {
  const { state, progress } = recorder(false)
  progress.update({ label: 'index', done: 0, total: undefined, unit: 'bytes' })
  progress.update({ label: 'model', done: 1_500_000, total: undefined, unit: 'bytes' })
  progress.update({ label: 'other', done: 1_500_000, total: 98_000_000, unit: 'bytes' })
  assert.equal(state.text, 'index\nmodel 1.5 MB\nother 1.5 MB/98.0 MB\n')
})

test('seconds are written as a clock shows them', () => {
  assert.deepEqual([7.4, 750, 3723].map(clock), ['0:07', '12:30', '1:02:03'])
})
