import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WireMapPoint } from '../../../../src/server/routes/evaluations-wire.ts'
import { chooseModels, runsBetween } from './choice.ts'

const half = { value: 0.5, low: 0.5, high: 0.5 }
const points = ['base', 'v1', 'v2'].map((model): WireMapPoint => ({
  model, adapter: model === 'base' ? null : model, evaluation: `eval-${model}`, correctness: half, preference: half, aliases: [],
}))
const arrows = [{ run: 'a', method: 'sft', from: 'base', to: 'v1' }, { run: 'b', method: 'dpo', from: 'v1', to: 'v2' }]

function chosen(before: string | null, after: string | null, measured = points): readonly (string | undefined)[] {
  const choice = chooseModels({ points: measured, arrows }, { before, after })
  return [choice.before?.model, choice.after?.model]
}

test('unasked, the newest model is compared with its parent', () => {
  assert.deepEqual(chosen(null, null), ['v1', 'v2'])
})

test('the address decides, in either direction', () => {
  assert.deepEqual(chosen('base', 'v2'), ['base', 'v2'])
  assert.deepEqual(chosen('v2', 'base'), ['v2', 'base'])
  assert.deepEqual(chosen(null, 'v1'), ['base', 'v1'])
  assert.deepEqual(chosen('v2', null), ['v2', 'v1'])
})

test('a model is not compared with itself, and one that was not measured is passed over', () => {
  assert.deepEqual(chosen('v2', 'v2'), ['v1', 'v2'])
  assert.deepEqual(chosen('gone', 'v1'), ['base', 'v1'])
})

test('one model alone has nothing to be compared with', () => {
  assert.deepEqual(chosen(null, null, points.slice(0, 1)), [undefined, 'base'])
  assert.deepEqual(chosen('base', null, points.slice(0, 1)), [undefined, 'base'])
})

test('the runs between two models, over several generations', () => {
  const between = (before: string, after: string): readonly string[] =>
    runsBetween({ points, arrows }, chooseModels({ points, arrows }, { before, after })).map(({ run }) => run)
  assert.deepEqual(between('base', 'v2'), ['a', 'b'])
  assert.deepEqual(between('v1', 'v2'), ['b'])
  assert.deepEqual(between('v2', 'v1'), ['a'], 'of a step back, the run that made the model one goes back to')
  assert.deepEqual(between('v2', 'base'), [])
})
