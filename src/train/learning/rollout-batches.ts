/** A step's answers as micro-batches, and the loss that they feed. */
import { packTrees } from '../../data/pack.ts'
import { answerTree, type RenderedTree } from '../../data/tree.ts'
import { packedForward, type PackedBatch } from '../../models/graph/forward.ts'
import type { Loss } from '../../methods/method.ts'
import type { Estimates, Rollout } from '../../methods/rollout.ts'
import { add, div, exp, matmul, minimum, mul, squeeze, stopGradient, sub, unsqueeze } from '../../tensor/operators.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { MicroBatch } from '../learner.ts'
import type { Policy } from '../policy.ts'
import { scalarScores } from './heads.ts'
import { groupSums, membersInput, scalar, scalarInput, sequenceMembers, vector, type MethodFor } from './learning.ts'
import { perTarget } from './per-answer.ts'

/** Stands for what would follow an end token: a target at the end token, where the critic's last value is read. */
export const placeAfterEnd = 0

/** Groups of answers, each group with its question, long ones cut into several. */
export function packAnswers(questions: readonly RenderedTree[], answers: readonly (readonly number[])[], groupSize: number, maxTokens?: number): PackedBatch[] {
  const groups = questions.map(({ stem }, group) => answerTree(stem.ids, answers.slice(group * groupSize, (group + 1) * groupSize)))
  return packTrees(groups, { ...(maxTokens === undefined ? {} : { maxTokens }), split: true })
}

/** What the loss is fed beside the estimates. */
export interface RolloutFeeds extends Pick<Estimates, 'advantages' | 'weights' | 'returns' | 'valueWeights'> {
  /** Log-probabilities with which the tokens were sampled. */
  readonly sampled: readonly Float32Array[]
  /** Whether tokens get an importance weight for the difference between sampling and training. */
  readonly corrected: boolean
}

/** The micro-batches of the first iteration on a set of answers. */
export function rolloutBatches(packed: readonly PackedBatch[], groupSize: number, rollouts: readonly Rollout[], feeds: RolloutFeeds): MicroBatch[] {
  const tokens = rollouts.reduce((sum, { length }) => sum + length, 0)
  return packed.map((batch) => {
    const feed = (values: readonly (Float32Array | undefined)[] | undefined) => vector(perTarget(batch, groupSize, values))
    return {
      batch,
      feeds: {
        first: scalar(1),
        old: feed(undefined),
        sampled: feed(feeds.sampled),
        corrected: scalar(feeds.corrected ? 1 : 0),
        reference: feed(rollouts.map(({ reference }) => reference)),
        advantages: feed(feeds.advantages),
        weights: feed(feeds.weights),
        old_values: feed(rollouts.map(({ values }) => values)),
        returns: feed(feeds.returns),
        value_weights: feed(feeds.valueWeights),
        per_token: scalar(1 / tokens),
        members: sequenceMembers(batch),
      },
    }
  })
}

/** The micro-batches of a later iteration: what the first one's forward pass gave is what it compares with. */
export function laterBatches(batches: readonly MicroBatch[], logprobs: readonly Float32Array[]): MicroBatch[] {
  return batches.map(({ batch, feeds }, i) => ({ batch, feeds: { ...feeds, first: scalar(0), old: vector(logprobs[i]!) } }))
}

/** The critic's value before each target, [N]. */
export function criticValues(policy: Policy): Tensor {
  return scalarScores(policy, packedForward(policy.config, policy.critic ?? policy.parts).hidden_NH)
}

/** The loss of a method, and the log-probabilities that later iterations compare with. */
export function rolloutLoss(method: MethodFor<'prompts'>, settings: Record<string, unknown>, policy: Policy): { loss: Loss; logprobs_N: Tensor } {
  const { temperature, importanceCap, critic } = method.rollouts(settings)
  const forward = packedForward(policy.config, policy.parts)
  const logprobs_N = forward.logprobs(temperature)
  const ofTargets = (name: string): Tensor => input(name, 'float32', ['N'])
  const first = scalarInput('first')
  // Exactly the present value where first is 1: a ratio of exactly 1, whatever graph sampled the answers.
  const old_N = add(mul(stopGradient(logprobs_N), first), mul(ofTargets('old'), sub(1, first)))
  const importance_N = minimum(exp(sub(old_N, ofTargets('sampled'))), importanceCap)
  const weights_N = mul(ofTargets('weights'), add(1, mul(scalarInput('corrected'), sub(importance_N, 1))))
  const members_QN = membersInput('members', 'Q')
  const loss = method.loss({
    logprobs_N,
    old_N,
    reference_N: ofTargets('reference'),
    advantages_N: ofTargets('advantages'),
    weights_N,
    values_N: critic === undefined ? ofTargets('old_values') : critic === 'shared' ? scalarScores(policy, forward.hidden_NH) : criticValues(policy),
    oldValues_N: ofTargets('old_values'),
    returns_N: ofTargets('returns'),
    valueWeights_N: ofTargets('value_weights'),
    perToken: scalarInput('per_token'),
    answerMean: (x_N) => {
      const lengths_Q = groupSums(members_QN, onesLike(x_N))
      const means_Q = div(groupSums(members_QN, x_N), lengths_Q)
      return squeeze(matmul(members_QN, unsqueeze(means_Q, 1), { transposeA: true }), 1)
    },
    settings,
  })
  return { loss, logprobs_N }
}

function onesLike(x: Tensor): Tensor {
  return add(mul(stopGradient(x), 0), 1)
}

/** Mean and maximum of |sampling's log-probability − training's| over the tokens that count, nats. */
export function driftOf(batches: readonly MicroBatch[], logprobs: readonly Float32Array[]): { mean: number; max: number } {
  let [sum, count, max] = [0, 0, 0]
  batches.forEach(({ feeds }, i) => {
    const sampled = feeds['sampled']!.data as Float32Array
    const weights = feeds['weights']!.data as Float32Array
    sampled.forEach((value, n) => {
      if (weights[n] === 0) return
      const difference = Math.abs(value - logprobs[i]![n]!)
      sum += difference
      count++
      max = Math.max(max, difference)
    })
  })
  return { mean: count === 0 ? 0 : sum / count, max }
}
