import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queryOf, rowPlaceOf, sourceOf, tabOf, type RowPlace } from './data-place.ts'

test('the address holds all of the place', () => {
  const places: readonly RowPlace[] = [
    { from: undefined, before: undefined, split: undefined, search: undefined, maxLength: 1024 },
    { from: 40, before: undefined, split: 'eval', search: 'a&b=c', maxLength: 64 },
    { from: undefined, before: 20, split: 'train', search: undefined, maxLength: 2048 },
  ]
  for (const place of places) {
    const query = new URLSearchParams(Object.entries(queryOf('statistics', place)).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))
    assert.deepEqual([rowPlaceOf(query), tabOf(query)], [place, 'statistics'])
  }
  assert.deepEqual(Object.values(queryOf('rows', places[0]!)).filter((value) => value !== undefined), [])
})

test('an address that was typed says what it can', () => {
  const place = rowPlaceOf(new URLSearchParams('from=-3&before=x&split=test&max=0&tab=none'))
  assert.deepEqual(place, { from: undefined, before: undefined, split: undefined, search: undefined, maxLength: 2 })
  assert.equal(tabOf(new URLSearchParams('tab=none')), 'rows')
  assert.deepEqual(sourceOf(['dataset', 'a', '3']), { type: 'dataset', name: 'a', version: 3 })
  assert.deepEqual(sourceOf(['dataset', 'a', 'x']), { type: 'dataset', name: 'a', version: undefined })
  assert.deepEqual(sourceOf(['file', 'file-1']), { type: 'file', id: 'file-1' })
  for (const path of [[], ['dataset'], ['other', 'x']]) assert.equal(sourceOf(path), undefined)
})
