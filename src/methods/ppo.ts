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
  kl_coef: z.number().min(0).default(0.05),
  /** k1 = −d, k3 = e^d − d − 1, with d = log ref − log π (Schulman 2020). */
  kl_estimator: z.enum(['k1', 'k3']).default('k1'),
  /** Steers the coefficient so that the KL of an answer stays near this, nats (Ziegler et al. 2019, section 2.2). */
  kl_target: z.number().positive().optional(),
  /** Over how many answers it is steered. */
  kl_horizon: z.number().positive().default(10000),
  cliprange: z.number().positive().default(0.2),
  cliprange_value: z.number().positive().default(0.2),
  vf_coef: z.number().min(0).default(0.1),
  gamma: z.number().min(0).max(1).default(1),
  lam: z.number().min(0).max(1).default(0.95),
  whiten_rewards: z.boolean().default(false),
  /** Taken from the reward of an answer that does not end. */
  missing_eos_penalty: z.number().min(0).optional(),
})

type Settings = z.output<typeof settings>

/** The KL coefficient as it stands. */
const stateSchema = z.object({ coefficient: z.number() })

/**
 * Proximal Policy Optimization for language models (Schulman et al. 2017; Ouyang et al. 2022; Ziegler et al. 2019).
 * Each token pays its KL to the policy of step 0, the answer's reward R comes at its end:
 *
 *     r_t = −c KL_t + [t last] R,   δ_t = r_t + γ V_{t+1} − V_t,   A_t = Σ (γλ)^l δ_{t+l},   returns = A + V
 *     −min(ρ A', clip(ρ, 1 ± ε) A') + v ½ max((V − returns)², (clip(V, V_old ± ε_v) − returns)²)
 *
 * with A' whitened over the step's tokens. An answer that ended by itself has one more place after its end token, where
 * R is paid and V is learned too; one that was cut gets R with its last token (both as in TRL). Departs from the papers:
 * each iteration is one optimizer step on all answers (no mini-batches), and the critic shares the policy's base unless
 * told otherwise.
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
    const { coefficient } = stateSchema.safeParse(state).data ?? { coefficient: settings.kl_coef }
    const { advantages, returns, kl } = advantagesAndReturns(rollouts, settings, coefficient)
    const rewarded = rollouts.filter(({ reward }) => reward !== null)
    const equally = (lengthOf: (rollout: Rollout) => number): Float32Array[] => {
      const total = rewarded.reduce((sum, rollout) => sum + lengthOf(rollout), 0)
      return rollouts.map((rollout) => new Float32Array(lengthOf(rollout)).fill(rollout.reward === null ? 0 : 1 / total))
    }
    return {
      advantages,
      returns,
      weights: equally(({ length }) => length),
      valueWeights: equally(({ values }) => values!.length),
      metrics: { ...rolloutMetrics(rollouts), kl, kl_coef: coefficient },
      state: { coefficient: steered(coefficient, kl, rollouts.length, settings) },
    }
  },
  loss({ logprobs_N, old_N, advantages_N, weights_N, values_N, oldValues_N, returns_N, valueWeights_N, settings }) {
    const { cliprange, cliprange_value: valueRange, vf_coef } = settings
    const ratio_N = exp(sub(logprobs_N, old_N))
    const clipped_N = minimum(maximum(ratio_N, 1 - cliprange), 1 + cliprange)
    const [free_N, bounded_N] = [mul(ratio_N, advantages_N), mul(clipped_N, advantages_N)]
    const overTokens = (x_N: Tensor): Tensor => sum(mul(x_N, weights_N))
    const policyLoss = neg(overTokens(minimum(free_N, bounded_N)))
    const near_N = add(oldValues_N, minimum(maximum(sub(values_N, oldValues_N), -valueRange), valueRange))
    const squares_N = maximum(square(sub(values_N, returns_N)), square(sub(near_N, returns_N)))
    const valueLoss = mul(sum(mul(squares_N, valueWeights_N)), 0.5)
    return {
      loss: add(policyLoss, mul(valueLoss, vf_coef)),
      metrics: {
        'loss/policy': policyLoss,
        'loss/value': valueLoss,
        entropy: neg(overTokens(logprobs_N)),
        clip_ratio: overTokens(cast(less(bounded_N, free_N), 'float32')),
      },
    }
  },
})

const square = (x: Tensor): Tensor => mul(x, x)

/** Whitened advantages of every token, returns of every value, and the mean over answers of their summed KL, nats. */
export function advantagesAndReturns(
  rollouts: readonly Rollout[],
  settings: Settings,
  coefficient: number,
): { advantages: Float32Array[]; returns: Float32Array[]; kl: number } {
  const { missing_eos_penalty: penalty = 0, gamma, lam, whiten_rewards } = settings
  const kls = rollouts.map((rollout) => tokenKl(rollout, settings.kl_estimator))
  const rewards = rollouts.map(({ reward, ended, values }, i) => {
    const places = new Float32Array(values!.length)
    places.set(kls[i]!.map((kl) => -coefficient * kl))
    places[places.length - 1]! += (reward ?? 0) - (ended ? 0 : penalty)
    return places
  })
  const rewarded = <Value>(values: readonly Value[]): Value[] => values.filter((_, i) => rollouts[i]!.reward !== null)
  if (whiten_rewards) whiten(rewarded(rewards), false)
  const estimated = rollouts.map(({ values }, i) => generalizedAdvantages(rewards[i]!, values!, gamma, lam))
  const returns = estimated.map((ofAnswer, i) => ofAnswer.map((advantage, t) => advantage + rollouts[i]!.values![t]!))
  const advantages = estimated.map((ofAnswer, i) => ofAnswer.slice(0, rollouts[i]!.length))
  whiten(rewarded(advantages), true)
  const kl = kls.reduce((sum, ofAnswer) => sum + ofAnswer.reduce((total, value) => total + value, 0), 0) / rollouts.length
  return { advantages, returns, kl }
}

function tokenKl({ old, reference }: Rollout, estimator: 'k1' | 'k3'): Float32Array {
  return old!.map((logprob, t) => {
    const difference = reference![t]! - logprob
    return estimator === 'k1' ? -difference : Math.exp(difference) - difference - 1
  })
}

/** Generalized advantage estimation (Schulman et al. 2016, eq. 16); no value after the last place. */
export function generalizedAdvantages(rewards: Float32Array, values: Float32Array, gamma: number, lambda: number): Float32Array {
  const advantages = new Float32Array(rewards.length)
  let next = 0
  for (let t = rewards.length - 1; t >= 0; t--) {
    const following = values[t + 1] ?? 0
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
function steered(coefficient: number, kl: number, answers: number, { kl_target: target, kl_horizon: horizon }: Settings): number {
  if (target === undefined) return coefficient
  const error = Math.min(0.2, Math.max(-0.2, kl / target - 1))
  return coefficient * (1 + (error * answers) / horizon)
}
