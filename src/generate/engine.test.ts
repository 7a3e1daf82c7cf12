/** Batched decoding of a tiny model: what a row answers depends on that row alone. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openModel } from '../models/open.ts'
import { frozenParts, precisions } from '../models/graph/parts.ts'
import { prepareWeights } from '../models/prepare.ts'
import type { Completion, GenerateRequest } from './completion.ts'
import { Engine } from './engine.ts'
import { Scorer } from './scorer.ts'

const cache = mkdtempSync(join(tmpdir(), 'posttrain-engine-'))
after(() => { rmSync(cache, { recursive: true }) })
const model = await openModel(join(import.meta.dirname, '../models/fixtures/tiny-llama'))
const { config, tokenizer } = model

function request(i: number, overrides: Partial<GenerateRequest> = {}): GenerateRequest {
  const prompt = Array.from({ length: 3 + ((7 * i) % 11) }, (_, at) => 3 + ((31 * i + 17 * at) % 250))
  return { prompt, maxTokens: 6, temperature: 0, ...overrides }
}

async function open(precision: (typeof precisions)[number] = 'f32', eosTokenIds: readonly number[] = []): Promise<Engine> {
  const weights = prepareWeights(model, precision, cache)
  const parts = frozenParts(config, precision)
  return Engine.compile({ device: 'cpu', threads: 1, config: { ...config, eosTokenIds }, parts, parameters: {}, tokenizer, weights })
}

async function complete(requests: readonly GenerateRequest[], engine?: Engine): Promise<Completion[]> {
  const used = engine ?? (await open())
  const completions = await used.generate(requests)
  if (engine === undefined) await used.release()
  return completions
}

describe('a row has the same bits alone and beside others', () => {
  for (const precision of precisions) {
    test(`${precision}, at batch 1, 2, 8 and 128`, async () => {
      const engine = await open(precision)
      const [alone] = await complete([request(0)], engine)
      assert.equal(alone!.ids.length, 6)
      for (const batch of [2, 8, 128]) {
        const [beside] = await complete(Array.from({ length: batch }, (_, i) => request(i)), engine)
        assert.deepEqual(beside, alone, `batch ${batch}`)
      }
      await engine.release()
    })
  }
})

test('a cache that grows past its granules changes nothing: log-probabilities as in one scoring pass', async () => {
  const prompt = request(4).prompt
  const [completion] = await complete([{ prompt, maxTokens: 150, temperature: 0 }])
  assert.equal(completion!.ids.length, 150)
  const weights = prepareWeights(model, 'f32', cache)
  const scorer = await Scorer.compile(config, frozenParts(config, 'f32'), {}, { device: 'cpu', threads: 1, weights })
  const [scored] = await scorer.score([[...prompt, ...completion!.ids]])
  await scorer.release()
  const expected = [...scored!].slice(prompt.length - 1)
  const worst = Math.max(...expected.map((value, i) => Math.abs(value - completion!.logprobs[i]!)))
  assert.ok(worst < 1e-4, `differs by up to ${worst}`)
})

test('a row is not disturbed while another makes the cache grow and leaves', async () => {
  const requests = [request(0, { maxTokens: 100 }), request(1, { maxTokens: 5 }), request(2, { maxTokens: 70 }), request(3, { maxTokens: 1 })]
  const together = await complete(requests)
  for (const [i, each] of requests.entries()) {
    const [alone] = await complete([each])
    assert.deepEqual(together[i], alone, `request ${i}`)
  }
})

test('more requests than the batch has rows: each is answered, in its place', async () => {
  const requests = Array.from({ length: 150 }, (_, i) => request(i, { maxTokens: 1 + (i % 4) }))
  const engine = await open()
  const together = await complete(requests, engine)
  assert.deepEqual(together.map(({ ids }) => ids.length), requests.map(({ maxTokens }) => maxTokens))
  for (const i of [0, 64, 127, 128, 149]) assert.deepEqual(together[i], (await complete([requests[i]!], engine))[0])
  await engine.release()
})

test('a completion ends where the context of the model does', async () => {
  const prompt = Array.from({ length: config.maxPositions - 3 }, (_, i) => 3 + (i % 200))
  const [completion] = await complete([{ prompt, maxTokens: 100, temperature: 0 }])
  assert.equal(completion!.ids.length, 3)
  assert.equal(completion!.finishReason, 'length')
})

test('no request is an empty list of answers', async () => {
  assert.deepEqual(await complete([]), [])
})

test('a request whose first token ends the turn ends at once, its end token counted and not printed', async () => {
  const [free] = await complete([request(0)])
  const engine = await open('f32', [free!.ids[0]!])
  const [ended, other] = await complete([request(0), request(1, { maxTokens: 2 })], engine)
  await engine.release()
  assert.deepEqual(ended, {
    text: '', ids: [free!.ids[0]], logprobs: [free!.logprobs[0]], samplingLogprobs: [0], finishReason: 'stop',
    usage: { promptTokens: request(0).prompt.length, completionTokens: 1 },
  })
  assert.ok(other!.ids.length >= 1)
})

test('a stop string is found across the borders of tokens and cut from the text', async () => {
  const engine = await open()
  const [free] = await complete([request(5, { maxTokens: 12 })], engine)
  const { text } = free!
  for (let start = 0; start + 2 <= text.length; start++) {
    const stop = text.slice(start, start + 2)
    const [stopped] = await complete([request(5, { maxTokens: 12, stop: ['never this', stop] })], engine)
    assert.equal(stopped!.text, text.slice(0, text.indexOf(stop)))
    assert.equal(stopped!.finishReason, 'stop')
    assert.deepEqual(stopped!.ids, free!.ids.slice(0, stopped!.ids.length))
  }
  assert.equal(free!.finishReason, 'length')
  await engine.release()
})

test('a sampled answer depends on its seed and its place, not on its neighbours', async () => {
  const engine = await open()
  const sampled = (seed: number): GenerateRequest => request(0, { temperature: 1.5, seed, maxTokens: 8 })
  const [alone] = await complete([sampled(7)], engine)
  const [beside] = await complete([sampled(7), request(1), request(2)], engine)
  const [other] = await complete([sampled(8)], engine)
  await engine.release()
  assert.deepEqual(beside, alone)
  assert.notDeepEqual(other!.ids, alone!.ids)
})

test('log-probabilities are those of the unmodified distribution, whatever the temperature', async () => {
  const engine = await open()
  const [greedy] = await complete([request(0, { maxTokens: 1 })], engine)
  const [cold] = await complete([request(0, { maxTokens: 1, temperature: 1e-3 })], engine)
  await engine.release()
  assert.deepEqual(cold, greedy)
})

test('what is heard token by token is the answer, to the letter: nothing of a stop string, all of the rest', async () => {
  const engine = await open()
  const [free] = await complete([request(5, { maxTokens: 12 })], engine)
  const middle = free!.text.slice(3, 6)
  for (const stop of [undefined, [middle], [`${middle}never`], [free!.text.slice(-2)]]) {
    const heard = { ids: [] as number[], text: '' }
    const [completion] = await engine.generate([request(5, { maxTokens: 12, stop })], (index, sample, id, text) => {
      assert.deepEqual([index, sample], [0, 0])
      heard.ids.push(id)
      heard.text += text
    })
    assert.deepEqual(heard, { ids: completion!.ids, text: completion!.text })
  }
  await engine.release()
})
