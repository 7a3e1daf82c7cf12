/** What is computed together gives what each sequence gives alone, whatever the micro-batches. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { answerTree, type RenderedTree } from '../../data/tree.ts'
import type { Loss } from '../../methods/method.ts'
import { methods } from '../../methods/index.ts'
import type { Rollout } from '../../methods/rollout.ts'
import { Random } from '../../random.ts'
import { openFixturePolicy } from '../fixtures/policy.ts'
import { Learner, type MicroBatch, type StepGradients } from '../learner.ts'
import type { Placement, Policy } from '../policy.ts'
import { labelledBatches, labelledLoss } from './labelled.ts'
import type { MethodFor } from './learning.ts'
import { pairBatches, pairLoss } from './pairs.ts'
import { perTarget } from './per-answer.ts'
import { PolicyForward } from './policy-forward.ts'
import { laterBatches, packAnswers, rolloutBatches, rolloutLoss } from './rollout-batches.ts'

const folder = mkdtempSync(join(tmpdir(), 'posttrain-packing-'))
after(() => { rmSync(folder, { recursive: true }) })
const placement: Placement = { device: 'cpu', threads: 1 }

const random = new Random(7, 0)
const below = (count: number): number => random.uint32() % count
const tokens = (count: number): number[] => Array.from({ length: count }, () => 5 + below(200))
const normal = (count: number): Float32Array => Float32Array.from({ length: count }, () => random.uniform() * 4 - 2)

/** Prompts of unequal length with `answers` answers each, of unequal length too; one answer is a single token. */
function treesWith(answers: number, prompts: readonly number[]): RenderedTree[] {
  return prompts.map((length, i) => answerTree(Int32Array.from(tokens(length)), Array.from({ length: answers }, (_, j) => tokens(i + j === 0 ? 1 : 2 + below(12)))))
}

describe('a prompt that is computed once for its answers gives the log-probabilities of each sequence alone', () => {
  const windows = { 'tiny-llama': undefined, 'tiny-mistral': 6, 'tiny-qwen2': undefined, 'tiny-qwen3': 9 }
  for (const [name, slidingWindow] of Object.entries(windows)) {
    for (const window of new Set([undefined, slidingWindow])) {
      test(window === undefined ? name : `${name}, a window of ${window}`, async () => {
        const { policy, config } = openFixturePolicy(name, 'lora', folder)
        const forward = await PolicyForward.compile({ ...policy, config: { ...config, slidingWindow: window } }, placement)
        for (const answers of [2, 5]) {
          const trees = treesWith(answers, [9, 1, 21, 14])
          const together = await forward.branchSums(trees, { maxTokens: 4096 })
          for (const [i, { stem, branches }] of trees.entries()) {
            for (const [j, branch] of branches.entries()) {
              const [alone] = await forward.branchSums([answerTree(stem.ids, [branch.ids])], { maxTokens: 1 })
              assertNear(together[i]![j]!, alone![0]!, 1e-5, `answer ${j} of prompt ${i}`)
            }
          }
        }
        await forward.release()
      })
    }
  }
})

interface Case {
  readonly loss: Loss
  /** The micro-batches of a step, of at most so many tokens. */
  batches(maxTokens: number): MicroBatch[]
}

type MakeCase = (policy: Policy) => Case

const settingsOf = (name: string, block: Record<string, unknown>): Record<string, unknown> => methods[name]!.settings.strict().parse(block)

function pairs(name: 'dpo' | 'reward', block: Record<string, unknown> = {}): MakeCase {
  return (policy) => {
    const method = methods[name] as MethodFor<'pairs'>
    const settings = settingsOf(name, block)
    const layout = { promptLoss: method.promptLoss?.(settings) ?? false, scalarHead: method.scalarHead ?? false }
    const trees = treesWith(2, [9, 3, 21, 14, 6])
    const set = { trees, reference: normal(10).map((value) => value - 40), margins: normal(5) }
    return { loss: pairLoss(method, settings, policy), batches: (maxTokens) => pairBatches(set, layout, maxTokens) }
  }
}

const thumbs: MakeCase = (policy) => {
  const method = methods['kto'] as MethodFor<'labelled'>
  const trees = treesWith(1, [9, 3, 21, 14, 6])
  const set = { trees, labels: [true, false, true, true, false], reference: normal(5).map((value) => value - 40) }
  return { loss: labelledLoss(method, settingsOf('kto', {}), policy), batches: (maxTokens) => labelledBatches(set, 0.3, maxTokens) }
}

function answers(name: 'grpo' | 'ppo', block: Record<string, unknown> = {}): MakeCase {
  return (policy) => {
    const method = methods[name] as MethodFor<'prompts'>
    const settings = settingsOf(name, { reward: 'unused', ...block })
    const { groupSize } = method.rollouts(settings)
    const trees = treesWith(groupSize, [9, 3, 21])
    const ids = trees.flatMap(({ branches }) => branches.map((branch) => Array.from(branch.ids)))
    const perAnswer = (): Float32Array[] => ids.map(({ length }) => normal(length).map((value) => value / 2 - 5))
    const [old, reference, sampled, values] = [perAnswer(), perAnswer(), perAnswer(), perAnswer()]
    const rollouts = ids.map(({ length }, i): Rollout => (
      { group: Math.floor(i / groupSize), length, ended: false, reward: (i * 7) % 5, old: old[i]!, reference: reference[i]!, values: values[i]! }))
    const estimates = method.estimate(rollouts, settings, undefined)
    return {
      loss: rolloutLoss(method, settings, policy).loss,
      batches: (maxTokens) => {
        const packed = packAnswers(trees, ids, groupSize, maxTokens)
        const fresh = rolloutBatches(packed, groupSize, rollouts, { ...estimates, sampled, corrected: true })
        return laterBatches(fresh, packed.map((batch) => perTarget(batch, groupSize, old)))
      },
    }
  }
}

describe('micro-batches of any size give the step the same loss, metrics and gradient', () => {
  const head = Array.from(normal(openFixturePolicy('tiny-llama', 'lora', folder).config.hiddenSize), (value) => value / 8)
  const cases: Record<string, { readonly make: MakeCase; readonly heads?: { head: number[]; critic?: 'shared' | 'separate' } }> = {
    dpo: { make: pairs('dpo') },
    'dpo, ipo': { make: pairs('dpo', { loss: 'ipo' }) },
    'dpo, simpo': { make: pairs('dpo', { loss: 'simpo' }) },
    'dpo, orpo': { make: pairs('dpo', { loss: 'orpo' }) },
    reward: { make: pairs('reward', { center_rewards_coefficient: 0.01 }), heads: { head } },
    kto: { make: thumbs },
    grpo: { make: answers('grpo', { group_size: 4, beta: 0.04 }) },
    'grpo, loss grpo': { make: answers('grpo', { group_size: 4, loss: 'grpo' }) },
    'grpo, one ratio for an answer': { make: answers('grpo', { group_size: 4, ratio: 'sequence' }) },
    'ppo, shared critic': { make: answers('ppo'), heads: { head, critic: 'shared' } },
    'ppo, separate critic': { make: answers('ppo', { critic: 'separate' }), heads: { head, critic: 'separate' } },
  }
  for (const [name, { make, heads }] of Object.entries(cases)) {
    test(name, async () => {
      const { policy } = openFixturePolicy('tiny-llama', 'lora', folder, heads)
      const { loss, batches } = make(policy)
      const learner = await Learner.compile(policy, loss, placement)
      const [one, many] = [batches(4096), batches(24)]
      assert.ok(one.length === 1 && many.length >= 2, `${one.length} and ${many.length} micro-batches`)
      assertSame(await learner.run(many), await learner.run(one))
      await learner.release()
    })
  }
})

function assertSame(many: StepGradients, one: StepGradients): void {
  assertNear(many.loss, one.loss, 1e-6, 'loss')
  for (const [name, value] of Object.entries(one.metrics)) assertNear(many.metrics[name]!, value, 1e-5, name)
  const norm = Math.hypot(...[...one.gradients.values()].map((gradient) => Math.hypot(...gradient)))
  assert.ok(norm > 1e-3, `a gradient of norm ${norm}`)
  assert.deepEqual([...many.gradients.keys()].sort(), [...one.gradients.keys()].sort())
  for (const [name, gradient] of one.gradients) {
    const other = many.gradients.get(name)!
    const difference = gradient.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0)
    assert.ok(difference <= 1e-6 * norm, `gradient of ${name}: ${difference} apart, norm ${norm}`)
  }
}

function assertNear(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${what}: ${actual} instead of ${expected}`)
}
