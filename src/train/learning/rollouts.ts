import { z } from 'zod'
import type { PromptRow } from '../../data/rows.ts'
import type { RenderedTree } from '../../data/tree.ts'
import type { Grade, Grader } from '../../evaluate/graders/index.ts'
import type { Completion } from '../../generate/completion.ts'
import type { PackedBatch } from '../../models/graph/forward.ts'
import { rolloutMetrics, type Estimates, type Rollout } from '../../methods/rollout.ts'
import type { MicroBatch, StepGradients } from '../learner.ts'
import type { Sample } from '../records.ts'
import { definite, type HeldOut, type Learning, type LearningContext, type MethodFor, type StepBatches } from './learning.ts'
import { splitByAnswer } from './per-answer.ts'
import { PolicyForward } from './policy-forward.ts'
import { openReward } from './reward-source.ts'
import { criticValues, driftOf, laterBatches, packAnswers, placeAfterEnd, rolloutBatches, rolloutLoss } from './rollout-batches.ts'
import { Sampler, type SamplingPlan } from './sampler.ts'

/** Above this mean difference between sampling's and training's log-probabilities, tokens get importance weights. */
const tolerableDrift = 0.01
/** Sets of answers between two looks at the KL, where the loss has none. */
export const klEvery = 10
/** Held-out answers that are written to samples.jsonl at each evaluation. */
const shownHeldOut = 8
const heldOutMetrics = ['reward', 'completion_length', 'completions/clipped_ratio', 'frac_reward_null']

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
  /** Whether it was said that some answers get no reward. */
  #warned = false
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
      grader: await openReward(settings['reward'], context.recipe),
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
    this.#logSamples('train', answers, items, step, answers.groupSize)
    const { batches, metrics } = await this.#prepare(questions, answers, step)
    this.#current = { batches, iteration: 0 }
    return { batches, metrics }
  }

  /** After the first iteration, what its forward pass gave is what later ones compare with. */
  observe({ observed }: StepGradients): Record<string, number> {
    const current = this.#current!
    const iteration = current.iteration + 1
    const logprobs = observed.map((ofBatch) => ofBatch['logprobs']!)
    const batches = current.iteration === 0 ? laterBatches(current.batches, logprobs) : current.batches
    this.#current = iteration === this.#plan.iterations ? undefined : { batches, iteration }
    if (current.iteration > 0) return {}
    const drift = driftOf(current.batches, logprobs)
    this.#corrected = drift.mean > tolerableDrift
    return { 'sampling/logp_difference_mean': drift.mean, 'sampling/logp_difference_max': drift.max }
  }

  async evaluate(step: number): Promise<HeldOut | undefined> {
    const { heldOut } = this.#context.data
    if (heldOut === undefined) return undefined
    const items = heldOut.sources.map(({ row }) => row)
    const answers = await this.#answer(heldOut.trees, items, { ...this.#plan, groupSize: 1, temperature: 0 }, step)
    this.#logSamples('eval', answers, items, step, shownHeldOut)
    const all = rolloutMetrics(answers.completions.map((completion, i) => rolloutOf(completion, answers.grades[i]!, i)))
    const metrics = Object.fromEntries(heldOutMetrics.map((name) => [name, all[name]!]))
    return { objective: -metrics['reward']!, metrics: definite(metrics) }
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
    this.#warnOfNull(grades, step)
    return { groupSize, completions, grades }
  }

  /** Once: answers without a reward are left out, and the run goes on. */
  #warnOfNull(grades: readonly Grade[], step: number): void {
    const failed = grades.filter(({ reward }) => reward === null)
    if (failed.length === 0 || this.#warned) return
    this.#warned = true
    const message = `${failed.length} of ${grades.length} answers of step ${step} got no reward and are left out (${failed[0]!.error}); ` +
      'frac_reward_null counts them from here on, samples.jsonl has reasons'
    this.#context.folder.logEvent({ type: 'warning', step, message })
    this.#context.emit({ type: 'warning', text: message })
  }

  async #prepare(questions: readonly RenderedTree[], { groupSize, completions, grades }: Answers, step: number): Promise<Required<StepBatches>> {
    const { forward: needsForward, critic } = this.#plan
    const answers = completions.map(({ ids, finishReason }) => (critic !== undefined && finishReason === 'stop' ? [...ids, placeAfterEnd] : ids))
    const packed = packAnswers(questions, answers, groupSize, this.#context.recipe.tokens_per_micro_batch)
    const before = this.#forward === undefined ? undefined : await this.#beforeUpdate(packed, answers, groupSize)
    const rollouts = completions.map((completion, i): Rollout => {
      const rollout = rolloutOf(completion, grades[i]!, Math.floor(i / groupSize))
      const upToEnd = (values: Float32Array | undefined): Float32Array => values!.subarray(0, rollout.length)
      return {
        ...rollout,
        ...(needsForward === true ? { old: upToEnd(before?.old?.[i]) } : {}),
        ...(before?.reference === undefined ? {} : { reference: upToEnd(before.reference[i]) }),
        ...(before?.values === undefined ? {} : { values: before.values[i]! }),
      }
    })
    const estimates = this.#method.estimate(rollouts, this.#settings, this.#estimates)
    this.#estimates = estimates.state
    const sampled = completions.map(({ samplingLogprobs }) => Float32Array.from(samplingLogprobs))
    const batches = rolloutBatches(packed, groupSize, rollouts, { ...estimates, sampled, corrected: this.#corrected })
    const metrics = { ...(await this.#watchedKl(packed, step)), ...estimates.metrics }
    return { batches, metrics }
  }

  /** Log-probabilities, those of the reference, and values, at each place of each answer, before the first update. */
  async #beforeUpdate(packed: readonly PackedBatch[], answers: readonly (readonly number[])[], groupSize: number) {
    const forward = this.#forward!
    const withReference = this.#method.reference?.(this.#settings) === true
    const now = []
    const then = []
    for (const batch of packed) {
      now.push(await forward.run(batch))
      then.push(withReference ? await forward.run(batch, this.#context.initial) : undefined)
    }
    const split = (ofBatches: readonly (Float32Array | undefined)[]) =>
      splitByAnswer(packed, ofBatches, answers.map(({ length }) => length), groupSize)
    return {
      old: split(now.map(({ logprobs }) => logprobs)),
      values: split(now.map(({ values }) => values)),
      reference: split(then.map((target) => target?.logprobs)),
    }
  }

  /**
   * How far the policy has moved, nats a token: where the loss does not ask for it, it is looked at now and then. A copy of
   * all weights is not kept for that.
   */
  async #watchedKl(packed: readonly PackedBatch[], step: number): Promise<Record<string, number>> {
    const { policy, placement, initial } = this.#context
    const { iterations, temperature } = this.#plan
    const due = (step - 1) % (klEvery * iterations) === 0
    if (this.#forward !== undefined || !due || initial === policy.values) return {}
    const forward = await PolicyForward.compile(policy, placement, { temperature })
    try {
      return { kl: await forward.klTo(initial, packed) }
    } finally {
      await forward.release()
    }
  }

  /** The first `count` answers, and the first without a reward. */
  #logSamples(split: Sample['split'], { groupSize, completions, grades }: Answers, items: readonly PromptRow[], step: number, count: number): void {
    const failed = grades.findIndex(({ reward }) => reward === null)
    completions.forEach(({ text, finishReason }, i) => {
      if (i >= count && i !== failed) return
      const { reward, components, error } = grades[i]!
      const { prompt } = items[Math.floor(i / groupSize)]!
      const sample: Sample = { step, split, prompt, completion: text, reward, components, finish_reason: finishReason }
      this.#context.folder.logSample(error === undefined ? sample : { ...sample, error })
    })
  }
}

function rolloutOf({ ids, finishReason }: Completion, { reward }: Grade, group: number): Rollout {
  return { group, length: ids.length, ended: finishReason === 'stop', reward }
}
