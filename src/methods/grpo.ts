import { z } from 'zod'
import { add, cast, exp, less, maximum, minimum, mul, neg, sub, sum } from '../tensor/operators.ts'
import { constant, type Tensor } from '../tensor/tensor.ts'
import { defineMethod } from './method.ts'
import { meanAndDeviation, rolloutFields, rolloutMetrics, type Rollout } from './rollout.ts'

const settings = z.object({
  ...rolloutFields,
  group_size: z.int().refine((size) => size >= 2, 'must be at least 2: an answer is judged by the others of its group').default(8),
  temperature: z.number().positive().default(1),
  /** Optimizer steps on each set of answers, μ. */
  iterations: z.int().positive().default(1),
  epsilon: z.number().positive().default(0.2),
  /** The upper clip where it differs (DAPO: 0.28). */
  epsilon_high: z.number().positive().optional(),
  /** Weight of the KL to the policy of step 0. */
  beta: z.number().min(0).default(0),
  loss: z.enum(['dapo', 'grpo', 'dr_grpo', 'bnpo']).default('dapo'),
  /** Whether the ratio is each token's, or the geometric mean over its answer (GSPO). */
  ratio: z.enum(['token', 'sequence']).default('token'),
  scale_rewards: z.enum(['group', 'batch', 'none']).default('group'),
  /** Takes the loss from answers that were cut at max_new_tokens. */
  mask_truncated: z.boolean().default(false),
})

type Settings = z.output<typeof settings>

/**
 * Group Relative Policy Optimization (Shao et al. 2024, eq. 3): the mean reward of a prompt's answers is the baseline.
 *
 *     A = (R − mean) / (std + 1e-4) in the group,   ρ = π(token) / π_old(token)
 *     −min(ρ A, clip(ρ, 1 − ε, 1 + ε_high) A) + β (e^d − d − 1),   d = log ref − log π
 *
 * summed over tokens with the weight that `loss` gives each: 1 / all tokens of the step (dapo, Yu et al. 2025), the mean
 * over answers of the mean over their tokens (grpo), 1 / (answers · max_new_tokens) (dr_grpo, Liu et al. 2025), or 1 /
 * the tokens of the batch (bnpo, which is dapo where a step is one batch, as here). `ratio: sequence` is GSPO (Zheng et
 * al. 2025). Departs from the paper: β is 0 by default, as in most practice since; an answer without a reward has
 * advantage 0 and no part in its group's mean.
 */
export const grpo = defineMethod({
  name: 'grpo',
  rows: 'prompts',
  settings,
  files: ['reward'],
  learningRate: 1e-5,
  reference: ({ beta }) => beta > 0,
  rollouts: ({ group_size, max_new_tokens, temperature, iterations, importance_cap }) => ({
    groupSize: group_size,
    maxNewTokens: max_new_tokens,
    temperature,
    iterations,
    importanceCap: importance_cap,
  }),
  estimate: (rollouts, settings) => {
    const advantages = groupAdvantages(rollouts, settings.scale_rewards)
    return {
      advantages: rollouts.map(({ length }, i) => new Float32Array(length).fill(advantages[i]!)),
      weights: tokenWeights(rollouts, settings),
      metrics: rolloutMetrics(rollouts),
    }
  },
  loss({ logprobs_N, old_N, reference_N, advantages_N, weights_N, perToken, answerMean, settings }) {
    const { epsilon, epsilon_high: high = epsilon, beta, ratio } = settings
    const change_N = sub(logprobs_N, old_N)
    const ratio_N = exp(ratio === 'token' ? change_N : answerMean(change_N))
    const clipped_N = minimum(maximum(ratio_N, 1 - epsilon), 1 + high)
    const surrogate_N = minimum(mul(ratio_N, advantages_N), mul(clipped_N, advantages_N))
    const difference_N = sub(reference_N, logprobs_N)
    const kl_N = sub(sub(exp(difference_N), difference_N), 1)
    const losses_N = beta === 0 ? neg(surrogate_N) : sub(mul(kl_N, beta), surrogate_N)
    const mean = (x_N: Tensor): Tensor => mul(sum(x_N), perToken)
    return {
      loss: sum(mul(losses_N, weights_N)),
      metrics: {
        entropy: neg(mean(logprobs_N)),
        clip_ratio: mean(isClipped(ratio_N, advantages_N, epsilon, high)),
        ...(beta === 0 ? {} : { kl: mean(kl_N) }),
      },
    }
  },
})

/** 1 where the clip takes the gradient away: the ratio has moved too far in the direction that the advantage asks for. */
function isClipped(ratio_N: Tensor, advantages_N: Tensor, low: number, high: number): Tensor {
  const both = (a: Tensor, b: Tensor): Tensor => mul(cast(a, 'float32'), cast(b, 'float32'))
  const down_N = both(less(ratio_N, constant(1 - low)), less(advantages_N, constant(0)))
  const up_N = both(less(constant(1 + high), ratio_N), less(constant(0), advantages_N))
  return add(down_N, up_N)
}

/** (R − mean) / (std + 1e-4), the mean that of the group; 0 for an answer without a reward. */
export function groupAdvantages(rollouts: readonly Rollout[], scale: Settings['scale_rewards']): number[] {
  const rewarded = rollouts.flatMap((rollout) => (rollout.reward === null ? [] : [{ group: rollout.group, reward: rollout.reward }]))
  const rewardsOf = Map.groupBy(rewarded, ({ group }) => group)
  const batch = meanAndDeviation(rewarded.map(({ reward }) => reward))
  return rollouts.map(({ group, reward }) => {
    if (reward === null) return 0
    const ofGroup = meanAndDeviation(rewardsOf.get(group)!.map((it) => it.reward))
    const deviation = { group: ofGroup.deviation, batch: batch.deviation, none: undefined }[scale]
    const centred = reward - ofGroup.mean
    return deviation === undefined ? centred : centred / (deviation + 1e-4)
  })
}

/** An answer without a reward keeps its place, with advantage 0; one that is masked keeps its place among the answers only. */
function tokenWeights(rollouts: readonly Rollout[], { loss, mask_truncated, max_new_tokens }: Settings): Float32Array[] {
  const counts = ({ ended }: Rollout): boolean => ended || !mask_truncated
  const tokens = rollouts.filter(counts).reduce((sum, { length }) => sum + length, 0)
  const weightOf = (length: number): number => {
    if (loss === 'grpo') return 1 / (rollouts.length * length)
    return 1 / (loss === 'dr_grpo' ? rollouts.length * max_new_tokens : tokens)
  }
  return rollouts.map((rollout) => new Float32Array(rollout.length).fill(counts(rollout) ? weightOf(rollout.length) : 0))
}
