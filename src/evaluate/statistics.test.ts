import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Random } from '../random.ts'
import { winRate } from './compare.ts'
import { meanEstimate, pairedDifference, shareEstimate, signTest } from './statistics.ts'
import { rowReward, summarizeGrades } from './summary.ts'

function near(found: number, expected: number, tolerance = 1e-9): void {
  assert.ok(Math.abs(found - expected) <= tolerance, `${found}, not ${expected}`)
}

describe('the mean and its interval', () => {
  test('of none, of one, and of equal values', () => {
    assert.ok(Number.isNaN(meanEstimate([]).value))
    assert.deepEqual(meanEstimate([3]), { value: 3, low: 3, high: 3 })
    assert.deepEqual(meanEstimate([2, 2, 2]), { value: 2, low: 2, high: 2 })
  })

  test('it is near the normal interval where there are many values, and the same for the same seed', () => {
    const random = new Random(1)
    const values = Array.from({ length: 400 }, () => random.below(1000) / 1000)
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
    const { value, low, high } = meanEstimate(values, 5)
    assert.equal(value, mean)
    near(low, mean - (1.96 * deviation) / 20, 0.004)
    near(high, mean + (1.96 * deviation) / 20, 0.004)
    assert.deepEqual(meanEstimate(values, 5), { value, low, high })
    assert.notDeepEqual(meanEstimate(values, 6), { value, low, high })
  })

  test('it holds the true mean about 95 times in a hundred', () => {
    let held = 0
    for (let trial = 0; trial < 200; trial++) {
      const random = new Random(trial, 9)
      const { low, high } = meanEstimate(Array.from({ length: 40 }, () => random.below(1001)), trial)
      if (low <= 500 && 500 <= high) held++
    }
    assert.ok(held >= 180 && held <= 199, String(held))
  })
})

test('a paired difference leaves out what makes the rows unequal', () => {
  const random = new Random(2)
  const a = Array.from({ length: 100 }, () => random.below(100))
  const b = a.map((value, i) => value + 1 + (i % 2) * 0.5)
  const { value, low, high } = pairedDifference(a, b)
  near(value, 1.25)
  assert.ok(low > 1.15 && high < 1.35, `${low} to ${high}`)
  assert.throws(() => pairedDifference([1], []), /1 values are paired with 0/)
})

test('Wilson\'s interval of a share: the numbers of scipy\'s proportion_ci', () => {
  const cases: readonly (readonly [successes: number, trials: number, low: number, high: number])[] = [
    [0, 10, 0, 0.27753279986288617],
    [10, 10, 0.7224672001371107, 1],
    [7, 10, 0.39677814746114526, 0.892208732593699],
    [50, 100, 0.4038315303659956, 0.5961684696340044],
  ]
  for (const [successes, trials, low, high] of cases) {
    const found = shareEstimate(successes, trials)
    near(found.value, successes / trials)
    near(found.low, low)
    near(found.high, high)
  }
  assert.deepEqual(shareEstimate(0, 0), { value: NaN, low: 0, high: 1 })
})

test('the sign test: the numbers of scipy\'s binomtest', () => {
  assert.equal(signTest(0, 0), 1)
  assert.equal(signTest(5, 5), 1)
  near(signTest(6, 0), 0.03125)
  near(signTest(1, 9), 0.021484375)
  near(signTest(9, 1), 0.021484375)
  near(signTest(15, 5), 0.04138946533203125)
  near(signTest(60, 40), 0.05688793364098089)
  assert.ok(signTest(2_000, 1_000) < 1e-70)
})

describe('the win rate', () => {
  test('ties count half, rows that lack a score not at all', () => {
    const { wins, losses, ties, rate, interval, pValue } = winRate([0, 1, 1, 0, null, 1], [1, 0, 1, 1, 1, null])
    assert.deepEqual({ wins, losses, ties, rate }, { wins: 2, losses: 1, ties: 1, rate: 0.625 })
    assert.ok(interval[0] < 0.625 && interval[1] > 0.625)
    assert.equal(pValue, 1)
  })

  test('the other way round is one minus it', () => {
    const random = new Random(3)
    const scores = () => Array.from({ length: 50 }, () => random.below(4))
    const [a, b] = [scores(), scores()]
    near(winRate(a, b).rate + winRate(b, a).rate, 1)
    assert.equal(winRate(a, b).pValue, winRate(b, a).pValue)
    assert.equal(winRate(a, a).rate, 0.5)
  })

  test('of no rows', () => {
    const { rate, pValue } = winRate([], [])
    assert.ok(Number.isNaN(rate))
    assert.equal(pValue, 1)
    assert.throws(() => winRate([1], []), /1 scores are compared with 0/)
  })
})

test('a summary: a row counts once, however many completions it has; nulls are counted by their reasons', () => {
  const graded = (reward: number) => ({ reward, components: { a: reward, b: 1 } })
  const failed = (error: string) => ({ reward: null, components: { a: null, b: 1 }, error })
  const rows = [[graded(1), graded(0)], [graded(1), failed('x')], [failed('y'), failed('x')]]
  const summary = summarizeGrades(rows)
  assert.deepEqual(rows.map(rowReward), [0.5, 1, null])
  assert.equal(summary.reward.value, 0.75)
  assert.deepEqual({ ...summary, reward: undefined }, {
    rows: 3,
    completions: 6,
    reward: undefined,
    components: { a: 2 / 3, b: 1 },
    missing: 3,
    reasons: [{ reason: 'x', count: 2 }, { reason: 'y', count: 1 }],
  })
})
