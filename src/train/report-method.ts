/** What a report says of preferences and of rewards, where a run has them. */
import { number, percent, sparkline, code, table } from './markdown.ts'
import type { Sample } from './records.ts'
import { heldOutChange, type Change, type RunSummary } from './summary.ts'

/** Prompts of which the first and the last answer are shown, and characters of each. */
const shown = { prompts: 4, characters: 160 }

/** Sections for what the run's metrics are about; none for supervised fine-tuning. */
export function methodSections(summary: RunSummary): string[] {
  const sections = [['Preference', preferenceSection(summary)], ['Reward', rewardSection(summary)], ['Answers', answersSection(summary.samples)]] as const
  return sections.flatMap(([title, text]) => (text === undefined ? [] : [`## ${title}\n\n${text}`]))
}

const preferences: Readonly<Record<string, string>> = {
  'rewards/accuracies': 'Pairs in which the chosen answer is preferred',
  'rewards/margins': 'Margin between chosen and rejected',
  'logps/chosen': 'Log-probability of chosen answers, nats',
  'logps/rejected': 'Log-probability of rejected answers, nats',
}

function preferenceSection(summary: RunSummary): string | undefined {
  if (!summary.metrics.has('rewards/margins') && heldOutChange(summary, 'rewards/margins') === undefined) return undefined
  return changes(summary, preferences)
}

const rewards: Readonly<Record<string, string>> = {
  reward: 'Reward',
  reward_std: 'Deviation of the rewards',
  kl: 'KL to the policy of step 0',
  kl_coef: 'KL coefficient',
  entropy: 'Entropy',
  completion_length: 'Tokens of an answer',
  'completions/clipped_ratio': 'Answers that were cut',
  frac_reward_zero_std: 'Groups without a difference',
  frac_reward_null: 'Answers without a reward',
  'sampling/logp_difference_max': 'Sampling against training, largest difference',
}

function rewardSection(summary: RunSummary): string | undefined {
  if (!summary.metrics.has('completion_length')) return undefined
  const course = summary.rewards.length < 2 ? [] : ['Reward of the sampled answers, step by step:', code(sparkline(summary.rewards))]
  return [changes(summary, rewards), ...course].join('\n\n')
}

/** Before and after, on the held-out rows where they were measured, and while training. */
function changes(summary: RunSummary, names: Readonly<Record<string, string>>): string {
  const cells = (change: Change | undefined): string[] => [number(change?.before), number(change?.after)]
  const rows = Object.entries(names).flatMap(([name, label]) => {
    const [heldOut, training] = [heldOutChange(summary, name), summary.metrics.get(name)]
    return heldOut === undefined && training === undefined ? [] : [[label, ...cells(heldOut), ...cells(training)]]
  })
  const gain = gainOf(heldOutChange(summary, 'reward'))
  const head = ['', 'Held-out, before', 'Held-out, after', 'First tenth of the steps', 'Last tenth']
  return [table(head, rows), ...(gain === undefined ? [] : [gain])].join('\n\n')
}

function gainOf(reward: Change | undefined): string | undefined {
  if (reward === undefined || reward.before === 0) return undefined
  return `The held-out reward changed by ${percent((reward.after - reward.before) / Math.abs(reward.before))}.`
}

/** The first and the last answer to the same prompts: held-out ones where there are, else what training sampled. */
function answersSection(samples: readonly Sample[]): string | undefined {
  const split = samples.some((sample) => sample.split === 'eval') ? 'eval' : 'train'
  const byPrompt = Map.groupBy(samples.filter((sample) => sample.split === split), ({ prompt }) => JSON.stringify(prompt))
  const rows = [...byPrompt.values()].filter((answers) => answers.at(-1)!.step > answers[0]!.step).slice(0, shown.prompts).flatMap((answers) =>
    [answers[0]!, answers.at(-1)!].map(({ step, prompt, completion, reward }, i) =>
      [i === 0 ? shortened(lastTurn(prompt)) : '', String(step), shortened(completion), number(reward ?? undefined)]))
  return rows.length === 0 ? undefined : table(['Prompt', 'Step', 'Answer', 'Reward'], rows)
}

function lastTurn(prompt: unknown): string {
  if (typeof prompt === 'string') return prompt
  const turns = prompt as readonly { readonly content: string }[]
  return turns.at(-1)?.content ?? ''
}

/** The beginning of a text on one line. */
function shortened(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim()
  const letters = [...line]
  return letters.length <= shown.characters ? line : `${letters.slice(0, shown.characters - 1).join('')}…`
}
