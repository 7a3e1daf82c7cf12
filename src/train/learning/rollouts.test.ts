/** GRPO and PPO on fixed rollouts against TRL's trainers (bench/parity/make_grpo.py, make_ppo.py). */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { answerTree } from '../../data/tree.ts'
import type { PackedBatch } from '../../models/graph/forward.ts'
import { grpo } from '../../methods/grpo.ts'
import { ppo } from '../../methods/ppo.ts'
import type { Rollout } from '../../methods/rollout.ts'
import { openFixturePolicy } from '../fixtures/policy.ts'
import { Learner, type MicroBatch } from '../learner.ts'
import { clipGradients, createAdamW, type Optimizer } from '../optimizer.ts'
import type { Placement, Policy } from '../policy.ts'
import { scheduleFactor } from '../schedule.ts'
import type { MethodFor } from './learning.ts'
import { perTarget, splitByAnswer } from './per-answer.ts'
import { PolicyForward } from './policy-forward.ts'
import { criticValues, laterBatches, packAnswers, placeAfterEnd, rolloutBatches, rolloutLoss } from './rollout-batches.ts'

const folder = mkdtempSync(join(tmpdir(), 'posttrain-rollouts-'))
after(() => { rmSync(folder, { recursive: true }) })
const placement: Placement = { device: 'cpu', threads: 1 }

interface Sampled {
  readonly prompt: number[]
  readonly completion: number[]
}

interface Recipe {
  readonly adapter: { readonly type: 'lora' | 'none' }
  readonly optimizer: { readonly lr: number; readonly betas: [number, number]; readonly eps: number; readonly weight_decay: number; readonly max_grad_norm: number }
  readonly schedule: { readonly name: 'constant' | 'linear' | 'cosine'; readonly warmup: number }
}

type Figures = Readonly<Record<string, number>>

function fixtures<Fixture>(method: string): Map<string, Fixture> {
  const directory = join(import.meta.dirname, '../fixtures', method)
  return new Map(readdirSync(directory).map((file) => [file.replace('.json', ''), JSON.parse(readFileSync(join(directory, file), 'utf8')) as Fixture]))
}

function adamw(policy: Policy, { optimizer: { betas, eps, weight_decay } }: Recipe): Optimizer {
  return createAdamW(policy.values, { betas, eps, weightDecay: weight_decay })
}

function packed(rollouts: readonly Sampled[], groupSize: number, answers: readonly number[][]): PackedBatch[] {
  const questions = rollouts.filter((_, i) => i % groupSize === 0).map(({ prompt }) => answerTree(Int32Array.from(prompt), []))
  return packAnswers(questions, answers, groupSize)
}

function assertNear(actual: number, expected: number, tolerance: number, what: string): void {
  const difference = Math.abs(actual - expected)
  assert.ok(difference <= tolerance * Math.max(1, Math.abs(expected)), `${what}: ${actual} instead of ${expected}`)
}

describe('GRPO as TRL has it', () => {
  interface GrpoRollout extends Sampled {
    readonly reward: number | null
    readonly old: number[]
    readonly reference: number[]
  }
  interface Losses {
    readonly model: string
    readonly group_size: number
    readonly max_new_tokens: number
    readonly rollouts: readonly GrpoRollout[]
    readonly scored: readonly { readonly rewards: readonly (number | null)[] }[]
    readonly advantages: readonly ({ readonly scale_rewards: 'group' | 'batch' | 'none'; readonly weights: number[]; readonly advantages: number[] } & Record<'reward' | 'reward_std' | 'frac_reward_zero_std', number>)[]
    readonly cases: readonly ({ readonly settings: Record<string, unknown>; readonly on_policy: boolean; readonly use_bias_correction_kl: boolean } & Record<string, unknown>)[]
  }
  interface Run {
    readonly model: string
    readonly recipe: Recipe & { readonly grpo: Record<string, unknown> & { readonly group_size: number; readonly max_new_tokens: number; readonly iterations: number } }
    readonly rollouts: readonly (Sampled & { readonly reward: number | null })[]
    readonly batches: readonly number[][]
    readonly steps: readonly Figures[]
  }
  const method = grpo as unknown as MethodFor<'prompts'>
  const all = fixtures<Losses | Run>('grpo')
  const losses = all.get('losses') as Losses
  const rewardless = { reward: 'unused' }

  const rolloutsOf = (sampled: readonly (Sampled & { readonly reward: number | null })[], groupSize: number, endId: number): Rollout[] =>
    sampled.map(({ completion, reward }, i) => ({ group: Math.floor(i / groupSize), length: completion.length, ended: completion.at(-1) === endId, reward }))

  for (const { scale_rewards, weights, advantages, reward, reward_std, frac_reward_zero_std } of losses.advantages) {
    test(`advantages, scale_rewards ${scale_rewards}, weights ${weights.join(' and ')}`, () => {
      const rollouts = losses.scored.map(({ rewards }, i): Rollout => {
        const given = rewards.flatMap((value, k) => (value === null ? [] : [value * weights[k]!]))
        return { group: Math.floor(i / losses.group_size), length: 1, ended: true, reward: given.length === 0 ? null : given.reduce((a, b) => a + b, 0) }
      })
      const estimates = grpo.estimate(rollouts, grpo.settings.strict().parse({ ...rewardless, scale_rewards }))
      estimates.advantages.forEach(([advantage], i) => { assertNear(advantage!, advantages[i]!, 1e-4, `advantage ${i}`) })
      assertNear(estimates.metrics['reward']!, reward, 1e-5, 'reward')
      assertNear(estimates.metrics['reward_std']!, reward_std, 1e-5, 'reward_std')
      if (scale_rewards === 'group') assertNear(estimates.metrics['frac_reward_zero_std']!, frac_reward_zero_std, 1e-6, 'frac_reward_zero_std')
    })
  }

  for (const { settings, on_policy, use_bias_correction_kl, ...expected } of losses.cases) {
    // TRL's default multiplies the KL by the ratio (DeepSeek-V3.2); ours is the paper's.
    if (use_bias_correction_kl) continue
    test(`loss and gradient of ${JSON.stringify(settings)}${on_policy ? ', on policy' : ''}`, async () => {
      const { policy, config } = openFixturePolicy(losses.model, 'lora', folder)
      const parsed = grpo.settings.strict().parse({ ...rewardless, ...settings })
      const { rollouts: sampled, group_size: groupSize } = losses
      const rollouts = rolloutsOf(sampled, groupSize, config.eosTokenIds[0]!).map((rollout, i) => ({ ...rollout, reference: Float32Array.from(sampled[i]!.reference) }))
      const batches = packed(sampled, groupSize, sampled.map(({ completion }) => completion))
      const old = sampled.map((rollout) => Float32Array.from(rollout.old))
      const fresh = rolloutBatches(batches, groupSize, rollouts, { ...grpo.estimate(rollouts, parsed), sampled: old, corrected: false })
      const used = on_policy ? fresh : laterBatches(fresh, batches.map((batch) => perTarget(batch, groupSize, old)))
      const learner = await Learner.compile(policy, rolloutLoss(method, parsed, policy).loss, placement)
      const { loss, metrics, gradients } = await learner.run(used)
      await learner.release()
      assertNear(loss, expected['loss'] as number, 1e-4, 'loss')
      assertNear(clipGradients(gradients, Infinity), expected['grad_norm'] as number, 1e-3, 'gradient norm')
      if (typeof expected['kl'] === 'number') assertNear(metrics['kl']!, expected['kl'], 1e-4, 'kl')
      if (parsed.ratio === 'token' && !parsed.mask_truncated) assertNear(metrics['clip_ratio']!, expected['clip_ratio/region_mean'] as number, 1e-4, 'clip_ratio')
    })
  }

  for (const [name, fixture] of all) {
    if (name === 'losses') continue
    test(`ten steps, two on each set of answers: ${name}`, async () => {
      const { model, recipe, rollouts: sampled, batches: order, steps } = fixture as Run
      const { policy, config } = openFixturePolicy(model, recipe.adapter.type, folder)
      const settings = grpo.settings.strict().parse({ ...rewardless, ...recipe.grpo })
      const initial = new Map([...policy.values].map(([key, values]) => [key, values.slice()]))
      const forward = await PolicyForward.compile(policy, placement, { temperature: settings.temperature })
      const { loss, logprobs_N } = rolloutLoss(method, settings, policy)
      const learner = await Learner.compile(policy, loss, placement, { observe: { logprobs: logprobs_N } })
      const optimizer = adamw(policy, recipe)
      let batches: MicroBatch[] = []
      for (const [step, expected] of steps.entries()) {
        const first = step % settings.iterations === 0
        const ofStep = order[step]!.map((index) => sampled[index]!)
        if (first) {
          const answers = ofStep.map(({ completion }) => completion)
          const packs = packed(ofStep, settings.group_size, answers)
          const reference = await atEachAnswer(packs, answers, settings.group_size, (batch) => forward.run(batch, initial))
          const rollouts = rolloutsOf(ofStep, settings.group_size, config.eosTokenIds[0]!).map((rollout, i) => ({ ...rollout, reference: reference.logprobs[i]! }))
          const estimates = grpo.estimate(rollouts, settings)
          assertNear(estimates.metrics['reward']!, expected['reward']!, 1e-5, `reward of step ${step}`)
          batches = rolloutBatches(packs, settings.group_size, rollouts, { ...estimates, sampled: reference.logprobs, corrected: false })
        }
        const result = await learner.run(batches)
        if (first) batches = laterBatches(batches, result.observed.map(({ logprobs }) => logprobs!))
        const norm = clipGradients(result.gradients, recipe.optimizer.max_grad_norm)
        optimizer.step(result.gradients, recipe.optimizer.lr * scheduleFactor(recipe.schedule, step, steps.length))
        assertNear(result.loss, expected['loss']!, 1e-4, `loss of step ${step}`)
        assertNear(norm, expected['grad_norm']!, 1e-3, `gradient norm of step ${step}`)
        if (settings.beta > 0) assertNear(result.metrics['kl']!, expected['kl']!, 1e-4, `kl of step ${step}`)
        if (settings.ratio === 'token') assertNear(result.metrics['clip_ratio']!, expected['clip_ratio/region_mean']!, 1e-4, `clip ratio of step ${step}`)
      }
      await learner.release()
      await forward.release()
    })
  }
})

describe('PPO as TRL 1.12 has it', () => {
  interface Run {
    readonly model: string
    readonly recipe: Recipe & { readonly ppo: Record<string, unknown> & { readonly critic: 'shared' | 'separate' } }
    readonly head: number[]
    readonly rollouts: readonly (Sampled & { readonly score: number })[]
    readonly batches: readonly number[][]
    readonly rows: readonly ({ readonly update: number; readonly rollout: number } & Readonly<Record<'logprobs' | 'reference' | 'values' | 'returns' | 'advantages', number[]>>)[]
    readonly minibatches: readonly ({ readonly update: number; readonly epoch: number; readonly rollouts: number[] } & Readonly<Record<'policy_loss' | 'value_loss' | 'loss' | 'clip_fraction' | 'policy_grad_norm', number>>)[]
  }
  const method = ppo as unknown as MethodFor<'prompts'>

  for (const [name, fixture] of fixtures<Run>('ppo')) {
    test(`three updates on fixed answers: ${name}`, async () => {
      const { model, recipe, head, rollouts: sampled, batches: order, rows, minibatches } = fixture
      const settings = ppo.settings.strict().parse({ reward: 'unused', ...recipe.ppo })
      const { policy, config } = openFixturePolicy(model, recipe.adapter.type, folder, { head, critic: settings.critic })
      const initial = new Map([...policy.values].map(([key, values]) => [key, values.slice()]))
      const forward = await PolicyForward.compile(policy, placement, { temperature: settings.temperature, values: criticValues(policy) })
      const { loss } = rolloutLoss(method, settings, policy)
      const learner = await Learner.compile(policy, loss, placement)
      const optimizer = adamw(policy, recipe)
      for (const [update, indices] of order.entries()) {
        const expected = indices.map((index) => rows.find((row) => row.update === update && row.rollout === index)!)
        // Where TRL has a place after the end, its values have one entry more than there are tokens.
        const answers = indices.map((index, i) => {
          const { completion } = sampled[index]!
          return expected[i]!.values.length > completion.length ? [...completion, placeAfterEnd] : completion
        })
        const ofUpdate = indices.map((index) => sampled[index]!)
        const packs = packed(ofUpdate, 1, answers)
        const now = await atEachAnswer(packs, answers, 1, (batch) => forward.run(batch))
        const then = await atEachAnswer(packs, answers, 1, (batch) => forward.run(batch, initial))
        const rollouts = ofUpdate.map(({ completion, score }, i): Rollout => ({
          group: i,
          length: completion.length,
          ended: completion.at(-1) === config.eosTokenIds[0],
          reward: score,
          old: now.logprobs[i]!.subarray(0, completion.length),
          reference: then.logprobs[i]!.subarray(0, completion.length),
          values: now.values[i]!,
        }))
        const estimates = ppo.estimate(rollouts, settings, undefined)
        expected.forEach(({ logprobs, reference, values, returns, advantages }, i) => {
          const { old, reference: ours, values: critic } = rollouts[i]!
          const compare = (found: Float32Array, wanted: number[], what: string) => {
            assert.equal(found.length, wanted.length, `${what}: length`)
            wanted.forEach((value, t) => { assertNear(found[t]!, value, 1e-4, `${what} of answer ${i}, token ${t}, update ${update}`) })
          }
          compare(old!, logprobs, 'log-probability')
          compare(ours!, reference, 'reference')
          compare(critic!, values, 'value')
          compare(estimates.returns![i]!, returns, 'return')
          compare(estimates.advantages[i]!, advantages, 'advantage')
        })
        for (const minibatch of minibatches.filter((it) => it.update === update)) {
          const members = minibatch.rollouts.map((index) => indices.indexOf(index))
          const some = <Value>(values: readonly Value[]): Value[] => members.map((i) => values[i]!)
          const scaled = (weights: readonly Float32Array[]): Float32Array[] => {
            const total = some(weights).reduce((sum, values) => sum + values.reduce((a, b) => a + b, 0), 0)
            return some(weights).map((values) => values.map((value) => value / total))
          }
          const packsOf = packed(some(ofUpdate), 1, some(answers))
          const feeds = {
            advantages: some(estimates.advantages),
            returns: some(estimates.returns!),
            weights: scaled(estimates.weights),
            valueWeights: scaled(estimates.valueWeights!),
            sampled: some(now.logprobs),
            corrected: false,
          }
          const fresh = rolloutBatches(packsOf, 1, some(rollouts), feeds)
          const result = await learner.run(laterBatches(fresh, packsOf.map((batch) => perTarget(batch, 1, some(now.logprobs)))))
          const where = `update ${update}, epoch ${minibatch.epoch}`
          assertNear(result.loss, minibatch.loss, 1e-4, `loss, ${where}`)
          assertNear(result.metrics['loss/policy']!, minibatch.policy_loss, 1e-4, `policy loss, ${where}`)
          assertNear(result.metrics['loss/value']!, minibatch.value_loss, 1e-4, `value loss, ${where}`)
          assertNear(result.metrics['clip_ratio']!, minibatch.clip_fraction, 1e-4, `clip fraction, ${where}`)
          optimizer.step(result.gradients, recipe.optimizer.lr * scheduleFactor(recipe.schedule, update, order.length))
        }
      }
      await learner.release()
      await forward.release()
    })
  }
})

/** Log-probabilities and values at each place of each answer. */
async function atEachAnswer(
  packs: readonly PackedBatch[],
  answers: readonly number[][],
  groupSize: number,
  run: (batch: PackedBatch) => Promise<{ readonly logprobs: Float32Array; readonly values?: Float32Array }>,
): Promise<{ logprobs: Float32Array[]; values: Float32Array[] }> {
  const results = []
  for (const batch of packs) results.push(await run(batch))
  const split = (of: readonly (Float32Array | undefined)[]) => splitByAnswer(packs, of, answers.map(({ length }) => length), groupSize) ?? []
  return { logprobs: split(results.map(({ logprobs }) => logprobs)), values: split(results.map(({ values }) => values)) }
}
