import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { Random } from '../../random.ts'
import { bleu, cosine, fuzzyMatch, gleu, rougeL, rougeN, type Similarity } from './similarity.ts'
import { longestCommonSubsequence } from './tokens.ts'

interface Case {
  readonly output: string
  readonly reference: string
  readonly scores: Readonly<Record<string, number>>
}

const cases = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'fixtures', 'similarity.json'), 'utf8')) as readonly Case[]

const metrics: Readonly<Record<string, Similarity>> = {
  fuzzy_match: fuzzyMatch, bleu, gleu, rouge_l: rougeL,
  rouge_1: rougeN(1), rouge_2: rougeN(2), rouge_3: rougeN(3), rouge_4: rougeN(4), rouge_5: rougeN(5),
}

for (const [name, similarity] of Object.entries(metrics)) {
  test(`${name} is what rapidfuzz, sacrebleu, nltk and rouge_score say`, () => {
    const compared = cases.filter(({ scores }) => scores[name] !== undefined)
    assert.ok(compared.length >= 15)
    for (const { output, reference, scores } of compared) {
      const found = similarity(output, reference)
      assert.ok(Math.abs(found - scores[name]!) < 1e-9, `${JSON.stringify([output, reference])}: ${found}, not ${scores[name]}`)
    }
  })
}

test('the longest common subsequence is that of the plain table, over several strips of bits too', () => {
  const random = new Random(4)
  for (let trial = 0; trial < 300; trial++) {
    const letters = 1 + random.below(6)
    const [a, b] = [0, 1].map(() => Array.from({ length: random.below(110) }, () => random.below(letters)))
    assert.equal(longestCommonSubsequence(a!, b!), byTable(a!, b!), JSON.stringify([a, b]))
  }
})

function byTable(a: readonly number[], b: readonly number[]): number {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0))
  for (const [i, x] of a.entries()) {
    for (const [j, y] of b.entries()) table[i + 1]![j + 1] = x === y ? table[i]![j]! + 1 : Math.max(table[i]![j + 1]!, table[i + 1]![j]!)
  }
  return table[a.length]![b.length]!
}

test('words of every script count', () => {
  assert.equal(rougeN(1)('Größe', 'größe'), 1)
  assert.equal(rougeL('привет мир', 'привет, мир!'), 1)
})

test('cosine: the same direction is 1, the opposite -1, none at all 0', () => {
  assert.equal(cosine([1, 2], [2, 4]), 1)
  assert.equal(cosine([1, 0], [-3, 0]), -1)
  assert.equal(cosine([0, 0], [1, 1]), 0)
})
