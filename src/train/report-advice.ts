/** What a run's figures ask for: signs of trouble, and what to try next. */
import { number, percent } from './markdown.ts'
import type { Recipe } from './recipe.ts'
import { heldOutChange, mean, objectiveOf, type Change, type Evaluation, type RunSummary } from './summary.ts'

/** General loss may rise by this fraction before the report calls it forgetting. */
const tolerableForgetting = 0.02
/** A held-out loss or reward this fraction worse than the best one is more than noise. */
const noticeable = 0.005
/** Levelled off: the last third of the measurements brought at most this share of all that was gained. */
const lateShare = 0.03
/** The chosen answers' log-probability may fall by this fraction. */
const tolerableFall = 0.1
/** Shares of groups without a difference, of answers that were cut, and of answers without a reward. */
const tolerable = { equalGroups: 0.5, cut: 0.5, unscored: 0.05 }

export function forgets({ before, after }: Change): boolean {
  return after > before * (1 + tolerableForgetting)
}

/** What goes wrong in a run while its loss looks well, for people. */
export function observations(summary: RunSummary): string[] {
  return [fallingAnswers(summary), equalRewards(summary), cutAnswers(summary), unscored(summary), swollenAnswers(summary), sameAnswers(summary)].filter((text) => text !== undefined)
}

/** Preference losses see differences only: both answers may become less likely. Steps have other rows each: held-out ones tell. */
function fallingAnswers(summary: RunSummary): string | undefined {
  const [chosen, margins] = [heldOutChange(summary, 'logps/chosen'), heldOutChange(summary, 'rewards/margins')]
  if (chosen === undefined || margins === undefined || margins.after <= margins.before) return undefined
  if (chosen.after >= chosen.before - tolerableFall * Math.abs(chosen.before)) return undefined
  return `The chosen answers have become less likely (log-probability ${number(chosen.before)} before, ${number(chosen.after)} after) while the ` +
    'margin over the rejected ones rose: the model turns away from both. Lower the learning rate, raise `beta`, or take `loss: orpo`, which ' +
    'also learns the chosen answers; training on them with `method: sft` first helps too.'
}

function equalRewards({ metrics }: RunSummary): string | undefined {
  const share = metrics.get('frac_reward_zero_std')?.after
  if (share === undefined || share <= tolerable.equalGroups) return undefined
  return `In ${asShare(share)} of the last groups all answers had the same reward, and such a group teaches nothing. Raise the temperature or ` +
    '`group_size`, choose prompts that are neither solved nor hopeless, or give partial credit in the reward.'
}

function cutAnswers({ metrics }: RunSummary): string | undefined {
  const share = metrics.get('completions/clipped_ratio')?.after
  if (share === undefined || share <= tolerable.cut) return undefined
  return `${asShare(share)} of the last answers were cut at max_new_tokens: they never show how they end. Raise it, or reward answers that end.`
}

function unscored({ metrics }: RunSummary): string | undefined {
  const share = metrics.get('frac_reward_null')?.after
  if (share === undefined || share <= tolerable.unscored) return undefined
  return `${asShare(share)} of the last answers got no reward and taught nothing: samples.jsonl has the reasons.`
}

/** Answers that became so much longer are paid for their length, unless the task asks for it. */
const tolerableGrowth = 2

function swollenAnswers({ metrics, rewards }: RunSummary): string | undefined {
  const { before, after } = metrics.get('completion_length') ?? { before: NaN, after: NaN }
  const { first, last } = endsOf(rewards)
  if (!(after > tolerableGrowth * before && last > first)) return undefined
  return `The answers grew from ${number(before)} to ${number(after)} tokens while the reward rose: it may pay for length. Look at samples.jsonl; a ` +
    '`length` grader beside it takes the gain away.'
}

/** An entropy below this share of that of the first steps: the answers of a group hardly differ any more. */
const leastEntropy = 0.1

function sameAnswers({ metrics }: RunSummary): string | undefined {
  const { before, after } = metrics.get('entropy') ?? { before: NaN, after: NaN }
  if (!(before > 0 && after < leastEntropy * before)) return undefined
  return `The entropy of the answers fell from ${number(before)} to ${number(after)}: the model says the same each time and tries nothing new. Lower the ` +
    'learning rate, or raise the temperature.'
}

const asShare = (share: number): string => `${(100 * share).toFixed(0)}%`

/** The objective on the held-out rows at each measurement, the first before training. */
function heldOutObjectives({ evaluations }: Pick<RunSummary, 'evaluations'>): number[] {
  return evaluations.map(objectiveOf).filter((objective) => objective !== undefined)
}

/** Whether the held-out rows were ever measured to be better than before training, beyond noise. */
function hasImproved(summary: RunSummary): boolean {
  const [before] = heldOutObjectives(summary)
  return before !== undefined && summary.best !== undefined && before - summary.best.objective > noticeable * Math.abs(before)
}

/** Whether what was measured on held-out rows stopped getting better before the run was over. */
function hasLevelledOff(summary: RunSummary): boolean {
  const [before, ...measured] = heldOutObjectives(summary)
  if (before === undefined || summary.best === undefined || measured.length < 3) return false
  const { objective } = summary.best
  const early = Math.min(before, ...measured.slice(0, Math.ceil((2 / 3) * measured.length)))
  return early - objective <= Math.max(noticeable * Math.abs(objective), lateShare * (before - objective))
}

/** What became of a run, and what to do with the next one. */
export interface RunVerdict {
  readonly kind:
    | 'trouble' | 'overfit' | 'harmed' | 'forgets' | 'unmeasured'
    /** The training loss, or the reward of the sampled answers, ended worse than it began. */
    | 'diverged'
    /** The answers are far from those of step 0: what the reward likes of them, people may not. */
    | 'drifted'
    /** The held-out rows saw nothing of the training. */
    | 'unmoved'
    /** Still getting better at the end. */
    | 'unfinished'
    /** Levelled off with the training loss no lower than the held-out one: the adapter is too small for the rows. */
    | 'underfit'
    | 'levelled'
    /** An offline preference method has levelled off. */
    | 'plateau'
  readonly text: string
}

/** What to do with the next run. */
export function advice(summary: RunSummary, recipe: Recipe): string[] {
  return verdictsOn(summary, recipe).map(({ text }) => text)
}

export function verdictsOn(summary: RunSummary, recipe: Recipe): RunVerdict[] {
  const main = overfitting(summary, recipe) ?? diverging(summary) ?? progress(summary, recipe)
  const besides = [forgetting(summary), drifting(summary, recipe)].filter((verdict) => verdict !== undefined)
  // What costs too much already is not to be trained further, whatever it might still gain.
  const counts = besides.length === 0 || ['overfit', 'harmed', 'diverged', 'plateau'].includes(main.kind)
  return counts ? [main, ...besides] : besides
}

function progress(summary: RunSummary, recipe: Recipe): RunVerdict {
  const { best, evaluations } = summary
  if (best === undefined) {
    return { kind: 'unmeasured', text: 'Give held-out rows (`eval: FILE`): without them nobody knows whether more training helps or hurts.' }
  }
  if (!hasImproved(summary)) return unmoved(summary, best)
  const { name, better } = measureOf(best)
  const last = evaluations.findLast((it) => objectiveOf(it) !== undefined)
  if (best.step === last?.step && !hasLevelledOff(summary)) {
    return heldOutObjectives(summary).length > 2
      ? { kind: 'unfinished', text: `The ${name} was still ${better} at the end. Train for more epochs; raise the rank only if it then levels off too early.` }
      : { kind: 'unfinished', text: `The ${name} was better at the end than before, and was not measured in between: \`eval_every\` shows where it levels off. Train for more epochs.` }
  }
  const level = `The ${name} has levelled off`
  const { method, adapter } = recipe
  if (offlinePreferences.includes(method)) {
    return {
      kind: 'plateau',
      text: `${level}: ${method.toUpperCase()} has given what these rows have. Reinforcement is the next stage: GRPO where a program can check ` +
        'answers, a reward model and PPO elsewhere. More, and more varied, feedback may bring as much.',
    }
  }
  if (adapter.type === 'lora' && underfits(summary)) {
    const remedy = goesOn(adapter) ? 'Raise the learning rate: the rank is that of the adapter that the run went on from.'
      : `Raise \`adapter.rank\` from ${adapter.rank} to ${2 * adapter.rank}, or the learning rate.`
    return { kind: 'underfit', text: `${level}, and the training loss is no lower: the adapter cannot hold more. ${remedy}` }
  }
  return { kind: 'levelled', text: `${level}. More, and more varied, rows will bring more than more epochs.` }
}

/** Whether a run goes on from an adapter that was there, whose rank it keeps. */
export function goesOn(adapter: Recipe['adapter']): boolean {
  return adapter.type === 'lora' && adapter.init !== undefined && adapter.init !== 'pissa'
}

/** Nothing was gained on the held-out rows: too small steps, or rows that teach something else. */
function unmoved(summary: RunSummary, best: NonNullable<RunSummary['best']>): RunVerdict {
  const { name } = measureOf(best)
  const { first, last } = endsOf(summary.losses)
  if (summary.rewards.length === 0 && last < learnt * first) {
    return {
      kind: 'levelled',
      text: `The training loss fell from ${number(first)} to ${number(last)}, and the ${name} did not move: what is learned of these rows does not carry over. ` +
        'More, and more varied, rows are needed, or held-out rows of the same kind.',
    }
  }
  return { kind: 'unmoved', text: `The ${name} did not move. Raise the learning rate, or train for more epochs.` }
}

/** A training loss that rose by this fraction is more than noise. */
const tolerableRise = 0.3
/** Steps of which less can be said of a rise. */
const fewSteps = 10

/** Without held-out rows the training's own figures tell the worst. */
function diverging({ losses, rewards, metrics, best }: RunSummary): RunVerdict | undefined {
  if (best !== undefined) return undefined
  const { first, last } = endsOf(rewards.length > 0 ? rewards : losses)
  const isWorse = rewards.length > 0
    ? rewards.length >= fewSteps && first - last > (metrics.get('reward_std')?.before ?? Infinity) / 2
    : losses.length >= fewSteps && last > (1 + tolerableRise) * first
  if (!isWorse) return undefined
  const what = rewards.length > 0 ? 'The mean reward of the sampled answers fell' : 'The training loss rose'
  return { kind: 'diverged', text: `${what} from ${number(first)} to ${number(last)}: the steps are too large. Lower the learning rate, or check the data.` }
}

/** Means over the first and the last tenth. */
function endsOf(values: readonly number[]): { first: number; last: number } {
  const tenth = Math.ceil(values.length / 10)
  return { first: mean(values.slice(0, tenth)), last: mean(values.slice(-tenth)) }
}

/** Nats a token between the policy and that of step 0, from which on it speaks another language. */
const farAway = 0.5

/** Reinforcement that left the policy of step 0 far behind: the reward is climbed by whatever means. */
function drifting({ metrics }: RunSummary, { method }: Recipe): RunVerdict | undefined {
  const kl = metrics.get('kl')?.after
  if (kl === undefined || !reinforcement.includes(method)) return undefined
  // PPO logs the sum over an answer, GRPO the mean over tokens.
  const perToken = method === 'ppo' ? kl / (metrics.get('completion_length')?.after ?? 1) : kl
  if (!(perToken > farAway)) return undefined
  const leash = method === 'ppo' ? '`ppo.kl_coef`' : '`grpo.beta`'
  return {
    kind: 'drifted',
    text: `The answers are ${number(perToken)} nats a token from those of step 0: such a model has often found what the reward overlooks. Read samples.jsonl, ` +
      `raise ${leash} or lower the learning rate, and have people compare answers.`,
  }
}

const reinforcement = ['grpo', 'ppo']

/** Methods that learn preferences from answers that are there. */
const offlinePreferences = ['dpo', 'kto']
/** A training loss below this share of what it was, or of the held-out one, shows rows that were learned. */
const learnt = 0.9

/** Whether the loss of the last steps is about as high as that of rows that were never seen. */
function underfits({ losses, best }: RunSummary): boolean {
  return best?.loss !== undefined && endsOf(losses).last >= learnt * best.loss
}

/** What was measured on the held-out rows, in words. */
function measureOf({ loss }: Evaluation) {
  return loss === undefined
    ? { name: 'held-out reward', better: 'rising', lowest: 'highest', rose: 'fell' }
    : { name: 'held-out loss', better: 'falling', lowest: 'lowest', rose: 'rose' }
}

function overfitting({ best, evaluations }: RunSummary, { keep }: Recipe): RunVerdict | undefined {
  if (best === undefined) return undefined
  const last = evaluations.findLast((it) => it.step > best.step && objectiveOf(it) !== undefined)
  if (last === undefined || objectiveOf(last)! <= best.objective + noticeable * Math.abs(best.objective)) return undefined
  const { name, lowest, rose } = measureOf(best)
  const valueOf = (it: Evaluation): string => number(it.loss ?? it.metrics['reward'])
  if (best.step === 0) {
    return {
      kind: 'harmed',
      text: `The ${name} was ${lowest} before training (${valueOf(best)}) and ended at ${valueOf(last)}. Lower the learning rate; if that does ` +
        'not help, the held-out rows ask for something else than the training rows teach.',
    }
  }
  const remedy = keep === 'best' ? 'The best checkpoint was kept; fewer epochs' : 'Set `keep: best`; fewer epochs'
  return {
    kind: 'overfit',
    text: `The ${name} was ${lowest} at step ${best.step} (${valueOf(best)}) and ${rose} to ${valueOf(last)} by step ${last.step}: overfitting. ` +
      `${remedy} would have done as well, more varied rows would do better.`,
  }
}

function forgetting({ general }: RunSummary): RunVerdict | undefined {
  if (general === undefined || !forgets(general)) return undefined
  const rise = percent(general.after / general.before - 1)
  return {
    kind: 'forgets',
    text: `The loss on the general set changed by ${rise}: the model forgets what it knew. Lower the learning rate or train for fewer steps, and mix some general rows into the data.`,
  }
}
