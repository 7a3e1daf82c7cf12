/** Bias, penalties, top log-probabilities and formats in the running batch: each row as if it were alone. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type Schema, Validator } from '@cfworker/json-schema'
import { openModel } from '../models/open.ts'
import { frozenParts } from '../models/graph/parts.ts'
import { prepareWeights } from '../models/prepare.ts'
import type { Completion, GenerateRequest } from './completion.ts'
import { Engine } from './engine.ts'

const cache = mkdtempSync(join(tmpdir(), 'posttrain-choices-'))
const model = await openModel(join(import.meta.dirname, '../models/fixtures/tiny-llama'))
const { config, tokenizer } = model
const open = (eosTokenIds: readonly number[]): Promise<Engine> => {
  const weights = prepareWeights(model, 'f32', cache)
  return Engine.compile({ device: 'cpu', threads: 1, config: { ...config, eosTokenIds }, parts: frozenParts(config, 'f32'), parameters: {}, tokenizer, weights })
}
const engine = await open([])
const ending = await open(config.eosTokenIds)
after(async () => {
  await engine.release()
  await ending.release()
  rmSync(cache, { recursive: true })
})

function request(i: number, overrides: Partial<GenerateRequest> = {}): GenerateRequest {
  const prompt = Array.from({ length: 3 + ((7 * i) % 11) }, (_, at) => 3 + ((31 * i + 17 * at) % 250))
  return { prompt, maxTokens: 8, temperature: 0, ...overrides }
}

async function one(asked: GenerateRequest, by = engine): Promise<Completion> {
  return (await by.generate([asked]))[0]!
}

const schema = {
  type: 'object',
  properties: { mood: { enum: ['good', 'bad'] }, marks: { type: 'array', items: { type: 'integer', minimum: 1, maximum: 5 }, maxItems: 3 }, why: { type: 'string', maxLength: 12 } },
  required: ['mood', 'marks', 'why'],
  additionalProperties: false,
}
const format = { type: 'json_schema', schema } as const

describe('a row has the same bits alone and beside others, whatever the others ask for', () => {
  const kinds: Readonly<Record<string, Partial<GenerateRequest>>> = {
    plain: { temperature: 1, seed: 3 },
    greedy: {},
    bias: { temperature: 0.8, seed: 5, logitBias: { 9: 3, 40: -100 } },
    penalties: { temperature: 1.2, seed: 6, presencePenalty: 1, frequencyPenalty: 0.5 },
    named: { temperature: 1, seed: 7, topLogprobs: 4 },
    truncated: { temperature: 1, seed: 8, topP: 0.7 },
    formatted: { temperature: 1, seed: 9, format, maxTokens: 30 },
    all: { temperature: 1, seed: 10, format: { type: 'json_object' }, maxTokens: 12, topLogprobs: 2, presencePenalty: 0.3, logitBias: { 12: 1 }, topK: 20 },
  }
  // The first of a list: a seed's stream depends on the place in it.
  for (const [name, kind] of Object.entries(kinds)) {
    test(name, async () => {
      const alone = await one(request(0, kind))
      const others = Object.values(kinds)
      for (const batch of [2, 8]) {
        const beside = Array.from({ length: batch - 1 }, (_, i) => request(i + 1, others[(i + batch) % others.length]))
        assert.deepEqual((await engine.generate([request(0, kind), ...beside]))[0], alone, `batch ${batch}`)
      }
    })
  }
})

test('a bias forces a token and forbids one; log-probabilities stay those of the model', async () => {
  const free = await one(request(0))
  const [first, other] = [free.ids[0]!, (free.ids[0]! + 1) % config.vocabSize]
  const forced = await one(request(0, { logitBias: { [other]: 100 }, topLogprobs: 20 }))
  assert.deepEqual(forced.ids, Array<number>(8).fill(other))
  assert.deepEqual(forced.topLogprobs![0]![0], { id: first, logprob: free.logprobs[0] })
  assert.ok(forced.logprobs[0]! < free.logprobs[0]!)
  const forbidden = await one(request(0, { logitBias: { [first]: -100 } }))
  assert.notEqual(forbidden.ids[0], first)
})

test('a frequency penalty keeps a model from saying the same again and again', async () => {
  const again = { [tokenizer.encode('the')[0]!]: 8 }
  const stuck = await one(request(1, { maxTokens: 30, logitBias: again }))
  const freed = await one(request(1, { maxTokens: 30, logitBias: again, frequencyPenalty: 2 }))
  assert.ok(new Set(freed.ids).size > new Set(stuck.ids).size)
})

test('naming the likeliest tokens does not change what is drawn', async () => {
  for (const temperature of [0, 1, 1.7]) {
    const asked = request(2, { temperature, seed: 21, maxTokens: 20 })
    const plain = await one(asked)
    const { topLogprobs, ...named } = await one({ ...asked, topLogprobs: 5 })
    assert.deepEqual(named, plain)
    assert.equal(topLogprobs!.length, plain.ids.length)
    topLogprobs!.forEach((top, i) => {
      assert.equal(top.length, 5)
      for (let rank = 1; rank < 5; rank++) assert.ok(top[rank]!.logprob <= top[rank - 1]!.logprob)
      const chosen = top.find(({ id }) => id === plain.ids[i])
      if (chosen === undefined) assert.ok(plain.logprobs[i]! <= top[4]!.logprob)
      else assert.equal(chosen.logprob, plain.logprobs[i])
      if (temperature === 0) assert.equal(top[0]!.id, plain.ids[i])
    })
  }
})

test('all likeliest tokens together have a probability of at most 1, and of nearly 1 where a model is sure', async () => {
  const { topLogprobs } = await one(request(3, { topLogprobs: 20 }))
  for (const top of topLogprobs!) {
    const sum = top.reduce((total, { logprob }) => total + Math.exp(logprob), 0)
    assert.ok(sum > 20 / config.vocabSize && sum < 1 + 1e-5, String(sum))
  }
})

describe('formats', () => {
  const validator = new Validator(schema as Schema, '2020-12')

  for (const [name, by, ends] of [['without an end token', engine, []], ['with one', ending, config.eosTokenIds]] as const) {
    test(`an answer that stops is valid, ${name}; one that is cut says so`, async () => {
      const completions = await by.generate(Array.from({ length: 12 }, (_, i) => request(i, { temperature: i < 2 ? 0 : 1.3, seed: i, format, maxTokens: i === 0 ? 5 : 90 })))
      assert.equal(completions[0]!.finishReason, 'length')
      const stopped = completions.filter(({ finishReason }) => finishReason === 'stop')
      assert.ok(stopped.length > 6, `only ${stopped.length} stopped`)
      for (const { text, ids } of stopped) {
        assert.ok(validator.validate(JSON.parse(text)).valid, text)
        assert.ok(ids.slice(0, -1).every((id) => !(ends as readonly number[]).includes(id)))
      }
    })
  }

  test('where the text may end or go on, the model ends it by its end token', async () => {
    const number = { type: 'json_schema', schema: { type: 'integer', minimum: 0 } } as const
    const completions = await ending.generate([{ ...request(4, { temperature: 1.5, format: number, maxTokens: 40 }), samples: 20 }])
    for (const { text, ids, finishReason } of completions) {
      assert.match(text, /^\d{1,15}$/)
      assert.equal(finishReason, 'stop')
      const couldGoOn = text !== '0' && text.length < 15
      assert.equal(config.eosTokenIds.includes(ids.at(-1)!), couldGoOn, text)
    }
    assert.ok(new Set(completions.map(({ text }) => text)).size > 5)
  })

  test('the same seed gives the same answer, another one another', async () => {
    const asked = (seed: number): GenerateRequest => request(5, { temperature: 1, seed, format, maxTokens: 60 })
    assert.deepEqual(await one(asked(1)), await one(asked(1)))
    assert.notEqual((await one(asked(1))).text, (await one(asked(2))).text)
  })

  test('log-probabilities are those of the unmodified distribution', async () => {
    const { ids, logprobs, topLogprobs } = await one(request(6, { format, topLogprobs: 20, maxTokens: 6 }))
    const free = await one(request(6, { topLogprobs: 20, maxTokens: 1 }))
    assert.deepEqual(topLogprobs![0], free.topLogprobs![0])
    assert.notEqual(ids[0], free.ids[0])
    assert.ok(logprobs[0]! < free.logprobs[0]!)
  })

  test('a schema that cannot be kept fails before anything is generated', async () => {
    const wrong = { type: 'json_schema', schema: { not: { type: 'null' } } } as const
    await assert.rejects(engine.generate([request(0, { format: wrong })]), { name: 'UserError', message: /"not"/ })
    assert.equal((await one(request(0))).ids.length, 8)
  })
})
