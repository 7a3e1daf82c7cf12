import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { UserError } from '../errors.ts'
import { openModel } from '../models/open.ts'
import { checkGenerateRequest } from './check-request.ts'
import type { GenerateRequest } from './completion.ts'

const { config } = await openModel(join(import.meta.dirname, '../models/fixtures/tiny-llama'))
const good: GenerateRequest = { prompt: [5, 6, 7], maxTokens: 2, temperature: 0 }

function refused(overrides: Partial<GenerateRequest>): string {
  try {
    checkGenerateRequest({ ...good, ...overrides }, config)
  } catch (error) {
    assert.ok(error instanceof UserError, String(error))
    assert.equal(error.exitCode, 2)
    return error.message
  }
  return ''
}

test('numbers out of their range are refused by name: NaN, infinite, huge, negative', () => {
  const ranges = {
    presencePenalty: [-2, 2], frequencyPenalty: [-2, 2], topLogprobs: [0, 20], samples: [1, 1024], temperature: [0, 100], topP: [1e-9, 1], topK: [1, Infinity], maxTokens: [1, Infinity],
    seed: [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  } as const
  for (const [name, [least, most]] of Object.entries(ranges)) {
    const word = new RegExp(name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
    for (const value of [NaN, Infinity, -Infinity, -1e308, least - 1, ...(most === Infinity ? [] : [1e308, most + 2])]) {
      assert.match(refused({ [name]: value }), word, `${name}: ${value}`)
    }
    for (const value of [least, Math.min(most, 1e6)]) assert.equal(refused({ [name]: value }), '', `${name}: ${value}`)
  }
})

test('a value of another type is not taken for a number', () => {
  for (const name of ['presencePenalty', 'frequencyPenalty', 'topLogprobs', 'samples', 'maxTokens', 'seed']) {
    assert.notEqual(refused({ [name]: '1' } as unknown as Partial<GenerateRequest>), '', name)
  }
})

test('a bias names a token of the vocabulary and lies between -100 and 100', () => {
  assert.equal(refused({ logitBias: { 0: -100, [config.vocabSize - 1]: 100 } }), '')
  assert.match(refused({ logitBias: { [config.vocabSize]: 1 } }), /names token 288.*from 0 to 287/)
  for (const id of ['-1', '1.5', '1e1', ' 1', 'a', '', '0x1']) assert.match(refused({ logitBias: { [id]: 1 } as Record<number, number> }), /names token/, id)
  for (const bias of [NaN, 1e308, -100.5, Infinity]) assert.match(refused({ logitBias: { 7: bias } }), /logit_bias of token 7/)
  const many = Object.fromEntries(Array.from({ length: 1025 }, (_, id) => [id, 0]))
  assert.match(refused({ logitBias: many }), /1025 entries/)
})

test('a stop string would cut what a format makes whole', () => {
  assert.match(refused({ format: { type: 'json_object' }, stop: ['}'] }), /exclude each other/)
  assert.equal(refused({ format: { type: 'json_object' }, stop: [] }), '')
})

test('a schema that is too large is refused before it is sent anywhere', () => {
  let schema: Record<string, unknown> = {}
  for (let i = 0; i < 100_000; i++) schema = { items: schema }
  assert.match(refused({ format: { type: 'json_schema', schema } }), /nested deeper/)
  assert.match(refused({ format: { type: 'tool_call', tools: [{ name: 'f', parameters: { enum: ['x'.repeat(200_000)] } }], before: '', after: '' } }), /too large/)
})
