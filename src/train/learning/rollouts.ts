import { z } from 'zod'
import { packTrees } from '../../data/pack.ts'
import type { PromptRow } from '../../data/rows.ts'
import { answerTree, type RenderedTree } from '../../data/tree.ts'
import type { Grade, Grader } from '../../evaluate/graders/index.ts'
import type { Completion } from '../../generate/completion.ts'
import { packedForward, type PackedBatch } from '../../models/graph/forward.ts'
import { rolloutMetrics, type Estimates, type Rollout } from '../../methods/rollout.ts'
import { add, div, exp, matmul, minimum, mul, squeeze, stopGradient, sub, unsqueeze } from '../../tensor/operators.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { MicroBatch, StepGradients } from '../learner.ts'
import { openReward } from './reward-source.ts'
import { scalarScores } from './heads.ts'
import {
  groupSums, membersInput, scalar, scalarInput, sequenceMembers, vector,
  type HeldOut, type Learning, type LearningContext, type MethodFor, type StepBatches,
} from './learning.ts'
import { PolicyForward } from './policy-forward.ts'
import { perTarget, splitByAnswer } from './per-answer.ts'
import { Sampler } from './sampler.ts'

/** Above this mean difference between sampling's and training's log-probabilities, tokens get importance weights. */
const tolerableDrift = 0.01
/** Held-out answers that are written to samples.jsonl at each evaluation. */
const shownHeldOut = 8

const stateSchema = z.object({ corrected: z.boolean(), estimates: z.json() })

/** Answers to a step's questions, with what they were sampled with and are worth. */
interface Answers {
  readonly groupSize: number
  readonly completions: readonly Completion[]
  readonly grades: readonly Grade[]
}

/** Learning from the policy's own answers: sample, grade, estimate advantages, and take some optimizer steps on them. */
export async function rolloutLearning(
  method: MethodFor<'prompts'>,
  settings: Record<string, unknown>,
  context: LearningContext<PromptRow>,
): Promise<Learning> {
  return RolloutLearning.open(method, settings, context)
}

class RolloutLearning implements Learning {
  readonly #method: MethodFor<'prompts'>
  readonly #settings: Record<string, unknown>
  readonly #context: LearningContext<PromptRow>
  readonly #sampler: Sampler
  readonly #grader: Grader
  readonly #forward: PolicyForward | undefined
  /** The answers that are being learned from: their micro-batches, and how often they were used. */
  #current: { readonly batches: readonly MicroBatch[]; iteration: number } | undefined
  #corrected: boolean
  #estimates: Estimates['state']

  readonly loss
  readonly observed

  private constructor(
    method: MethodFor<'prompts'>,
    settings: Record<string, unknown>,
    context: LearningContext<PromptRow>,
    parts: { sampler: Sampler; grader: Grader; forward: PolicyForward | undefined },
  ) {
    this.#method = method
    this.#settings = settings
    this.#context = context
    this.#sampler = parts.sampler
    this.#grader = parts.grader
    this.#forward = parts.forward
    const { corrected, estimates } = stateSchema.safeParse(context.state).data ?? { corrected: false, estimates: null }
    this.#corrected = corrected
    this.#estimates = estimates
    const { loss, logprobs_N } = rolloutLoss(method, settings, context.policy)
    this.loss = loss
    this.observed = { logprobs: logprobs_N }
  }

  static async open(method: MethodFor<'prompts'>, settings: Record<string, unknown>, context: LearningContext<PromptRow>): Promise<RolloutLearning> {
    const { policy, placement } = context
    const plan = method.rollouts(settings)
    const needsForward = plan.forward === true || method.reference?.(settings) === true
    const values = plan.critic === undefined ? undefined : criticValues(policy)
    return new RolloutLearning(method, settings, context, {
      grader: await openReward(settings['reward'], context),
      sampler: await Sampler.compile(context),
      forward: needsForward ? await PolicyForward.compile(policy, placement, { temperature: plan.temperature, values }) : undefined,
    })
  }

  get resumable(): boolean {
    return this.#current === undefined
  }

  get state(): NonNullable<Learning['state']> {
    return { corrected: this.#corrected, estimates: this.#estimates ?? null }
  }

  async next(nextRows: () => readonly number[], step: number): Promise<StepBatches> {
    if (this.#current !== undefined) return { batches: this.#current.batches }
    const rows = nextRows()
    const { data } = this.#context
    const questions = rows.map((row) => data.rows.trees[row]!)
    const items = rows.map((row) => data.rows.sources[row]!.row)
    const answers = await this.#answer(questions, items, this.#plan, step)
    this.#logSamples(answers, items, step, answers.groupSize)
    const { batches, metrics } = await this.#prepare(questions, answers)
    this.#current = { batches, iteration: 0 }
    return { batches, metrics }
  }

  /** After the first iteration, what its forward pass gave is what later ones compare with. */
  observe({ observed }: StepGradients): Record<string, number> {
    const current = this.#current!
    const drift = current.iteration === 0 ? driftOf(current.batches, observed.map(({ logprobs }) => logprobs!)) : undefined
    const iteration = current.iteration + 1
    if (iteration === this.#plan.iterations) this.#current = undefined
    else {
      const batches = current.batches.map(({ batch, feeds }, i) => ({
        batch,
        feeds: { ...feeds, first: scalar(0), old: vector(observed[i]!['logprobs']!) },
      }))
      this.#current = { batches, iteration }
    }
    if (drift === undefined) return {}
    this.#corrected = drift.mean > tolerableDrift
    return { 'sampling/logp_difference_mean': drift.mean, 'sampling/logp_difference_max': drift.max }
  }

  async evaluate(step: number): Promise<HeldOut | undefined> {
    const { heldOut } = this.#context.data
    if (heldOut === undefined) return undefined
    const items = heldOut.sources.map(({ row }) => row)
    const answers = await this.#answer(heldOut.trees, items, { ...this.#plan, groupSize: 1, temperature: 0 }, step)
    this.#logSamples(answers, items, step, shownHeldOut)
    const { reward, completion_length, frac_reward_null } = rolloutMetrics(answers.completions.map((completion, i) => rolloutOf(completion, answers.grades[i]!, i)))
    return { objective: -reward!, metrics: { reward: reward!, completion_length: completion_length!, frac_reward_null: frac_reward_null! } }
  }

  async release(): Promise<void> {
    await this.#sampler.release()
    await this.#forward?.release()
    await this.#grader.close()
  }

  get #plan(): ReturnType<MethodFor<'prompts'>['rollouts']> {
    return this.#method.rollouts(this.#settings)
  }

  async #answer(questions: readonly RenderedTree[], items: readonly PromptRow[], plan: SamplingPlan, step: number): Promise<Answers> {
    const { groupSize } = plan
    const completions = await this.#sampler.sample(questions, plan, step)
    const grades = await this.#grader.grade(completions.map(({ text }, i) => ({ item: items[Math.floor(i / groupSize)]!, output: text })))
    return { groupSize, completions, grades }
  }

  async #prepare(questions: readonly RenderedTree[], { groupSize, completions, grades }: Answers): Promise<Required<StepBatches>> {
    const { recipe } = this.#context
    const groups = questions.map(({ stem }, group) =>
      answerTree(stem.ids, completions.slice(group * groupSize, (group + 1) * groupSize).map(({ ids }) => ids)))
    const packed = packTrees(groups, { maxTokens: recipe.tokens_per_micro_batch, split: true })
    const lengths = completions.map(({ ids }) => ids.length)
    const before = await this.#beforeUpdate(packed, lengths, groupSize)
    const rollouts = completions.map((completion, i): Rollout => ({
      ...rolloutOf(completion, grades[i]!, Math.floor(i / groupSize)),
      ...before?.[i],
    }))
    const { advantages, weights, returns, metrics, state } = this.#method.estimate(rollouts, this.#settings, this.#estimates)
    this.#estimates = state
    const tokens = lengths.reduce((sum, length) => sum + length, 0)
    const sampled = completions.map(({ samplingLogprobs }) => Float32Array.from(samplingLogprobs))
    const batches = packed.map((batch): MicroBatch => {
      const feed = (values: readonly (Float32Array | undefined)[] | undefined) => vector(perTarget(batch, groupSize, values))
      return {
        batch,
        feeds: {
          first: scalar(1),
          old: feed(undefined),
          sampled: feed(sampled),
          corrected: scalar(this.#corrected ? 1 : 0),
          reference: feed(rollouts.map(({ reference }) => reference)),
          advantages: feed(advantages),
          weights: feed(weights),
          old_values: feed(rollouts.map(({ values }) => values)),
          returns: feed(returns),
          per_token: scalar(1 / tokens),
          members: sequenceMembers(batch),
        },
      }
    })
    return { batches, metrics }
  }

  /** Old log-probabilities, those of the reference, and values, of each answer; undefined where the method needs none. */
  async #beforeUpdate(batches: readonly PackedBatch[], lengths: readonly number[], groupSize: number): Promise<Pick<Rollout, 'old' | 'reference' | 'values'>[] | undefined> {
    const forward = this.#forward
    if (forward === undefined) return undefined
    const withReference = this.#method.reference?.(this.#settings) === true
    const old = [], values = [], reference = []
    for (const batch of batches) {
      const now = await forward.run(batch)
      old.push(now.logprobs)
      values.push(now.values)
      reference.push(withReference ? (await forward.run(batch, this.#context.initial)).logprobs : undefined)
    }
    const split = (ofBatches: readonly (Float32Array | undefined)[]) => splitByAnswer(batches, ofBatches, lengths, groupSize)
    const [oldOf, valuesOf, referenceOf] = [split(old), split(values), split(reference)]
    return lengths.map((_, i) => ({
      old: oldOf![i]!,
      ...(valuesOf === undefined ? {} : { values: valuesOf[i]! }),
      ...(referenceOf === undefined ? {} : { reference: referenceOf[i]! }),
    }))
  }

  #logSamples({ groupSize, completions, grades }: Answers, items: readonly PromptRow[], step: number, count: number): void {
    completions.slice(0, count).forEach(({ text, finishReason }, i) => {
      const { reward, components, error } = grades[i]!
      const { prompt } = items[Math.floor(i / groupSize)]!
      this.#context.folder.logSample({ step, prompt, completion: text, reward, components, finish_reason: finishReason, ...(error === undefined ? {} : { error }) })
    })
  }
}

interface SamplingPlan {
  readonly groupSize: number
  readonly maxNewTokens: number
  readonly temperature: number
}

function rolloutOf({ ids, finishReason }: Completion, { reward }: Grade, group: number): Rollout {
  return { group, length: ids.length, ended: finishReason === 'stop', reward }
}

/** The critic's value before each target, [N]. */
function criticValues(policy: LearningContext['policy']): Tensor {
  return scalarScores(policy, packedForward(policy.config, policy.critic ?? policy.parts).hidden_NH)
}

export function rolloutLoss(method: MethodFor<'prompts'>, settings: Record<string, unknown>, policy: LearningContext['policy']) {
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

/** Mean and maximum of |sampling's log-probability − training's|, nats. */
function driftOf(batches: readonly MicroBatch[], logprobs: readonly Float32Array[]): { mean: number; max: number } {
  let [sum, count, max] = [0, 0, 0]
  batches.forEach(({ feeds }, i) => {
    const sampled = feeds['sampled']!.data as Float32Array
    sampled.forEach((value, n) => {
      const difference = Math.abs(value - logprobs[i]![n]!)
      sum += difference
      count++
      max = Math.max(max, difference)
    })
  })
  return { mean: count === 0 ? 0 : sum / count, max }
}
