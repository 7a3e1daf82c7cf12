import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { scheduleFactor, warmupSteps } from './schedule.ts'
import type { Schedule } from './schedule.ts'

interface Fixture {
  schedules: (Schedule & { steps: number; factors: number[] })[]
}

const fixtures = JSON.parse(readFileSync(new URL('fixtures/optimizer.json', import.meta.url), 'utf8')) as Fixture

for (const { name, warmup, steps, factors } of fixtures.schedules) {
  test(`${name}, warm-up ${warmup} of ${steps} steps, is transformers'`, () => {
    for (const [step, expected] of factors.entries()) {
      const factor = scheduleFactor({ name, warmup }, step, steps)
      assert.ok(Math.abs(factor - expected) < 1e-12, `step ${step}: ${factor}, transformers has ${expected}`)
    }
  })
}

test('warm-up is rounded up to whole steps and begins at 0', () => {
  assert.equal(warmupSteps({ name: 'cosine', warmup: 0.03 }, 20), 1)
  assert.equal(warmupSteps({ name: 'cosine', warmup: 0 }, 20), 0)
  assert.equal(scheduleFactor({ name: 'constant', warmup: 0.5 }, 0, 4), 0)
  assert.equal(scheduleFactor({ name: 'constant', warmup: 0.5 }, 1, 4), 0.5)
})
