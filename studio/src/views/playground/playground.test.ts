import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planChoice } from './choices.ts'
import { messagesFor, sameQuestion, shuffled, type PastTurn } from './conversation.ts'

const turn = (prompt: string, texts: readonly [number, string][], rest: Partial<PastTurn> = {}): PastTurn =>
  ({ prompt, answers: texts.map(([column, text]) => ({ column, text })), chosen: undefined, shared: false, ...rest })

test('each column goes on with its own answers', () => {
  const turns = [turn('one', [[0, 'a'], [1, 'b']])]
  assert.deepEqual(messagesFor(1, 'Be kind', turns, 'two'), [
    { role: 'system', content: 'Be kind' }, { role: 'user', content: 'one' }, { role: 'assistant', content: 'b' }, { role: 'user', content: 'two' },
  ])
  assert.deepEqual(messagesFor(0, ' ', turns, 'two').map(({ content }) => content), ['one', 'a', 'two'])
})

test('or all with the chosen one', () => {
  const turns = [turn('one', [[0, 'a'], [1, 'b']], { chosen: 1, shared: true })]
  assert.deepEqual([0, 1, 7].map((column) => messagesFor(column, '', turns, 'two')[1]!.content), ['b', 'b', 'b'])
})

test('a column without an answer takes the chosen one, or the first; a turn without any is left out', () => {
  const turns = [turn('one', [[0, ''], [1, 'b'], [2, 'c']], { chosen: 2 }), turn('two', [[0, ' ']]), turn('three', [[1, 'd']])]
  assert.deepEqual(messagesFor(0, '', turns, 'four').map(({ content }) => content), ['one', 'c', 'three', 'd', 'four'])
})

test('answers to other messages cannot be compared', () => {
  const asked = messagesFor(0, '', [], 'x')
  assert.equal(sameQuestion([asked, messagesFor(1, '', [], 'x')]), true)
  assert.equal(sameQuestion([asked, asked, messagesFor(0, 's', [], 'x')]), false)
})

test('a shuffle is a permutation, and each is as likely', () => {
  const seen = new Map<string, number>()
  for (let i = 0; i < 6; i++) {
    // Of three, the draws are one of three and then one of two.
    const draws = [(Math.floor(i / 2) + 0.5) / 3, (i % 2 + 0.5) / 2]
    const order = shuffled(3, () => draws.shift()!)
    assert.deepEqual(order.toSorted(), [0, 1, 2])
    seen.set(order.join(), (seen.get(order.join()) ?? 0) + 1)
  }
  assert.equal(seen.size, 6)
})

test('the better answer is preferred to each other; changing it replaces what was said and takes back the rest', () => {
  const first = planChoice('a', ['a', 'b', 'c'], [])
  assert.deepEqual(first.send, [{ chosen: 'a', rejected: 'b' }, { chosen: 'a', rejected: 'c' }])
  const given = first.send.map((pair, i) => ({ ...pair, feedback: `fb${i}` }))
  const second = planChoice('b', ['a', 'b', 'c'], given)
  assert.deepEqual(second, { keep: [], send: [{ chosen: 'b', rejected: 'a' }, { chosen: 'b', rejected: 'c' }], remove: ['fb1'] })
  assert.deepEqual(planChoice('a', ['a', 'b', 'c'], given), { keep: given, send: [], remove: [] })
  assert.deepEqual(planChoice(undefined, ['a', 'b', 'c'], given), { keep: [], send: [], remove: ['fb0', 'fb1'] })
})
