import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completionFilter } from '../../../../src/feedback/completion-filter.ts'
import { changed, chipsOf, filterOf, saidChoices, unfiltered, without } from './filter.ts'

const query = (text: string): URLSearchParams => new URLSearchParams(text)

test('an address becomes the filter that the API takes', () => {
  const filter = filterOf(query('q=late%20parcel&said=down&alias=bot&adapter=the+base&tag=team=billing&tag=a=b=c&source=server&user=u1'))
  assert.deepEqual(filter, {
    text: 'late parcel', alias: 'bot', user: 'u1', source: 'server', adapter: null, tags: { team: 'billing', a: 'b=c' },
    feedback: { name: 'thumbs', value: false },
  })
  for (const { value } of saidChoices) assert.ok(completionFilter.safeParse(filterOf(query(`said=${value}`))).success, value)
  assert.deepEqual(filterOf(query('said=resolved')), { feedback: { name: 'resolved' } })
  assert.deepEqual(filterOf(query('completion=c1&q=')), {})
})

test('days are whole days here', () => {
  const { from, to } = filterOf(query('from=2026-01-31&to=2026-01-31'))
  assert.equal(from, new Date(2026, 0, 31).getTime() / 1000)
  assert.equal(to, new Date(2026, 1, 1).getTime() / 1000)
  assert.equal(filterOf(query('from=soon')).from, 'soon')
})

test('each filter has words, and can be taken away by itself', () => {
  const at = query('q=x&tag=a=1&tag=b=2&completion=c1')
  const chips = chipsOf(at)
  assert.deepEqual(chips.map(({ text }) => text), ['has “x”', 'a: 1', 'b: 2'])
  assert.deepEqual(without(at, chips[1]!), { q: ['x'], tag: ['b=2'], completion: ['c1'] })
  assert.deepEqual(Object.entries(unfiltered(at)).filter(([, values]) => values.length > 0), [['completion', ['c1']]])
  assert.deepEqual(changed(at, { q: ['y'] })['q'], ['y'])
})
