import assert from 'node:assert/strict'
import { test } from 'node:test'
import { draftOf, rowOfDraft, withTurn } from './turns.ts'

const turns = [{ role: 'user', content: 'q' }, { role: 'assistant', content: 'a', weight: 0 as const }]

test('a row goes through the form and is the same', () => {
  const rows = [
    { messages: turns }, { prompt: 'p', completion: 'c', label: false }, { prompt: turns, chosen: 'a', rejected: [turns[1]], margin: 2 },
    { prompt: turns, answer: '4', more: { x: [1, null] } },
  ]
  for (const row of rows) assert.deepEqual(rowOfDraft(draftOf(row)), row)
})

test('other fields are JSON, or the reader is told', () => {
  const draft = draftOf({ prompt: 'p', answer: '4' })
  assert.deepEqual(rowOfDraft({ ...draft, rest: '  ' }), { prompt: 'p' })
  assert.throws(() => rowOfDraft({ ...draft, rest: '{"a":' }), /not valid JSON/)
  assert.throws(() => rowOfDraft({ ...draft, rest: '[1]' }), /must be a JSON object/)
})

test('a turn changes alone; what becomes undefined goes', () => {
  assert.deepEqual(withTurn(turns, 1, { weight: undefined, content: 'b' }), [turns[0], { role: 'assistant', content: 'b' }])
  assert.deepEqual(turns[1]!.weight, 0)
  assert.equal(withTurn('text', 0, { content: 'b' }), 'text')
})
