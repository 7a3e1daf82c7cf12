/** What a run will take: steps and tokens by counting, seconds by work and pace, memory by shapes. */
import { asTree, sequencesOf, type RenderedTree } from '../data/tree.ts'
import { methods } from '../methods/index.ts'
import type { ModelConfig } from '../models/config.ts'
import type { Precision } from '../models/graph/linear-maps.ts'
import { heldOutTokens } from '../train/learning/held-out.ts'
import { klEvery } from '../train/learning/rollouts.ts'
import { targetModules } from '../train/policy.ts'
import { methodSettings, type Recipe } from '../train/recipe.ts'
import { memoryParts } from './memory.ts'
import { compileSeconds, cpuShare, savingSeconds, secondsOf, type Pace } from './pace.ts'
import type { RunEstimate, TimePart } from './run-estimate.ts'
import { addWork, batchWork, decodeWork, noWork, sizesOf, timesWork, updateWork, type BatchShape, type Sizes, type Work } from './work.ts'
import { sampledSteps, shapesOf, tokensOf, withAnswers, type RowSample } from './workload.ts'

export interface EstimateInput {
  /** Every default filled in. */
  readonly recipe: Recipe
  readonly config: ModelConfig
  readonly train: RowSample
  readonly heldOut?: RowSample | undefined
  /** The general set, on which every run measures forgetting. */
  readonly general: readonly RenderedTree[]
  readonly pace: Pace
  /** Rank of the adapter that the run goes on from: the recipe does not say it. */
  readonly rank?: number | undefined
  /** Tokens of a sampled answer, where that is known. */
  readonly answerTokens?: number | undefined
}

/** Sampled answers end before the limit: this share of it is taken where nothing is known. */
const answerShare = 0.6

/** The longest of some sampled answers over their mean. */
const spread = 2.5

/** What is to be known of the recipe for the work of its parts. */
interface Plan {
  readonly recipe: Recipe
  readonly sizes: Sizes
  readonly kind: 'sft' | 'pairs' | 'labelled' | 'prompts'
  readonly reference: boolean
  readonly groupSize: number
  readonly iterations: number
  /** Passes without gradients over each set of answers. */
  readonly forwards: number
  /** Reward models, each of which reads every answer with its prompt. */
  readonly judges: number
  /** Sets of answers between two looks at the KL; undefined: the loss has it, or nobody looks. */
  readonly watchedEvery?: number
  readonly answerTokens: number
  readonly longestAnswer: number
}

/** Seconds of an optimizer step on these rows, sampling not included. */
export function estimateStep(input: PlanInput & Pick<EstimateInput, 'pace'>, trees: readonly RenderedTree[]): number {
  return secondsOf(stepWork(planOf(input), trees).training, precisionOf(input.recipe), input.pace)
}

/** Time and memory of a run of a recipe. Throws a UserError where the adapter's targets are no layers of the model. */
export function estimateRun(input: EstimateInput): RunEstimate {
  const { recipe, config, train, heldOut, general, pace } = input
  const plan = planOf(input)
  const steps = recipe.steps ?? Math.ceil(Math.ceil(train.rows / recipe.batch) * plan.iterations * recipe.epochs!)
  const sampled = sampledSteps(train, recipe.batch)
  const works = sampled.map((trees) => stepWork(plan, trees))
  const mean = (of: (step: (typeof works)[number]) => Work): Work => timesWork(addWork(...works.map(of)), 1 / works.length)
  // The last step of an epoch has what is left; on the mean a step has so many rows.
  const share = recipe.steps === undefined ? Math.min(1, train.rows / recipe.batch / Math.ceil(train.rows / recipe.batch)) : 1
  const evaluations = heldOut === undefined ? 0 : evaluationsOf(recipe, steps, Math.ceil(train.rows / recipe.batch) * plan.iterations)
  const precision = precisionOf(recipe)
  const seconds = (work: Work): number => secondsOf(work, precision, pace)
  const working: TimePart[] = [
    { name: 'reference', seconds: seconds(referenceWork(plan, train, heldOut)) },
    { name: 'sampling', seconds: seconds(timesWork(mean(({ sampling }) => sampling), steps * share)) },
    { name: 'training', seconds: seconds(timesWork(mean(({ training }) => training), steps * share)) },
    { name: 'evaluation', seconds: seconds(addWork(timesWork(forwardWork(plan, shapesOf(general, { maxTokens: heldOutTokens })), 2), timesWork(heldOutWork(plan, heldOut), evaluations))) },
  ]
  const total = (of: readonly TimePart[]): number => of.reduce((sum, part) => sum + part.seconds, 0)
  const stepping = total(working.filter(({ name }) => name === 'training' || name === 'sampling'))
  const alone: TimePart[] = [
    { name: 'setup', seconds: compileSeconds(config.layers, forwardGraphs(plan, evaluations), pace) },
    { name: 'saving', seconds: savingSeconds(plan.sizes.trained * (1 + valuesPerCheckpoint * checkpointsOf(recipe, steps, stepping)), pace) },
  ]
  const memory = memoryParts({
    sizes: plan.sizes, precision, kind: plan.kind,
    batches: works.flatMap(({ shapes }) => shapes), forwardGraphs: graphsBeside(plan, evaluations),
    prompt: longestPrompt(train), rows: recipe.batch * plan.groupSize, answerTokens: plan.answerTokens,
  })
  const tokens = works.reduce((sum, step) => sum + step.tokens, 0) / works.length
  return {
    steps,
    tokens: Math.round(tokens * steps * share),
    seconds: total([...alone, ...working]),
    cpuSeconds: total(alone) + total(working) * cpuShare(pace),
    secondsPerStep: steps === 0 ? 0 : stepping / steps,
    memoryMb: Math.round(memory.reduce((sum, { mb }) => sum + mb, 0)),
    parts: [alone[0]!, ...working, alone[1]!].filter((part) => part.seconds > 0),
    memory: memory.filter(({ mb }) => mb > 0),
    precision,
    basis: { pace: pace.source, rowsSampled: train.trees.length, ...(plan.kind === 'prompts' && { answerTokens: plan.answerTokens }) },
  }
}

type PlanInput = Pick<EstimateInput, 'recipe' | 'config' | 'rank' | 'answerTokens'>

/** `auto` is int8 for most models: it is taken where it costs next to nothing. */
function precisionOf({ base: { precision } }: Recipe): Precision {
  return precision === 'auto' ? 'int8' : precision
}

function planOf({ recipe, config, rank, answerTokens }: PlanInput): Plan {
  const method = methods[recipe.method]!
  const settings = methodSettings(recipe) as Record<string, unknown>
  const { adapter } = recipe
  const sizes = sizesOf(config, adapter.type === 'none' ? undefined : {
    rank: rank ?? adapter.rank, modules: targetModules(config, adapter.targets), dora: adapter.use_dora,
  })
  const reference = method.rows === 'sft' ? false : method.reference?.(settings) === true
  if (method.rows !== 'prompts') return { recipe, sizes, kind: method.rows, reference, groupSize: 1, iterations: 1, forwards: 0, judges: 0, answerTokens: 0, longestAnswer: 0 }
  const { groupSize, iterations, forward, maxNewTokens } = method.rollouts(settings)
  const forwards = (forward === true || reference ? 1 : 0) + (reference ? 1 : 0)
  return {
    recipe, sizes, kind: 'prompts', reference, groupSize, iterations, forwards,
    judges: rewardModelsIn(settings['reward']),
    ...(forwards === 0 && adapter.type === 'lora' && { watchedEvery: klEvery }),
    answerTokens: Math.round(answerTokens ?? answerShare * maxNewTokens),
    longestAnswer: maxNewTokens,
  }
}

/** An optimizer step's work; where answers are sampled, its share of that of the set. */
interface StepWork {
  readonly sampling: Work
  readonly training: Work
  readonly tokens: number
  readonly shapes: readonly BatchShape[]
}

function stepWork(plan: Plan, trees: readonly RenderedTree[]): StepWork {
  const { recipe, sizes, kind, groupSize, iterations, forwards, answerTokens } = plan
  const maxTokens = recipe.tokens_per_micro_batch
  const learned = kind === 'prompts' ? withAnswers(trees, groupSize, answerTokens) : trees
  const shapes = shapesOf(learned, { maxTokens, targets: recipe.method === 'reward' ? 'ends' : 'loss', split: kind === 'prompts' })
  const update = addWork(...shapes.map((shape) => batchWork(sizes, shape, true)), updateWork(sizes))
  const without = forwardWork(plan, shapes)
  // KTO looks at answers that do not belong to their prompts, under the policy and under the reference.
  // A look at the KL is a pass under the policy and one under that of step 0.
  const looks = plan.watchedEvery === undefined ? 0 : 2 / plan.watchedEvery
  const training = kind === 'labelled' ? addWork(update, timesWork(without, 2)) : addWork(update, timesWork(without, (forwards + looks) / iterations))
  const sampling = kind === 'prompts' ? timesWork(addWork(samplingWork(plan, trees, groupSize), judgingWork(plan, learned)), 1 / iterations) : noWork
  return { sampling, training, tokens: tokensOf(learned), shapes }
}

function forwardWork({ sizes }: Plan, shapes: readonly BatchShape[]): Work {
  return addWork(noWork, ...shapes.map((shape) => batchWork(sizes, shape, false)))
}

/** Reading the prompts once each, and decoding all answers side by side. */
function samplingWork(plan: Plan, trees: readonly RenderedTree[], groupSize: number): Work {
  const lengths = trees.map(({ stem }) => stem.ids.length)
  const prompt = lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length)
  const reading = forwardWork(plan, lengths.map((length) => ({ bins: 1, length, targets: 1 })))
  const { answerTokens: tokens, longestAnswer } = plan
  return addWork(reading, decodeWork(plan.sizes, { rows: trees.length * groupSize, prompt, tokens, steps: Math.min(longestAnswer, spread * tokens) }))
}

/** Reward models read each answer with its prompt, and give one value at its end. */
function judgingWork({ sizes, judges }: Plan, answered: readonly RenderedTree[]): Work {
  const whole = answered.flatMap((tree) => sequencesOf(tree).map(asTree))
  return timesWork(addWork(noWork, ...shapesOf(whole, { targets: 'ends' }).map((shape) => batchWork(sizes, { ...shape, targets: 0 }, false))), judges)
}

/** How many reward models a reward is made of, as far as the recipe itself says. */
function rewardModelsIn(reward: unknown): number {
  if (typeof reward !== 'object' || reward === null) return 0
  const own = 'type' in reward && reward.type === 'reward_model' ? 1 : 0
  return Object.values(reward).reduce<number>((sum, part) => sum + rewardModelsIn(part), own)
}

function referenceWork(plan: Plan, ...sets: readonly (RowSample | undefined)[]): Work {
  if (!plan.reference || plan.kind === 'prompts') return noWork
  const maxTokens = Math.max(heldOutTokens, plan.recipe.tokens_per_micro_batch)
  return addWork(noWork, ...sets.map((set) => (set === undefined ? noWork : wholeSet(plan, set, maxTokens))))
}

function wholeSet(plan: Plan, { rows, trees }: RowSample, maxTokens: number): Work {
  return trees.length === 0 ? noWork : timesWork(forwardWork(plan, shapesOf(trees, { maxTokens })), rows / trees.length)
}

/** One measurement of the held-out rows. */
function heldOutWork(plan: Plan, heldOut: RowSample | undefined): Work {
  if (heldOut === undefined) return noWork
  if (plan.kind === 'prompts') return timesWork(samplingWork(plan, heldOut.trees, 1), heldOut.rows / Math.max(1, heldOut.trees.length))
  return timesWork(wholeSet(plan, heldOut, heldOutTokens), plan.kind === 'labelled' ? 3 : 1)
}

/** Of a parameter: itself and its two moments. */
const valuesPerCheckpoint = 3

/** One at the end, and one each so many seconds or steps. */
function checkpointsOf({ checkpoint: { every_seconds, every_steps = Infinity } }: Recipe, steps: number, seconds: number): number {
  return 1 + Math.floor(Math.max(0, steps - 1) / every_steps) + Math.min(Math.max(0, steps - 1), Math.floor(seconds / every_seconds))
}

/** Before the first step, each `eval_every` steps or epoch, and at the end. */
function evaluationsOf({ eval_every: every }: Recipe, steps: number, stepsPerEpoch: number): number {
  return 1 + Math.ceil(steps / (every ?? Math.max(1, stepsPerEpoch)))
}

/** Graphs that are compiled beside the one that trains: for each evaluation, the reference, what comes before an update, sampling. */
function forwardGraphs({ kind, reference, forwards, judges, watchedEvery }: Plan, evaluations: number): number {
  const samples = kind === 'prompts'
  const before = forwards > 0 || watchedEvery !== undefined || kind === 'labelled' ? 1 : 0
  return 2 + (samples ? 1 : evaluations) + (reference && !samples ? 1 : 0) + before + judges
}

/** Of these, those that are there while the training graph runs: an evaluation's, where the run goes on after it. */
function graphsBeside({ kind, forwards, judges, watchedEvery }: Plan, evaluations: number): number {
  if (kind === 'prompts') return 1 + (forwards > 0 || watchedEvery !== undefined ? 1 : 0) + judges
  return (kind === 'labelled' ? 1 : 0) + (evaluations > 2 ? 1 : 0)
}

function longestPrompt({ trees }: RowSample): number {
  return trees.reduce((longest, { stem }) => Math.max(longest, stem.ids.length), 0)
}
