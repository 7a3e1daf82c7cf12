/** What methods that learn from their own answers have in common. */
import { z } from 'zod'

/** A sampled answer with its reward. */
export interface Rollout {
  /** Number of its prompt within the step; the answers of a prompt are a group. */
  readonly group: number
  /** Sampled tokens, the end token included. */
  readonly length: number
  /** Whether it ended by itself, not at `max_new_tokens`. */
  readonly ended: boolean
  /** null where no grader could give one: the answer is left out. */
  readonly reward: number | null
  /** Log-probabilities of its tokens before the first update, and under the policy of step 0. */
  readonly old?: Float32Array
  readonly reference?: Float32Array
  /** The critic's value before each token and, where the answer ended by itself, after its end. */
  readonly values?: Float32Array
}

export interface RolloutSettings {
  /** Answers of each prompt. */
  readonly groupSize: number
  readonly maxNewTokens: number
  readonly temperature: number
  /** Optimizer steps on each set of answers. */
  readonly iterations: number
  /** A value network: a head on the policy's own hidden states, or a second model. */
  readonly critic?: 'shared' | 'separate'
  /** Whether log-probabilities (and values) are needed before the first update. */
  readonly forward?: boolean
  /** The largest importance weight of a token where sampling and training disagree. */
  readonly importanceCap: number
}

/** What the loss needs of each token of each rollout, in the order of the rollouts. */
export interface Estimates {
  readonly advantages: readonly Float32Array[]
  readonly weights: readonly Float32Array[]
  /** Like `Rollout.values`: with one more entry where the answer ended. */
  readonly returns?: readonly Float32Array[]
  readonly valueWeights?: readonly Float32Array[]
  readonly metrics: Readonly<Record<string, number>>
  /** What the next call gets. */
  readonly state?: z.core.util.JSONType
}

/** Settings that all of them have, under their names in recipes. */
export const rolloutFields = {
  /** A grader, a file with one, or a list of {grader, weight}; docs/graders.md. */
  reward: z.unknown().refine((value) => value !== undefined, 'is missing: give a grader, a file with one, or a list of {grader, weight}'),
  max_new_tokens: z.int().positive().default(256),
  /** Above it a token's importance weight is cut (Yao et al. 2025), used where sampling and training disagree. */
  importance_cap: z.number().min(1).default(2),
}

/** The mean and the standard deviation with n − 1; 0 for a single value. */
export function meanAndDeviation(values: readonly number[]): { mean: number; deviation: number } {
  // Of equal values exactly their value and 0: a rounding error would come back divided by next to nothing.
  if (values.every((value) => value === values[0])) return { mean: values[0] ?? 0, deviation: 0 }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) }
}

/** What every step on rollouts logs of them; not a number where no answer has a reward. */
export function rolloutMetrics(rollouts: readonly Rollout[]): Record<string, number> {
  const rewards = rollouts.flatMap(({ reward }) => (reward === null ? [] : [reward]))
  const rewarded = rollouts.filter(({ reward }) => reward !== null)
  const groups = [...Map.groupBy(rewarded, ({ group }) => group).values()]
  // Where each prompt has one answer, the step is the group.
  const compared = rewarded.length > 0 && groups.length === rewarded.length ? [rewarded] : groups
  const deviations = compared.map((group) => meanAndDeviation(group.map(({ reward }) => reward!)).deviation)
  const share = (count: number, of: number): number => (of === 0 ? 0 : count / of)
  const { mean, deviation } = rewards.length === 0 ? { mean: NaN, deviation: NaN } : meanAndDeviation(rewards)
  return {
    reward: mean,
    reward_std: deviation,
    frac_reward_zero_std: share(deviations.filter((value) => value === 0).length, deviations.length),
    frac_reward_null: share(rollouts.length - rewards.length, rollouts.length),
    completion_length: share(rollouts.reduce((sum, { length }) => sum + length, 0), rollouts.length),
    'completions/clipped_ratio': share(rollouts.filter(({ ended }) => !ended).length, rollouts.length),
  }
}
