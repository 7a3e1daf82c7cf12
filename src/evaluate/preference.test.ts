import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadModel } from '../generate/model.ts'
import { preferenceAccuracy, scorePairs } from './preference.ts'

const pair = (chosen: number, rejected: number, chosenTokens = 10, rejectedTokens = 10) => ({ chosen, rejected, chosenTokens, rejectedTokens })

test('accuracy by sum, per token, and against a reference; a tie is no preference', () => {
  const reference = [pair(-10, -12), pair(-20, -5, 40, 5), pair(-8, -8), pair(-9, -7)]
  const model = [pair(-11, -12), pair(-18, -6, 40, 5), pair(-8, -8), pair(-6, -9)]
  const { summed, perToken, implicit, margin } = preferenceAccuracy(model, reference)
  assert.equal(summed.value, 2 / 4)
  assert.equal(perToken.value, 3 / 4)
  assert.equal(implicit?.value, 2 / 4)
  assert.equal(margin, (-1 + 3 + 0 + 5) / 4)
  assert.equal(preferenceAccuracy(model).implicit, undefined)
})

test("a pair's log-probabilities are those of its answers' tokens", async () => {
  await using model = await loadModel(join(import.meta.dirname, '../models/fixtures/tiny-llama'))
  const prompt = 'Count to three.'
  const [scored] = await scorePairs(model, [{ prompt, chosen: '1, 2, 3', rejected: '3' }])
  const turns = [{ role: 'user', content: prompt }]
  const start = model.tokenizer.encodeChat(turns, { generationPrompt: true }).length
  const ids = model.tokenizer.encodeChat([...turns, { role: 'assistant', content: '1, 2, 3' }], { generationPrompt: false })
  const [logprobs] = await model.score([{ ids }])
  const expected = logprobs!.subarray(start - 1).reduce((sum, value) => sum + value, 0)
  assert.ok(Math.abs(scored!.chosen - expected) < 1e-3, `${scored!.chosen} instead of ${expected}`)
  assert.equal(scored!.chosenTokens, ids.length - start)
  assert.ok(scored!.rejectedTokens < scored!.chosenTokens)
})
