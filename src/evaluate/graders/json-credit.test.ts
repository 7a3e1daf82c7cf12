import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { JsonCredit } from './json-credit.ts'

const schema = {
  type: 'object',
  required: ['name', 'total'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', minLength: 1 },
    total: { type: 'number', minimum: 0 },
    lines: { type: 'array', items: { $ref: '#/$defs/line' } },
  },
  $defs: { line: { type: 'object', required: ['sku'], properties: { sku: { type: 'string' } } } },
}
const credit = new JsonCredit(schema)

test('all or nothing: JSON that the schema allows, and nothing else in the text', () => {
  const valid = ['{"name": "a", "total": 1}', ' \n{"name": "a", "total": 1.5, "lines": [{"sku": "x"}]}\n']
  const invalid = [
    '', 'null', '[]', '{"name": "a"}', '{"name": "", "total": 1}', '{"name": "a", "total": "1"}', '{"name": "a", "total": -1}',
    '{"name": "a", "total": 1, "more": 1}', '{"name": "a", "total": 1, "lines": [{}]}', '```json\n{"name": "a", "total": 1}\n```',
    '{"name": "a", "total": 1} as you asked', '{"name": "a", "total": 1,}', '{"name": "a", "total": NaN}',
  ]
  for (const text of valid) assert.equal(credit.isValid(text), true, text)
  for (const text of invalid) assert.equal(credit.isValid(text), false, text)
})

describe('in part', () => {
  const worth: Readonly<Record<string, number>> = {
    '{"name": "a", "total": 1}': 1,
    'no JSON': 0,
    '"text"': 0.25,
    '[]': 0.25,
    '{}': 0.25,
    '{"name": "a"}': 0.25 + 0.375 * (1 / 2 + 1 / 2),
    '{"name": 1}': 0.25 + 0.375 * (1 / 2),
    '{"name": "a", "total": "1"}': 0.25 + 0.375 * (1 + 1 / 2),
    '{"name": "a", "total": 1, "more": 1}': 0.25 + 0.375 * (2 / 3 + 2 / 3),
    '{"name": "a", "total": 1, "lines": [{}]}': 0.25 + 0.375 * (2 / 3 + 2 / 3),
    'Here it is: {"name": "a", "total": 1}. Done.': 0.5,
    '```json\n{"name": "a", "total": 1}\n```': 0.5,
    'Here: {"name": "a"}': 0.5 * (0.25 + 0.375),
    'a {broken} thing': 0,
  }
  for (const [text, expected] of Object.entries(worth)) {
    test(`${JSON.stringify(text)} is worth ${expected}`, () => { assert.equal(credit.partial(text), expected) })
  }

  test('a key is not at fault for one whose name begins with it', () => {
    const names = new JsonCredit({ required: ['a', 'ab', 'a/b'], properties: { a: { type: 'string' }, ab: { type: 'string' }, 'a/b': { type: 'string' } } })
    assert.equal(names.partial('{"a": "x", "ab": 1, "a/b": 2}'), 0.25 + 0.375 * (1 + 1 / 3))
  })

  test('nothing that the schema does not allow is worth as much as what it allows', () => {
    const whole = new JsonCredit({ type: 'object', required: ['a'], properties: { a: {} }, minProperties: 2 })
    assert.equal(whole.partial('{"a": 1}'), 0.9)
    assert.equal(whole.partial('{"a": 1, "b": 2}'), 1)
  })
})

test('a text that is deeply nested does not end the process', () => {
  const recursive = new JsonCredit({ $ref: '#/$defs/list', $defs: { list: { type: 'array', items: { $ref: '#/$defs/list' } } } })
  const text = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  assert.equal(recursive.partial(text), 0)
  assert.equal(recursive.isValid(text), false)
  assert.equal(recursive.isValid(`${'['.repeat(101)}${']'.repeat(101)}`), false)
  assert.equal(recursive.isValid(`${'['.repeat(100)}${']'.repeat(100)}`), true)
})
