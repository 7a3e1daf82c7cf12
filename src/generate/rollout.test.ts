/** What reinforcement learning needs of the engine: groups, the sampling distribution, weights that change. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loraShapes, withLora } from '../models/graph/lora.ts'
import { frozenParts } from '../models/graph/parts.ts'
import { openModel } from '../models/open.ts'
import { loadAdapter } from '../models/peft.ts'
import { prepareWeights } from '../models/prepare.ts'
import { Program, type HostTensor } from '../runtime/program.ts'
import type { Completion, GenerateRequest } from './completion.ts'
import { Engine } from './engine.ts'
import { Scorer } from './scorer.ts'

const cache = mkdtempSync(join(tmpdir(), 'posttrain-rollout-'))
after(() => { rmSync(cache, { recursive: true }) })
const path = join(import.meta.dirname, '../models/fixtures/tiny-llama')
const model = await openModel(path)
const { tokenizer } = model
// No end token: every completion has its full length.
const config = { ...model.config, eosTokenIds: [] }
const weights = prepareWeights(model, 'f32', cache)
const placement = { device: 'cpu', threads: 1, weights } as const
const adapter = loadAdapter(join(path, 'adapter'), config)

const base = frozenParts(config, 'f32')
const engine = await Engine.compile({ ...placement, config, parts: base, parameters: {}, tokenizer })
const scorer = await Scorer.compile(config, base, {}, placement)
after(() => Promise.all([engine.release(), scorer.release()]))

const group: GenerateRequest = { prompt: [5, 60, 7, 130, 9], maxTokens: 6, temperature: 1, seed: 4 }
const other: GenerateRequest = { prompt: [44, 45, 46, 47, 48, 49, 50, 51], maxTokens: 9, temperature: 0.8, seed: 1 }

const texts = (completions: readonly Completion[]): string[] => completions.map(({ ids }) => ids.join(' '))

test('samples come request after request, each as it would be by itself', async () => {
  const flat = await engine.generate([{ ...group, samples: 3 }, other, { ...group, samples: 2 }])
  assert.equal(flat.length, 6)
  const [alone] = await engine.generate([group])
  assert.deepEqual(flat[0], alone)
  assert.deepEqual(flat.slice(0, 3), await engine.generate([{ ...group, samples: 3 }]))
  assert.deepEqual(flat.slice(3, 4), (await engine.generate([group, other])).slice(1))
  assert.equal(new Set(texts(flat)).size, 6, 'each has a random stream of its own')
})

test('a group larger than the batch is split, and its completions are the same', async () => {
  const request = { ...group, maxTokens: 2 }
  const many = await engine.generate([other, { ...request, samples: 300 }, { ...other, samples: 100 }])
  assert.equal(many.length, 401)
  const few = await engine.generate([other, { ...request, samples: 3 }])
  assert.deepEqual(many.slice(1, 4), few.slice(1))
  assert.ok(many.slice(1, 301).every(({ ids, usage }) => ids.length === 2 && usage.promptTokens === group.prompt.length))
})

test('the samples of a greedy request are equal', async () => {
  const completions = await engine.generate([{ ...group, temperature: 0, samples: 4 }])
  assert.equal(new Set(texts(completions)).size, 1)
  assert.deepEqual(completions[0]!.samplingLogprobs, Array<number>(6).fill(0))
})

test('a prompt is computed once for its samples, rows that end leave the batch, logits are copied only to truncate', async (t) => {
  const run = t.mock.method(Program.prototype, 'run')
  await engine.generate([{ ...group, samples: 4, maxTokens: 3 }, { ...other, maxTokens: 2 }])
  await engine.generate([{ ...group, maxTokens: 1, topK: 3 }])
  const calls = run.mock.calls.map(({ arguments: [feeds, outputs] }) => [feeds['ids']!.shape, outputs!.includes('logits')])
  assert.deepEqual(calls, [[[2, 8], false], [[5, 1], false], [[4, 1], false], [[1, 5], true]])
})

/** Natural logarithms of the probabilities of all tokens after a context, by scoring each of them. */
async function distribution(context: readonly number[], temperature: number): Promise<number[]> {
  const scores = await scorer.score(Array.from({ length: config.vocabSize }, (_, id) => [...context, id]))
  const tempered = scores.map((score) => score.at(-1)! / temperature)
  const logSum = Math.log(tempered.reduce((sum, value) => sum + Math.exp(value), 0))
  return tempered.map((value) => value - logSum)
}

test('sampling log-probabilities are those of the scored distribution at the temperature, also where it was truncated', async () => {
  for (const options of [{ temperature: 0.6 }, { temperature: 1.7 }, { temperature: 1.7, topK: 40 }, { temperature: 0.9, topP: 0.8 }]) {
    const [completion] = await engine.generate([{ ...group, ...options, maxTokens: 3 }])
    const { ids, logprobs, samplingLogprobs } = completion!
    for (const [i, id] of ids.entries()) {
      const context = [...group.prompt, ...ids.slice(0, i)]
      assert.ok(Math.abs(samplingLogprobs[i]! - (await distribution(context, options.temperature))[id]!) < 1e-4)
      assert.ok(Math.abs(logprobs[i]! - (await distribution(context, 1))[id]!) < 1e-4)
    }
  }
})

test('at temperature 1 both log-probabilities are the same bits', async () => {
  const [completion] = await engine.generate([group])
  assert.deepEqual(completion!.samplingLogprobs, completion!.logprobs)
})

test('tokens are drawn as often as the distribution says', async () => {
  const draws = 6000
  const temperature = 0.7
  const completions = await engine.generate([{ ...group, temperature, maxTokens: 1, samples: draws }])
  const counts = new Array<number>(config.vocabSize).fill(0)
  for (const { ids } of completions) counts[ids[0]!]! += 1
  const expected = (await distribution(group.prompt, temperature)).map((logprob) => Math.exp(logprob) * draws)
  // Pearson's χ² over V tokens has the mean V − 1 and the deviation √(2 (V − 1)).
  const chiSquare = expected.reduce((sum, value, id) => sum + (counts[id]! - value) ** 2 / value, 0)
  const freedom = config.vocabSize - 1
  assert.ok(Math.abs(chiSquare - freedom) < 4 * Math.sqrt(2 * freedom), `χ² is ${chiSquare} with ${freedom} degrees of freedom`)
})

const shapes = loraShapes(config, adapter.config)
const adapterFeeds = (): Record<string, HostTensor> =>
  Object.fromEntries([...adapter.parameters].map(([name, data]) => [name, { data: data.slice(), shape: shapes.get(name)! }]))
const openAdapted = (parameters: Readonly<Record<string, HostTensor>>): Promise<Engine> =>
  Engine.compile({ ...placement, config, parts: withLora(base, config, adapter.config).parts, tokenizer, parameters })

test('weights that change in place count from the next call on', async () => {
  const parameters = adapterFeeds()
  const adapted = await openAdapted(parameters)
  const before = await adapted.generate([group])
  for (const [name, { data }] of Object.entries(parameters)) {
    if (name.includes('lora_B')) (data as Float32Array).forEach((b, i) => { data[i] = -2 * b })
  }
  const changed = await adapted.generate([group])
  await adapted.release()
  const fresh = await openAdapted(parameters)
  assert.deepEqual(changed, await fresh.generate([group]))
  await fresh.release()
  assert.notDeepEqual(changed[0]!.logprobs, before[0]!.logprobs)
})

test('with an adapter too, a row has the same bits alone and beside others', async () => {
  const adapted = await openAdapted(adapterFeeds())
  for (const watched of [group, { ...group, prompt: [7] }]) {
    const [alone] = await adapted.generate([watched])
    for (const batch of [2, 8, 128]) {
      const others = Array.from({ length: batch - 1 }, (_, i) => ({ ...other, seed: i, maxTokens: 1 + (i % 9) }))
      assert.deepEqual((await adapted.generate([watched, ...others]))[0], alone, `batch ${batch}`)
    }
    assert.deepEqual((await adapted.generate([{ ...watched, samples: 5 }]))[0], alone, 'in a group')
  }
  await adapted.release()
})

test('logits that are not numbers are an error that says so, not a token', async () => {
  const parameters = adapterFeeds()
  const diverged = Object.values(parameters)[0]!.data as Float32Array
  const adapted = await openAdapted(parameters)
  const healthy = diverged.slice()
  for (const temperature of [0, 1]) {
    diverged.fill(NaN)
    await assert.rejects(adapted.generate([{ ...group, temperature }]), { name: 'UserError', message: /position 5 are not numbers/ })
    diverged.set(healthy)
    assert.equal((await adapted.generate([{ ...group, temperature }]))[0]!.ids.length, 6)
  }
  await adapted.release()
})
