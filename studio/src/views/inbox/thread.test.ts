import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WireTurn } from '../../../../src/server/routes/inbox-wire.ts'
import { answersNext, pathThrough } from './thread.ts'

function turn(id: string, parent: string | null, before = 0, messages = 1): WireTurn {
  return { id, parent, messages_before: before, messages: Array.from({ length: messages }, () => ({ role: 'user', content: id })) } as unknown as WireTurn
}

const ids = (turns: readonly WireTurn[]): string => turns.map(({ id }) => id).join(' ')

test('a way through a conversation has what led to a turn and what came of it', () => {
  // a is answered twice, once more as b; c and d go on from a, e from d.
  const turns = [turn('a', null), turn('b', null), turn('c', 'a'), turn('d', 'a'), turn('e', 'd')]
  const cases: readonly [id: string, path: string, beside: string][] = [['a', 'a d e', 'b c'], ['c', 'a c', 'b d e'], ['e', 'a d e', 'b c'], ['b', 'b', 'a c d e'], ['gone', '', 'a b c d e']]
  for (const [id, path, beside] of cases) {
    const found = pathThrough(turns, id)
    assert.deepEqual([ids(found.turns), ids(found.beside)], [path, beside], id)
  }
})

test('an answer that was sent back otherwise than it was given is told by the next turn', () => {
  const first = turn('a', null, 0, 2)
  assert.equal(answersNext(first, turn('b', 'a', 3)), true)
  assert.equal(answersNext(first, turn('b', 'a', 2, 2)), false)
  assert.equal(answersNext(first, undefined), true)
})
