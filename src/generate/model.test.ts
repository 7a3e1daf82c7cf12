import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { UserError } from '../errors.ts'
import type { GenerateRequest } from './completion.ts'
import { loadModel } from './model.ts'

const directory = join(import.meta.dirname, '../models/fixtures/tiny-llama')
const model = await loadModel(directory)
after(() => model.close())

const good: GenerateRequest = { prompt: [5, 6, 7], maxTokens: 2, temperature: 0 }

test('parameters out of range are refused by name, not a number among them', async () => {
  const wrong: [Partial<GenerateRequest>, RegExp][] = [
    [{ temperature: NaN }, /temperature is NaN/],
    [{ temperature: -1 }, /temperature is -1/],
    [{ temperature: Infinity }, /temperature is Infinity/],
    [{ topP: NaN }, /top_p is NaN/],
    [{ topP: 0 }, /top_p is 0/],
    [{ topP: 1.1 }, /top_p is 1.1/],
    [{ topK: NaN }, /top_k is NaN/],
    [{ topK: 0 }, /top_k is 0/],
    [{ topK: 1.5 }, /top_k is 1.5/],
    [{ maxTokens: 0 }, /max_tokens is 0/],
    [{ maxTokens: NaN }, /max_tokens is NaN/],
    [{ samples: 0 }, /samples is 0/],
    [{ samples: 2.5 }, /samples is 2.5/],
    [{ stop: ['a', ''] }, /stop string is empty/],
    [{ prompt: [] }, /prompt is empty/],
    [{ prompt: [5, 288] }, /token id 288 is outside/],
    [{ prompt: [5, -1] }, /token id -1 is outside/],
    [{ prompt: [0.5] }, /token id 0.5 is outside/],
    [{ prompt: Array<number>(513).fill(5) }, /513 tokens; the model's context is 512/],
  ]
  for (const [overrides, message] of wrong) {
    await assert.rejects(model.generate([good, { ...good, ...overrides }]), (error) => {
      assert.ok(error instanceof UserError)
      assert.equal(error.exitCode, 2)
      assert.match(error.message, message)
      return true
    })
  }
})

test('sampling log-probabilities equal scored ones', async () => {
  const [completion] = await model.generate([{ ...good, maxTokens: 20, temperature: 1, seed: 3 }])
  const [scored] = await model.score([{ ids: [...good.prompt, ...completion!.ids] }])
  completion!.logprobs.forEach((value, i) => {
    assert.ok(Math.abs(value - scored![good.prompt.length - 1 + i]!) < 1e-4)
  })
})

test('requests at the same time do not mix', async () => {
  const prompts = [[5, 6], [9, 10, 11], [40, 41, 42, 43]]
  const alone = []
  for (const prompt of prompts) alone.push(await model.generate([{ ...good, prompt }]))
  assert.deepEqual(await Promise.all(prompts.map((prompt) => model.generate([{ ...good, prompt }]))), alone)
})

test('a model that is not there is a UserError that names it', async () => {
  await assert.rejects(loadModel(join(directory, 'nowhere')), { name: 'UserError', message: /nowhere/ })
})
