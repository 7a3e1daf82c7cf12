import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadModel, type LoadedModel } from '../generate/model.ts'
import { answerTwice, hasEarlierAnswers, ifdOf, selectHighest, type AnswerTwice } from './instruction-difficulty.ts'
import type { SftRow } from './rows.ts'

const tiny = join(import.meta.dirname, '../models/fixtures/tiny-llama')
const user = (content: string) => ({ role: 'user' as const, content })
const assistant = (content: string) => ({ role: 'assistant' as const, content })
const options = { maxLength: 1024 }

describe('instruction-following difficulty', () => {
  let model: LoadedModel
  before(async () => { model = await loadModel(tiny) })
  after(() => model.close())

  function twice(row: SftRow, more: object = {}): AnswerTwice {
    return answerTwice({ row, where: 'rows.jsonl:1' }, model.tokenizer, { ...options, ...more })!
  }

  test('an answer is scored after its instruction, and after what the template begins an answer with', () => {
    const { given, alone, answer } = twice({ messages: [user('say one'), assistant('one')] })
    const header = model.tokenizer.encodeChat([user('x')], { generationPrompt: true }).slice(model.tokenizer.encodeChat([user('x')], { generationPrompt: false }).length)
    const question = model.tokenizer.encodeChat([user('say one')], { generationPrompt: true })
    assert.deepEqual(given, model.tokenizer.encodeChat([user('say one'), assistant('one')], { generationPrompt: false }))
    assert.deepEqual(given.slice(question.length), given.slice(-answer))
    const beginning = model.tokenizer.addBos ? [model.tokenizer.bosTokenId!] : []
    assert.deepEqual(alone, [...beginning, ...header, ...given.slice(-answer)])
  })

  test('the score is the ratio of mean losses, or of perplexities, of the same tokens', async () => {
    const pair = twice({ prompt: 'say one', completion: 'one two three' })
    const [given, alone] = await model.score([{ ids: pair.given }, { ids: pair.alone }])
    // Token by token, each in a call of its own.
    const lossAfter = async (ids: readonly number[]): Promise<number> => {
      let loss = 0
      for (let end = ids.length - pair.answer + 1; end <= ids.length; end++) {
        const [logprobs] = await model.score([{ ids: ids.slice(0, end) }])
        loss -= logprobs!.at(-1)!
      }
      return loss / pair.answer
    }
    const [instructed, free] = [await lossAfter(pair.given), await lossAfter(pair.alone)]
    assert.ok(Math.abs(ifdOf(pair, [given!, alone!], 'loss') - instructed / free) < 1e-5)
    assert.ok(Math.abs(ifdOf(pair, [given!, alone!], 'perplexity') - Math.exp(instructed) / Math.exp(free)) < 1e-5)
  })

  test('of a conversation the last answer that is to be learned counts, given all before it', () => {
    const turns = [user('say one'), assistant('one'), user('say two'), assistant('two')]
    const { given, answer } = twice({ messages: turns })
    assert.deepEqual(given.slice(0, -answer), model.tokenizer.encodeChat(turns.slice(0, 3), { generationPrompt: true }))
    assert.deepEqual(twice({ messages: turns.with(3, { ...turns[3]!, weight: 0 } as never) }).given, twice({ messages: turns.slice(0, 2) }).given)
    assert.ok(hasEarlierAnswers({ messages: turns }) && !hasEarlierAnswers({ messages: turns.slice(0, 2) }))
    assert.throws(() => twice({ messages: [assistant('one')] }), /rows.jsonl:1: no question stands before the answer/)
  })

  test('of raw text the same tokens count on both sides', () => {
    const { given, alone, answer } = twice({ prompt: 'one', completion: ' two' }, { template: 'none' })
    assert.deepEqual(given.slice(-answer), alone.slice(-answer))
    assert.ok(alone.length > answer, 'each has something before it')
    assert.equal(given.at(-1), model.tokenizer.eosTokenId)
  })

  test('what max_length cuts is not scored; of an answer of which nothing is left there is no score', () => {
    const row = { prompt: 'say one', completion: 'one two three' }
    const whole = twice(row)
    const prompt = whole.given.length - whole.answer
    const cut = twice(row, { maxLength: prompt + 2 })
    assert.deepEqual([cut.answer, cut.given, cut.alone.slice(-2)], [2, whole.given.slice(0, prompt + 2), whole.given.slice(prompt, prompt + 2)])
    assert.equal(answerTwice({ row, where: 'a' }, model.tokenizer, { maxLength: prompt }), undefined)
  })
})

test('the highest scores up to 1 are kept, in their order', () => {
  assert.deepEqual(selectHighest([0.5, 1.2, 0.9, NaN, 1, 0.7], 3), [2, 4, 5])
  assert.deepEqual(selectHighest([0.5, 0.5, 0.5], 2), [0, 1])
  assert.deepEqual(selectHighest([1.2, NaN, Infinity], 2), [])
})
