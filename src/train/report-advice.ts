/** What a run's figures ask for: signs of trouble, and what to try next. */
import { number, percent } from './markdown.ts'
import type { Recipe } from './recipe.ts'
import { heldOutChange, mean, objectiveOf, type Change, type Evaluation, type RunSummary } from './summary.ts'

/** General loss may rise by this fraction before the report calls it forgetting. */
const tolerableForgetting = 0.02
/** A held-out loss or reward this fraction worse than the best one is more than noise. */
const noticeable = 0.005
/** The chosen answers' log-probability may fall by this fraction. */
const tolerableFall = 0.1
/** Shares of groups without a difference, of answers that were cut, and of answers without a reward. */
const tolerable = { equalGroups: 0.5, cut: 0.5, unscored: 0.05 }

export function forgets({ before, after }: Change): boolean {
  return after > before * (1 + tolerableForgetting)
}

/** What goes wrong in a run while its loss looks well, for people. */
export function observations(summary: RunSummary): string[] {
  return [fallingAnswers(summary), equalRewards(summary), cutAnswers(summary), unscored(summary)].filter((text) => text !== undefined)
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

const asShare = (share: number): string => `${(100 * share).toFixed(0)}%`

/** Whether what was measured on held-out rows stopped getting better before the run was over. */
export function hasLevelledOff({ best, evaluations }: Pick<RunSummary, 'best' | 'evaluations'>): boolean {
  const measured = evaluations.filter(({ step }) => step > 0).map(objectiveOf).filter((objective) => objective !== undefined)
  if (best === undefined || measured.length < 3) return false
  const before = Math.min(...measured.slice(0, Math.ceil((2 / 3) * measured.length)))
  return before - best.objective <= noticeable * Math.abs(best.objective)
}

/** What became of a run, and what to do with the next one. */
export interface RunVerdict {
  readonly kind:
    | 'trouble' | 'overfit' | 'harmed' | 'forgets' | 'unmeasured'
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
  const found = [overfitting(summary, recipe), forgetting(summary)].filter((verdict) => verdict !== undefined)
  return found.length > 0 ? found : [progress(summary, recipe)]
}

function progress(summary: RunSummary, recipe: Recipe): RunVerdict {
  const { best, evaluations } = summary
  if (best === undefined) {
    return { kind: 'unmeasured', text: 'Give held-out rows (`eval: FILE`): without them nobody knows whether more training helps or hurts.' }
  }
  const { name, better } = measureOf(best)
  const last = evaluations.findLast((it) => objectiveOf(it) !== undefined)
  if (best.step === last?.step && best.step > 0 && !hasLevelledOff(summary)) {
    return { kind: 'unfinished', text: `The ${name} was still ${better} at the end. Train for more epochs; raise the rank only if it then levels off too early.` }
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
    return {
      kind: 'underfit',
      text: `${level}, and the training loss is no lower: the adapter cannot hold more. Raise \`adapter.rank\` from ${adapter.rank} to ${2 * adapter.rank}, ` +
        'or the learning rate.',
    }
  }
  return { kind: 'levelled', text: `${level}. More, and more varied, rows will bring more than more epochs.` }
}

/** Methods that learn preferences from answers that are there. */
const offlinePreferences = ['dpo', 'kto']
/** A training loss below this share of the held-out one has learned more of its rows than carries over. */
const learnedMore = 0.9

/** Whether the loss of the last steps is about as high as that of rows that were never seen. */
function underfits({ losses, best }: RunSummary): boolean {
  const last = mean(losses.slice(-Math.ceil(losses.length / 10)))
  return best?.loss !== undefined && last >= learnedMore * best.loss
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
