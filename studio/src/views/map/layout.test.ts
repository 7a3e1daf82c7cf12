import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WireMapArrow, WireMapPoint } from '../../../../src/server/routes/evaluations-wire.ts'
import { sharedArea } from './geometry.ts'
import { layoutMap } from './layout.ts'
import { standingsOf } from './lineage.ts'

function point(model: string, correctness: number, preference: number, aliases: readonly string[] = []): WireMapPoint {
  const around = (value: number) => ({ value, low: value - 0.03, high: Math.min(1, value + 0.03) })
  return { model, adapter: model === 'base' ? null : model, evaluation: `e-${model}`, correctness: around(correctness), preference: around(preference), aliases }
}

const points = [point('base', 0.4, 0.5), point('v1', 0.82, 0.86), point('v2', 0.97, 0.96, ['support-desk']), point('v3', 0.9, 0.93)]
const arrows: WireMapArrow[] = [
  { run: 'a', method: 'sft', from: 'base', to: 'v1' }, { run: 'b', method: 'dpo', from: 'v1', to: 'v2' }, { run: 'c', method: 'kto', from: 'v1', to: 'v3' },
]
const standings = standingsOf({ points, arrows })
const sizes = [{ width: 320, height: 340 }, { width: 720, height: 450 }, { width: 1000, height: 560 }]

for (const size of sizes) {
  test(`at ${size.width} pixels points lie in the plot: more correct further right, preferred further up`, () => {
    const { points: [base, v1, v2], plot } = layoutMap(standings, { ...size, foremost: 'v2' })
    for (const { x, y } of [base!, v1!, v2!]) {
      assert.ok(x > plot.x && x < plot.x + plot.width && y > plot.y && y < plot.y + plot.height)
    }
    assert.ok(base!.x < v1!.x && v1!.x < v2!.x)
    assert.ok(base!.y > v1!.y && v1!.y > v2!.y)
    assert.ok(base!.x - plot.x < plot.width / 4 && plot.y + plot.height - base!.y < plot.height / 4, 'the base is near the origin')
  })

  test(`at ${size.width} pixels base, newest and aliased models have labels, none over a point or out of the picture`, () => {
    const layout = layoutMap(standings, { ...size, foremost: 'v2' })
    const labels = layout.points.flatMap(({ label, standing }) => (label === undefined ? [] : [{ box: label.box, model: standing.model }]))
    for (const model of ['base', 'v2']) assert.ok(labels.some((label) => label.model === model), model)
    for (const { box, model } of labels) {
      assert.ok(box.x >= 0 && box.x + box.width <= size.width && box.y >= 0, model)
      for (const { x, y } of layout.points) assert.ok(sharedArea(box, { x: x - 5, y: y - 5, width: 10, height: 10 }) < 20, `${model} covers a point`)
      for (const other of labels) if (other.model !== model) assert.ok(sharedArea(box, other.box) < 20, `${model} covers ${other.model}`)
    }
  })
}

test('an arrow for every run whose models are far enough apart, with its method', () => {
  const { arrows: drawn } = layoutMap(standings, { ...sizes[1]!, foremost: 'v2' })
  assert.deepEqual(drawn.map(({ model, run }) => [model, run]), [['v1', 'a'], ['v2', 'b'], ['v3', 'c']])
  assert.equal(drawn[0]!.label!.text, 'SFT')
})

test('a run that left its model where it began is a loop, for an arrow would have no length; several stand beside each other', () => {
  const stayed = ['v1', 'v2'].map((model) => ({ ...points[0]!, model, adapter: model }))
  const same = standingsOf({ points: [points[0]!, ...stayed], arrows: stayed.map(({ model }) => ({ ...arrows[0]!, run: `run-${model}`, to: model })) })
  const { arrows: drawn, loops } = layoutMap(same, { ...sizes[1]!, foremost: 'v1' })
  assert.deepEqual(drawn, [])
  assert.deepEqual(loops.map(({ model, run }) => [model, run]), [['v1', 'run-v1'], ['v2', 'run-v2']])
  assert.notEqual(loops[0]!.path, loops[1]!.path)
})

test('aliases are told in a second line', () => {
  const { points: placed } = layoutMap(standings, { ...sizes[1]!, foremost: 'v2' })
  assert.deepEqual(placed.find(({ standing }) => standing.model === 'v2')!.lines, ['v2', 'support-desk points here'])
})
