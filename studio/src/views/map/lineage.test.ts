import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WireMapArrow, WireMapPoint } from '../../../../src/server/routes/evaluations-wire.ts'
import { aliasWords, ancestryOf, newestOf, nextSorting, readSorting, sortStandings, stayed, standingsOf } from './lineage.ts'

function point(model: string, correctness: number, preference = 0.5): WireMapPoint {
  const exact = (value: number) => ({ value, low: value, high: value })
  return {
    model, adapter: model === 'base' ? null : model, evaluation: `eval-${model}`, correctness: exact(correctness), preference: exact(preference), aliases: [],
  }
}

function arrow(from: string, to: string, method = 'sft'): WireMapArrow {
  return { run: `run-${to}`, method, from, to }
}

const points = [point('v10', 0.7), point('v2', 0.9), point('loaded', 0.3), point('base', 0.4), point('v1', 0.6)]
const arrows = [arrow('v1', 'v2', 'dpo'), arrow('base', 'v1'), arrow('base', 'v10')]

test('the base comes first, then each branch', () => {
  assert.deepEqual(standingsOf({ points, arrows }).map(({ model }) => model), ['base', 'v1', 'v2', 'v10', 'loaded'])
})

test('a model knows its parent and the run that made it; what was loaded by hand has neither', () => {
  const [base, v1, v2, , loaded] = standingsOf({ points, arrows })
  assert.equal(base!.parent, undefined)
  assert.equal(v1!.parent!.model, 'base')
  assert.deepEqual([v2!.parent!.model, v2!.run, v2!.method], ['v1', 'run-v2', 'dpo'])
  assert.deepEqual([loaded!.parent, loaded!.run], [undefined, undefined])
})

test('a circle of arrows ends, and nobody is lost', () => {
  const round = [arrow('v1', 'v2'), arrow('v2', 'v1')]
  const standings = standingsOf({ points, arrows: round })
  assert.deepEqual(new Set(standings.map(({ model }) => model)), new Set(points.map(({ model }) => model)))
  assert.deepEqual(ancestryOf('v2', standings), new Set(['v1', 'v2']))
})

test('a model comes from its parent, and from that one\'s', () => {
  assert.deepEqual([...ancestryOf('v2', standingsOf({ points, arrows }))], ['v2', 'v1', 'base'])
  assert.equal(ancestryOf(undefined, standingsOf({ points, arrows })).size, 0)
})

test('the newest run is the one whose job was made last, whatever was measured last', () => {
  assert.equal(newestOf(arrows), 'v2')
  assert.equal(newestOf(arrows.toReversed()), 'v2')
  assert.equal(newestOf([]), undefined)
})

test('sorting by figures and by name, whose numbers count as numbers', () => {
  const standings = standingsOf({ points, arrows })
  const names = (sorting: string): string[] => sortStandings(standings, readSorting(sorting)).map(({ model }) => model)
  assert.deepEqual(names('-correctness'), ['v2', 'v10', 'v1', 'base', 'loaded'])
  assert.deepEqual(names('model'), ['base', 'loaded', 'v1', 'v2', 'v10'])
  assert.equal(readSorting('nonsense'), undefined)
  assert.equal(sortStandings(standings, undefined), standings)
})

test('a second press turns the order round', () => {
  assert.equal(nextSorting('correctness', undefined), '-correctness')
  assert.equal(nextSorting('correctness', readSorting('-correctness')), 'correctness')
  assert.equal(nextSorting('model', readSorting('-correctness')), 'model')
})

test('aliases in words', () => {
  assert.equal(aliasWords(['support-desk']), 'support-desk points here')
  assert.equal(aliasWords(['a', 'b']), 'a and b point here')
})

test('a run that left both figures as they are shown left its model where it was', () => {
  const [, v1] = standingsOf({ points, arrows })
  const { correctness, preference } = v1!.parent!
  assert.equal(stayed({ ...v1!, correctness, preference }), true)
  assert.equal(stayed({ ...v1!, correctness, preference: { ...preference, value: preference.value + 0.01 } }), false)
  assert.equal(stayed({ ...v1!, parent: undefined }), false)
})
