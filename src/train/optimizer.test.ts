import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { clipGradients, createAdamW, firstNonFinite } from './optimizer.ts'
import type { NamedArrays } from './optimizer.ts'

type Tensors = Record<string, number[]>
interface Fixture {
  adamw: {
    settings: { betas: [number, number]; eps: number; weightDecay: number }
    maxNorm: number
    initial: Tensors
    steps: { gradients: Tensors; lr: number; norm: number; parameters: Tensors }[]
    moments: Tensors
  }[]
}

const fixtures = JSON.parse(readFileSync(new URL('fixtures/optimizer.json', import.meta.url), 'utf8')) as Fixture

function arrays(tensors: Tensors): Map<string, Float32Array> {
  return new Map(Object.entries(tensors).map(([name, values]) => [name, Float32Array.from(values)]))
}

function plain(named: NamedArrays): Tensors {
  return Object.fromEntries([...named].map(([name, values]) => [name, [...values]]))
}

/** Each value within 1e-6 of torch's, or within the f32 rounding of the largest one (first moments cancel). */
function assertClose(actual: NamedArrays, expected: Tensors): void {
  assert.deepEqual([...actual.keys()].sort(), Object.keys(expected).sort())
  for (const [name, values] of actual) {
    const largest = Math.max(...expected[name]!.map(Math.abs))
    values.forEach((value, i) => {
      const wanted = expected[name]![i]!
      const tolerance = 1e-6 * Math.abs(wanted) + 2 ** -23 * largest
      assert.ok(Math.abs(value - wanted) <= tolerance, `${name}[${i}] is ${value}, torch has ${wanted}`)
    })
  }
}

for (const fixture of fixtures.adamw) {
  const { weightDecay, eps } = fixture.settings
  test(`ten clipped steps are torch's (weight decay ${weightDecay}, eps ${eps})`, () => {
    const parameters = arrays(fixture.initial)
    const optimizer = createAdamW(parameters, fixture.settings)
    for (const step of fixture.steps) {
      const gradients = arrays(step.gradients)
      const norm = clipGradients(gradients, fixture.maxNorm)
      assert.ok(Math.abs(norm / step.norm - 1) < 1e-6, `norm ${norm}, torch has ${step.norm}`)
      optimizer.step(gradients, step.lr)
      assertClose(parameters, step.parameters)
    }
    assertClose(optimizer.state().moments, fixture.moments)
    assert.equal(optimizer.state().step, 10)
  })
}

test('a run that is saved and restored goes on bit by bit', () => {
  const { settings, initial, steps } = fixtures.adamw[0]!
  const whole = arrays(initial)
  const undisturbed = createAdamW(whole, settings)
  for (const step of steps) undisturbed.step(arrays(step.gradients), step.lr)

  const first = arrays(initial)
  const before = createAdamW(first, settings)
  for (const step of steps.slice(0, 4)) before.step(arrays(step.gradients), step.lr)
  const second = arrays(plain(first))
  const resumed = createAdamW(second, settings)
  resumed.restore({ step: before.state().step, moments: arrays(plain(before.state().moments)) })
  for (const step of steps.slice(4)) resumed.step(arrays(step.gradients), step.lr)

  assert.deepEqual(second, whole)
  assert.deepEqual(resumed.state(), undisturbed.state())
})

test('a parameter can have a learning rate of its own and no decay', () => {
  const settings = { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.5 } as const
  const gradients = arrays({ slow: [0.3], fast: [0.3], still: [0] })
  const parameters = arrays({ slow: [1], fast: [1], still: [1] })
  createAdamW(parameters, {
    ...settings,
    rule: (name) => (name === 'fast' ? { lrScale: 16 } : { decay: name !== 'still' }),
  }).step(gradients, 1e-2)
  const alone = arrays({ fast: [1] })
  createAdamW(alone, settings).step(gradients, 0.16)
  assert.deepEqual(parameters.get('fast'), alone.get('fast'))
  assert.deepEqual(parameters.get('still'), Float32Array.of(1))
  assert.ok(Math.abs(parameters.get('slow')![0]! - (1 - 1e-2 * 0.5 - 1e-2)) < 1e-7)
})

test('a state of other tensors is refused, naming the tensor, and nothing is taken over', () => {
  const settings = { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 } as const
  const optimizer = createAdamW(arrays({ a: [1, 2], b: [3] }), settings)
  const moments = arrays({ 'exp_avg.a': [9, 9], 'exp_avg_sq.a': [9, 9], 'exp_avg.b': [9, 9, 9], 'exp_avg_sq.b': [9] })
  const refusal = { name: 'UserError', message: /expects 1 values for exp_avg\.b, which has 3 values/ }
  assert.throws(() => optimizer.restore({ step: 5, moments }), refusal)
  assert.equal(optimizer.state().step, 0)
  assert.deepEqual(optimizer.state().moments.get('exp_avg.a'), new Float32Array(2))
  assert.throws(() => optimizer.step(arrays({ a: [1, 2] }), 1), { message: /values for b, which is missing/ })
})

test('gradients within the limit are left as they are', () => {
  const gradients = arrays({ a: [3], b: [4] })
  assert.equal(clipGradients(gradients, 5.1), 5)
  assert.deepEqual(plain(gradients), { a: [3], b: [4] })
  assert.equal(clipGradients(gradients, 1), 5)
  assert.ok(Math.abs(gradients.get('b')![0]! - 4 / 5.000001) < 1e-7)
})

test('a gradient that is not finite makes the norm so, stays as it is, and is named', () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    const gradients = arrays({ good: [1e38, 1e38], bad: [1, bad] })
    assert.equal(Number.isFinite(clipGradients(gradients, 1)), false)
    assert.deepEqual(plain(gradients), { good: [...Float32Array.of(1e38, 1e38)], bad: [1, bad] })
    assert.equal(firstNonFinite(gradients), 'bad')
  }
  const large = arrays({ a: [3e38, 3e38] })
  assert.equal(Number.isFinite(clipGradients(large, 1)), true)
  assert.equal(firstNonFinite(large), undefined)
})
