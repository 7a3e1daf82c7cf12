import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../random.ts'
import { sampleToken, type SamplingOptions } from './sampling.ts'

/** Probabilities 0.5, 0.25, 0.125, 0.075, 0.05, out of order. */
const probabilities = [0.125, 0.5, 0.05, 0.25, 0.075]
const logits = Float32Array.from(probabilities, (p) => Math.log(p) + 3)
const draws = 20_000

function shares(options: SamplingOptions): number[] {
  const random = new Random(11)
  const counts = new Array<number>(logits.length).fill(0)
  for (let i = 0; i < draws; i++) counts[sampleToken(logits, options, random)]! += 1
  return counts.map((count) => count / draws)
}

/** Within four standard deviations of each expected share. */
function assertShares(actual: readonly number[], expected: readonly number[]): void {
  expected.forEach((p, id) => {
    const bound = 4 * Math.sqrt((p * (1 - p)) / draws)
    assert.ok(Math.abs(actual[id]! - p) <= bound, `token ${id}: ${actual[id]} instead of ${p} ± ${bound}`)
  })
}

function normalized(weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((weight) => weight / sum)
}

test('temperature 1 samples as the model says', () => {
  assertShares(shares({ temperature: 1 }), probabilities)
})

test('a temperature sharpens or flattens: p to the power of 1/T', () => {
  for (const temperature of [0.5, 2]) {
    assertShares(shares({ temperature }), normalized(probabilities.map((p) => p ** (1 / temperature))))
  }
})

test('top-k leaves the k likeliest in their proportions', () => {
  assertShares(shares({ temperature: 1, topK: 2 }), normalized([0, 0.5, 0, 0.25, 0]))
  assertShares(shares({ temperature: 1, topK: 99 }), probabilities)
})

test('top-p leaves the fewest of the likeliest that reach p together', () => {
  assertShares(shares({ temperature: 1, topP: 0.74 }), normalized([0, 0.5, 0, 0.25, 0]))
  assertShares(shares({ temperature: 1, topP: 0.76 }), normalized([0.125, 0.5, 0, 0.25, 0]))
  assertShares(shares({ temperature: 1, topP: 1e-9 }), [0, 1, 0, 0, 0])
  assertShares(shares({ temperature: 1, topP: 1 }), probabilities)
})

test('top-p takes the share of what top-k and the temperature leave', () => {
  assertShares(shares({ temperature: 1, topK: 3, topP: 0.6 }), normalized([0, 0.5, 0, 0.25, 0]))
  assertShares(shares({ temperature: 0.25, topP: 0.9 }), [0, 1, 0, 0, 0])
})

test('temperature 0 and top-k 1 take the likeliest, the lower id of two that are equal', () => {
  const random = new Random(1)
  const ties = Float32Array.of(1, 4, 4, 4)
  assert.equal(sampleToken(ties, { temperature: 0 }, random), 1)
  assert.equal(sampleToken(ties, { temperature: 5, topK: 1 }, random), 1)
  const pairs = Float32Array.of(4, 1, 4, 4)
  for (let i = 0; i < 200; i++) assert.ok([0, 2].includes(sampleToken(pairs, { temperature: 1, topK: 2 }, random)))
})

test('extreme logits and temperatures give a token, never one that is masked out', () => {
  const random = new Random(2)
  const extreme = Float32Array.of(-Infinity, 80_000, -80_000, 79_999)
  for (const temperature of [1e-3, 1, 100]) {
    for (let i = 0; i < 500; i++) assert.notEqual(sampleToken(extreme, { temperature }, random), 0)
  }
})
