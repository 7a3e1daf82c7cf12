import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { clean, split } from './dataset-curate.ts'
import type { Candidate } from './dataset-rows.ts'
import { sha256 } from './record.ts'

let made = 0

function candidate(row: Candidate['row'], question: string, conversationId = `conv-${made}`): Candidate {
  return {
    row, origin: 'thumbs', completionId: `c${made}`, feedbackId: `f${made++}`, userId: null, conversationId, promptHash: sha256(question), question,
  }
}

const turn = (role: 'user' | 'assistant', content: string) => [{ role, content }]
const labelled = (question: string, answer: string, label: boolean, conversation?: string): Candidate =>
  candidate({ prompt: turn('user', question), completion: turn('assistant', answer), label }, question, conversation)
const pair = (question: string, chosen: string, rejected: string): Candidate =>
  candidate({ prompt: turn('user', question), chosen: turn('assistant', chosen), rejected: turn('assistant', rejected) }, question)

describe('cleaning', () => {
  test('the same answer with both labels is left out and listed', async () => {
    const rows = [labelled('q', 'a', true), labelled('q', 'b', true), labelled('q', 'a', false), labelled('q', 'a', true)]
    const { kept, conflicts, conflicting, duplicates } = await clean(rows, 'labelled')
    assert.deepEqual(kept, [rows[1]])
    const sources = [rows[0]!, rows[2]!, rows[3]!]
    assert.deepEqual(conflicts, [{ completions: sources.map(({ completionId }) => completionId), feedback: sources.map(({ feedbackId }) => feedbackId) }])
    assert.deepEqual([conflicting, duplicates], [3, 0])
  })

  test('the same said twice is kept once', async () => {
    const rows = [labelled('q', 'a', true), labelled('q', 'a', true), labelled('p', 'a', true)]
    const { kept, duplicates } = await clean(rows, 'labelled')
    assert.deepEqual(kept, [rows[0], rows[2]])
    assert.equal(duplicates, 1)
  })

  test('a pair and its reverse contradict each other', async () => {
    const rows = [pair('q', 'a', 'b'), pair('q', 'b', 'a'), pair('q', 'a', 'c'), pair('q', 'a', 'c')]
    const { kept, conflicts, duplicates } = await clean(rows, 'pairs')
    assert.deepEqual(kept, [rows[2]])
    assert.deepEqual([conflicts.length, duplicates], [1, 1])
  })
})

describe('the held-out split', () => {
  const long = (topic: string): string => `Please tell me all that you know about ${topic}, and where I could read more of it`
  const options = { evalFraction: 0.2, seed: 1, near: true }
  /** Conversations of three turns. */
  const rows = (count: number): Candidate[] => Array.from({ length: count * 3 }, (_, i) => labelled(`${sha256(String(i)).slice(0, 40)}`, 'a', i % 2 === 0, `c${Math.floor(i / 3)}`))

  test('a conversation is on one side, and the share is met', async () => {
    const all = rows(50)
    const { splits, groups, moved } = await split(all, options)
    for (let i = 0; i < all.length; i += 3) assert.equal(new Set(splits.slice(i, i + 3)).size, 1)
    assert.equal(splits.filter((side) => side === 'eval').length, 30)
    assert.deepEqual([groups, moved], [50, 0])
  })

  test('the seed chooses; the same seed chooses the same', async () => {
    const all = rows(30)
    const sides = async (seed: number): Promise<string> => (await split(all, { ...options, seed })).splits.join()
    assert.equal(await sides(1), await sides(1))
    assert.notEqual(await sides(1), await sides(2))
  })

  test('most of what was held out stays so when the data grows', async () => {
    const all = rows(100)
    const before = (await split(all.slice(0, 240), options)).splits
    const after = (await split(all, options)).splits
    const kept = before.filter((side, i) => side === 'eval' && after[i] === 'eval').length
    const heldOut = before.filter((side) => side === 'eval').length
    assert.ok(kept >= 0.6 * heldOut, `${kept} of ${heldOut}`)
  })

  test('conversations with the same or nearly the same prompt are on one side, and what moved is counted', async () => {
    for (let seed = 0; seed < 12; seed++) {
      const all = [...rows(20), labelled(long('whales'), 'a', true, 'x'), labelled(long('whales'), 'b', true, 'y'), labelled(`${long('whales')}!`, 'c', true, 'z')]
      const { splits, nearDuplicates } = await split(all, { ...options, seed })
      assert.equal(new Set(splits.slice(-3)).size, 1, `seed ${seed}`)
      assert.equal(nearDuplicates, 2)
    }
  })

  test('leakage is what a split by conversation would have had', async () => {
    const all = Array.from({ length: 40 }, (_, i) => labelled(sha256(String(i % 20)), 'a', true, `c${i}`))
    const apart = await split(all, { ...options, evalFraction: 0.5 })
    assert.ok(apart.moved > 0)
    assert.equal(apart.groups, 20)
    for (let i = 0; i < 20; i++) assert.equal(apart.splits[i], apart.splits[i + 20])
  })

  test('nothing is held out of one conversation, or where none is asked for', async () => {
    const one = Array.from({ length: 10 }, (_, i) => labelled(`q${i}`, 'a', true, 'same'))
    assert.deepEqual(new Set((await split(one, options)).splits), new Set(['train']))
    assert.deepEqual(new Set((await split(rows(10), { ...options, evalFraction: 0 })).splits), new Set(['train']))
  })
})
