import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WireFeedback, WireTurn } from '../../../../src/server/routes/inbox-wire.ts'
import { restoredTurns } from './restore.ts'

function stored(id: string, asked: readonly string[], answer: string, rest: Partial<WireTurn> = {}): WireTurn {
  return {
    id, object: 'inbox.item', created_at: 1, kind: 'chat', source: 'server', model: 'bot', adapter: 'a1', alias: 'bot', user: null, conversation_id: 'c',
    metadata: { turn: '0' }, messages: asked.map((content, i) => ({ role: (asked.length - i) % 2 === 1 ? 'user' : 'assistant', content })), messages_before: 0,
    choices: [{ index: 0, message: { role: 'assistant', content: answer }, finish_reason: 'stop' }], feedback: [], cut: false, parent: null, ...rest,
  }
}

function said(id: string, completion: string, name: string, value: unknown, superseded = false): WireFeedback {
  return {
    id, object: 'feedback', created_at: 1, completion_id: completion, choice_index: 0, name, value, tags: {}, user: null, idempotency_key: null, superseded,
  }
}

const ref = (id: string): object => ({ completion_id: id, choice_index: 0 })

test('columns stand side by side again, with what was said of them', () => {
  const [turn] = restoredTurns([
    { column: 0, turns: [stored('x', ['Hi'], 'Hello', {
      feedback: [
        said('f4', 'x', 'comment', 'later'), said('f3', 'x', 'comment', 'first'), said('f2', 'x', 'thumbs', false), said('f1', 'x', 'thumbs', true, true),
        said('f5', 'x', 'correction', { role: 'assistant', content: 'Good day' }),
      ],
    })] },
    { column: 3, turns: [stored('y', ['Hi'], 'Hey', { model: 'base', adapter: null, feedback: [said('f6', 'y', 'choice', { chosen: ref('y'), rejected: ref('x') })] })] },
  ], 'the-base')
  assert.deepEqual([turn!.prompt, turn!.chosen, turn!.blind, turn!.shared], ['Hi', 3, false, false])
  assert.deepEqual(turn!.given, [{ chosen: 'y', rejected: 'x', feedback: 'f6' }])
  const [x, y] = turn!.answers
  assert.deepEqual([x!.model, x!.answeredBy, y!.answeredBy, x!.text], ['bot', 'a1', 'the-base', 'Hello'])
  assert.deepEqual([x!.thumbs, x!.correction, x!.comments.map(({ value }) => value)], [{ id: 'f2', value: false }, { id: 'f5', value: 'Good day' }, ['first', 'later']])
})

test('later turns have all their messages again, and whether they went on alike', () => {
  const later = { metadata: { turn: '1', blind: 'true' }, parent: 'x', messages_before: 2 }
  const chosen = [said('f1', 'x', 'choice', { chosen: ref('x'), rejected: ref('y') })]
  const alike = restoredTurns([
    { column: 0, turns: [stored('x', ['Hi'], 'Hello', { feedback: chosen }), stored('x2', ['More'], '1', later)] },
    { column: 1, turns: [stored('y', ['Hi'], 'Hey'), stored('y2', ['Hello', 'More'], '2', { metadata: { turn: '1' }, parent: 'y', messages_before: 1 })] },
  ], 'base')
  assert.deepEqual(alike[1]!.answers.map(({ messages }) => messages.map(({ content }) => content)), [['Hi', 'Hello', 'More'], ['Hi', 'Hello', 'More']])
  assert.deepEqual(alike.map(({ prompt, shared, blind }) => [prompt, shared, blind]), [['Hi', true, false], ['More', false, true]])
  const apart = restoredTurns([
    { column: 0, turns: [stored('x', ['Hi'], 'Hello', { feedback: chosen }), stored('x2', ['More'], '1', later)] },
    { column: 1, turns: [stored('y', ['Hi'], 'Hey'), stored('y2', ['More'], '2', { ...later, parent: 'y' })] },
  ], 'base')
  assert.deepEqual(apart[1]!.answers.map(({ messages }) => messages[1]!.content), ['Hello', 'Hey'])
  assert.equal(apart[0]!.shared, false)
})

test('a turn that a column has not is none of its', () => {
  const turns = restoredTurns([
    { column: 0, turns: [stored('x', ['Hi'], 'Hello')] },
    { column: 1, turns: [stored('y', ['Hi', 'Hello', 'More'], 'Yes', { metadata: { turn: '1' } })] },
  ], 'base')
  assert.deepEqual(turns.map(({ prompt, answers }) => [prompt, answers.map(({ column }) => column)]), [['Hi', [0]], ['More', [1]]])
})
