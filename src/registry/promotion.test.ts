import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Comparison } from '../train/job-comparison.ts'
import { decide } from './promotion.ts'

function comparison(low: number, after: number, prompts = 40): Comparison {
  return {
    measure: 'reward of the likeliest answer', prompts, preference: { value: low + 0.1, low, high: low + 0.2 }, generalLoss: { before: 2, after },
  }
}

test('an alias moves only if the interval is above 0 and the general loss rises by at most 2%', () => {
  const cases: readonly (readonly [Comparison | undefined, boolean, RegExp])[] = [
    [comparison(0.01, 2), true, /improves; .*: \+0\.1100 \(95% interval \+0\.0100 to \+0\.2100, 40 held-out prompts\); general loss \+0\.0%/],
    [comparison(0.01, 2.04), true, /general loss \+2\.0%/],
    [comparison(0.01, 1.9), true, /general loss -5\.0%/],
    [comparison(0.01, 2.041), false, /rises by more than 2%/],
    [comparison(0, 2), false, /does not surely improve/],
    [comparison(-0.05, 2), false, /does not surely improve/],
    [comparison(NaN, 2), false, /does not surely improve/],
    [comparison(0.01, NaN), false, /general loss/],
    [comparison(0.01, 2, 7), false, /7 held-out prompts are too few/],
    [undefined, false, /no held-out rows/],
  ]
  for (const [measured, promote, reason] of cases) {
    const decision = decide(measured)
    assert.equal(decision.promote, promote, decision.reason)
    assert.match(decision.reason, reason)
  }
})
