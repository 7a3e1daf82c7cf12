import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

import { checkGrader } from '../src/evaluate/graders/index.ts'
import { methods } from '../src/methods/index.ts'
import { loadRecipe } from '../src/train/recipe.ts'
import { makeFiles as complaintFiles } from './complaints/make.ts'
import judge from './complaints/judge.ts'
import { makeFiles as contractFiles } from './contract-review/make.ts'
import reward, { allRight } from './contract-review/judge.ts'
import { type Files, jsonl } from './make.ts'

const made: Readonly<Record<string, () => Files>> = { 'complaints': complaintFiles, 'contract-review': contractFiles }

for (const [example, makeFiles] of Object.entries(made)) {
  test(`${example}: the files are those that make.ts makes`, () => {
    for (const [name, rows] of Object.entries(makeFiles())) {
      assert.ok(readFileSync(join(import.meta.dirname, example, name), 'utf8') === jsonl(rows), `${name} is another: run make.ts`)
    }
  })
}

for (const path of globSync('*/*.yaml', { cwd: import.meta.dirname })) {
  test(`${path} is a recipe, and its files are there`, () => {
    const { data, eval: heldOut } = loadRecipe(join(import.meta.dirname, path), [], methods)
    for (const file of [...data.map(source => source.path), heldOut ?? data[0]!.path]) assert.ok(existsSync(file), file)
  })
}

for (const path of globSync('*/{reward,judge,all-right}.json', { cwd: import.meta.dirname })) {
  test(`${path} is a grader`, () => {
    const file = join(import.meta.dirname, path)
    checkGrader(file, { baseDirectory: dirname(file), allowFunctions: true })
  })
}

test('complaints: no held-out complaint is trained, and thumbs are the pairs taken apart', () => {
  const files = complaintFiles()
  const prompts = (name: string) => files[name]!.map(row => JSON.stringify((row as { prompt?: unknown }).prompt))
  const pairs = new Set(prompts('pairs.jsonl'))
  const trained = new Set([...pairs, ...prompts('reward-pairs.jsonl'), ...prompts('prompts.jsonl')])
  for (const name of ['heldout.jsonl', 'heldout-pairs.jsonl']) assert.equal(prompts(name).filter(text => trained.has(text)).length, 0)
  assert.equal(prompts('reward-pairs.jsonl').filter(text => pairs.has(text)).length, 0)
  const sides = (files['pairs.jsonl'] as { prompt: unknown; chosen: string; rejected: string }[]).flatMap(
    ({ prompt, chosen, rejected }) => [{ prompt, completion: chosen, label: true }, { prompt, completion: rejected, label: false }])
  assert.ok(sides.map(row => JSON.stringify(row)).sort().join('\n') === files['thumbs.jsonl']!.map(row => JSON.stringify(row)).sort().join('\n'))
})

test('complaints: the judge gives a fifth for each virtue of a summary', () => {
  const item = { product: 'kettle', issue: ['leak'], remedy: ['refund', 'money back'] }
  const score = (output_text: string) => judge({ output_text }, item)
  assert.equal(score('Customer reports that the kettle leaks from the base and asks for a refund.'), 1)
  assert.equal(score('Customer says the kettle is leaking; wants the money back.\n'), 1)
  assert.equal(score('Customer reports that the kettle leaks from the base.'), 0.8)
  assert.equal(score('The customer is unhappy.'), 0.4)
  assert.equal(score('Customer wrote about a kettle. It leaks. The customer wants a refund.'), 0.8, 'three sentences')
  assert.equal(score('We are very sorry to hear that the kettle leaks. We will get back to you soon.'), 0.4)
  assert.equal(score('I am so angry about this kettle! It leaks. I want a refund!'), 0.6)
  assert.equal(score('The skettle bleaks and he asks for a prefund.'), 0.4, 'the inside of another word')
  assert.equal(score(`Customer reports that the kettle leaks and asks for a refund${' as soon as possible'.repeat(6)}.`), 0.8, 'too long')
  assert.equal(score(''), 0)
})

test('contract review: the reward rises with each part that is right, and only the whole is right', () => {
  const item = { clause: 'payment', party: 'customer', days: 30, risk: 'medium' } as const
  const score = (output_text: string) => [reward({ output_text }, item), allRight({ output_text }, item)]
  assert.deepEqual(score('{"clause": "payment", "party": "customer", "days": 30, "risk": "medium"}'), [1, 1])
  assert.deepEqual(score('{"risk":"medium","days":30,"party":"customer","clause":"payment"}\n'), [1, 1], 'order and spaces are free')
  assert.deepEqual(score('{"clause": "payment", "party": "customer", "days": "30", "risk": "medium"}'), [0.8, 0], 'a number is no string')
  assert.deepEqual(score('{"clause": "payment", "party": "customer", "days": 30, "risk": "medium", "note": 1}'), [0.9, 0])
  assert.deepEqual(score('{"clause": "delivery", "party": "supplier", "days": 3, "risk": "high"}'), [0.2, 0])
  assert.deepEqual(score('{"note": 1}'), [0.1, 0])
  for (const text of ['', '[]', 'null', '42', 'payment', 'Here it is: {"clause": "payment"}', '{"clause": "payment"']) {
    assert.deepEqual(score(text), [0, 0], text)
  }
})
