import { z } from 'zod'
import { add, cast, exp, less, maximum, minimum, mul, neg, sub, sum } from '../tensor/operators.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { defineMethod } from './method.ts'
import { rolloutFields, rolloutMetrics, type Rollout } from './rollout.ts'

const settings = z.object({
  ...rolloutFields,
  temperature: z.number().positive().default(0.7),
  /** Optimizer steps on each set of answers. */
  iterations: z.int().positive().default(4),
  /** `shared`: a value head on the policy's hidden states; `separate`: a second model of its own weights. */
  critic: z.enum(['shared', 'separate']).default('shared'),
  kl: z
    .strictObject({
      coefficient: z.number().min(0).default(0.05),
      /** k1 = −d, k3 = e^d − d − 1, with d = log ref − log π (Schulman 2020). */
      estimator: z.enum(['k1', 'k3']).default('k1'),
      /** Steers the coefficient so that the KL of an answer stays near this, nats (Ziegler et al. 2019, section 2.2). */
      target: z.number().positive().optional(),
      /** Over how many answers it is steered. */
      horizon: z.number().positive().default(10000),
    })
    .prefault({}),
  clip: z.number().positive().default(0.2),
  value_clip: z.number().positive().default(0.2),
  value_coefficient: z.number().min(0).default(0.1),
  gamma: z.number().min(0).max(1).default(1),
  lambda: z.number().min(0).max(1).default(0.95),
  whiten_rewards: z.boolean().default(false),
  /** Taken from the reward of an answer that does not end. */
  missing_eos_penalty: z.number().min(0).optional(),
})

type Settings = z.output<typeof settings>

/** The KL coefficient as it stands. */
const stateSchema = z.object({ coefficient: z.number() })

/**
 * Proximal Policy Optimization for language models (Schulman et al. 2017; Ouyang et al. 2022; Ziegler et al. 2019).
 * Each token pays its KL to the policy of step 0, the answer's reward comes with its last token:
 *
 *     r_t = −c KL_t + [t last] R,   δ_t = r_t + γ V_{t+1} − V_t,   A_t = Σ (γλ)^l δ_{t+l},   returns = A + V
 *     −min(ρ A', clip(ρ, 1 ± ε) A') + v ½ max((V − returns)², (clip(V, V_old ± ε_v) − returns)²)
 *
 * with A' whitened over the step's tokens. Departs from the papers: each iteration is one optimizer step on all answers
 * (no mini-batches), and the critic shares the policy's base unless told otherwise.
 */
export const ppo = defineMethod({
  name: 'ppo',
  rows: 'prompts',
  settings,
  files: ['reward'],
  learningRate: 1e-5,
  reference: () => true,
  rollouts: ({ max_new_tokens, temperature, iterations, critic, importance_cap }) => ({
    groupSize: 1,
    maxNewTokens: max_new_tokens,
    temperature,
    iterations,
    critic,
    forward: true,
    importanceCap: importance_cap,
  }),
  estimate(rollouts, settings, state) {
    const { coefficient } = stateSchema.safeParse(state).data ?? settings.kl
    const { advantages, returns, kl } = advantagesAndReturns(rollouts, settings, coefficient)
    const tokens = rollouts.reduce((sum, { reward, length }) => sum + (reward === null ? 0 : length), 0)
    return {
      advantages,
      returns,
      weights: rollouts.map(({ reward, length }) => new Float32Array(length).fill(reward === null ? 0 : 1 / tokens)),
      metrics: { ...rolloutMetrics(rollouts), kl, kl_coefficient: coefficient },
      state: { coefficient: steered(coefficient, kl, rollouts.length, settings) },
    }
  },
  loss({ logprobs_N, old_N, advantages_N, weights_N, values_N, oldValues_N, returns_N, perToken, settings }) {
    const { clip, value_clip: valueClip, value_coefficient: coefficient } = settings
    const ratio_N = exp(sub(logprobs_N, old_N))
    const clipped_N = minimum(maximum(ratio_N, 1 - clip), 1 + clip)
    const [free_N, bounded_N] = [mul(ratio_N, advantages_N), mul(clipped_N, advantages_N)]
    const policyLoss = neg(sum(mul(minimum(free_N, bounded_N), weights_N)))
    const near_N = add(oldValues_N, minimum(maximum(sub(values_N, oldValues_N), -valueClip), valueClip))
    const squares_N = maximum(square(sub(values_N, returns_N)), square(sub(near_N, returns_N)))
    const valueLoss = mul(sum(mul(squares_N, weights_N)), 0.5)
    return {
      loss: add(policyLoss, mul(valueLoss, coefficient)),
      metrics: {
        'loss/policy': policyLoss,
        'loss/value': valueLoss,
        entropy: neg(mul(sum(logprobs_N), perToken)),
        clip_ratio: mul(sum(cast(less(bounded_N, free_N), 'float32')), perToken),
      },
    }
  },
})

const square = (x: Tensor): Tensor => mul(x, x)

/** Advantages (whitened) and returns of every token, and the mean over answers of their summed KL, nats. */
export function advantagesAndReturns(
  rollouts: readonly Rollout[],
  settings: Settings,
  coefficient: number,
): { advantages: Float32Array[]; returns: Float32Array[]; kl: number } {
  const { missing_eos_penalty: penalty = 0, gamma, lambda } = settings
  const kls = rollouts.map((rollout) => tokenKl(rollout, settings.kl.estimator))
  const rewards = rollouts.map(({ reward, ended, length }, i) => {
    const tokens = kls[i]!.map((kl) => -coefficient * kl)
    if (reward !== null) tokens[length - 1]! += reward - (ended ? 0 : penalty)
    return tokens
  })
  const rewarded = rollouts.map(({ reward }) => reward !== null)
  if (settings.whiten_rewards) whiten(rewards.filter((_, i) => rewarded[i]), false)
  const advantages = rollouts.map(({ values }, i) => generalizedAdvantages(rewards[i]!, values!, gamma, lambda))
  const returns = advantages.map((ofAnswer, i) => ofAnswer.map((advantage, t) => advantage + rollouts[i]!.values![t]!))
  whiten(advantages.filter((_, i) => rewarded[i]), true)
  const kl = kls.reduce((sum, ofAnswer) => sum + ofAnswer.reduce((total, value) => total + value, 0), 0) / rollouts.length
  return { advantages, returns, kl }
}

function tokenKl({ old, reference }: Rollout, estimator: 'k1' | 'k3'): Float32Array {
  return old!.map((logprob, t) => {
    const difference = reference![t]! - logprob
    return estimator === 'k1' ? -difference : Math.exp(difference) - difference - 1
  })
}

/** Generalized advantage estimation (Schulman et al. 2016, eq. 16); no value after the last token. */
export function generalizedAdvantages(rewards: Float32Array, values: Float32Array, gamma: number, lambda: number): Float32Array {
  const advantages = new Float32Array(rewards.length)
  let next = 0
  for (let t = rewards.length - 1; t >= 0; t--) {
    const following = t + 1 < values.length ? values[t + 1]! : 0
    next = rewards[t]! + gamma * following - values[t]! + gamma * lambda * next
    advantages[t] = next
  }
  return advantages
}

/** Scales all values to deviation 1 (n − 1 in the variance) and, where `shift`, mean 0; in place. */
function whiten(arrays: readonly Float32Array[], shift: boolean): void {
  const count = arrays.reduce((sum, { length }) => sum + length, 0)
  if (count < 2) return
  const total = (of: (value: number) => number): number =>
    arrays.reduce((sum, values) => values.reduce((inner, value) => inner + of(value), sum), 0)
  const mean = total((value) => value) / count
  const variance = total((value) => (value - mean) ** 2) / (count - 1)
  const scale = 1 / Math.sqrt(variance + 1e-8)
  for (const values of arrays) values.forEach((value, t) => { values[t] = (value - mean) * scale + (shift ? 0 : mean) })
}

/** The KL coefficient of the next step: raised by up to 20% of n / horizon where the KL is above its target, else lowered. */
function steered(coefficient: number, kl: number, answers: number, { kl: { target, horizon } }: Settings): number {
  if (target === undefined) return coefficient
  const error = Math.min(0.2, Math.max(-0.2, kl / target - 1))
  return coefficient * (1 + (error * answers) / horizon)
}
