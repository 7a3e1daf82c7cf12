/** report.md: what a run did, for people, from the files in its folder. */
import { basename, join } from 'node:path'
import { methods } from '../methods/index.ts'
import { code, duration, escaped, number, percent, quoted, sparkline, table, thinned } from './markdown.ts'
import type { Recipe } from './recipe.ts'
import { advice, forgets, observations } from './report-advice.ts'
import { methodSections } from './report-method.ts'
import { mean, summarizeRun, type RunSummary } from './summary.ts'

/** The report of the run in `folder` as Markdown. Throws a UserError where a log of the run is damaged. */
export function buildReport(folder: string, recipe: Recipe): string {
  const summary = summarizeRun(folder)
  const sections = [
    `# ${basename(folder)}\n\n${recipeTable(recipe, summary)}`,
    `## Loss\n\n${lossSection(summary)}`,
    ...methodSections(summary),
    `## Forgetting\n\n${forgettingSection(summary)}`,
    `## Cost\n\n${costSection(summary)}`,
    `## Use it\n\n${useSection(folder, recipe)}`,
    `## What to try next\n\n${[...observations(summary), ...advice(summary, recipe)].join('\n\n')}`,
  ]
  return `${sections.join('\n\n')}\n`
}

function recipeTable(recipe: Recipe, { steps, epochs }: RunSummary): string {
  const { adapter, optimizer, schedule } = recipe
  return table(['', ''], [
    ['Model', recipe.model],
    ['Method', recipe.method],
    ['Trained', adapter.type === 'none' ? 'all weights' : `LoRA, rank ${adapter.rank}, alpha ${adapter.alpha}, ${String(adapter.targets)}`],
    ['Base precision', recipe.base.precision],
    ['Data', recipe.data.map(({ path }) => path).join(', ')],
    ['Held-out data', recipe.eval ?? 'none'],
    ['Optimizer', `${optimizer.name}, learning rate ${optimizer.lr}, ${schedule.name}, warm-up ${schedule.warmup}`],
    ['Steps', `${steps} of ${recipe.batch} rows, ${number(epochs)} epochs`],
    ['Seed', String(recipe.seed)],
  ])
}

function lossSection({ losses, evaluations, best, metrics, messages }: RunSummary): string {
  const tenth = Math.ceil(losses.length / 10)
  const first = number(mean(losses.slice(0, tenth)))
  const last = number(mean(losses.slice(-tenth)))
  const parts = [`Training loss, from ${first} to ${last} (means of the first and the last tenth of the steps):`, code(sparkline(losses))]
  if (evaluations.length > 0) {
    const mark = (step: number): string => (step === best?.step ? ' (best)' : '')
    const rewarded = evaluations.some(({ metrics }) => 'reward' in metrics)
    const rows = evaluations.map(({ step, loss, generalLoss, metrics }) =>
      [`${step}${mark(step)}`, number(rewarded ? metrics['reward'] : loss), number(generalLoss)])
    parts.push(table(['Step', rewarded ? 'Held-out reward' : 'Held-out loss', 'General loss'], thinned(rows, 20)))
  }
  if (metrics.size > 0) {
    const rows = [...metrics].map(([name, { before, after }]) => [name, number(before), number(after)])
    parts.push(table(['Metric', 'First tenth', 'Last tenth'], rows))
  }
  if (messages.length > 0) parts.push(messages.map((message) => `- ${escaped(message)}`).join('\n'))
  return parts.join('\n\n')
}

function forgettingSection({ general }: RunSummary): string {
  if (general === undefined) return 'The loss on the general set was not measured before and after this run.'
  const verdict = forgets(general) ? 'The model is forgetting.' : 'General skills are kept.'
  return `Loss on the general set: ${number(general.before)} before, ${number(general.after)} after (${percent(general.after / general.before - 1)}). ${verdict}`
}

function costSection(summary: RunSummary): string {
  const { tokens, elapsedSeconds, tokensPerSecond, peakMemoryMb, resumptions } = summary
  return table(['', ''], [
    ['Tokens trained on', String(tokens)],
    ...(elapsedSeconds === undefined ? [] : [['Time', duration(elapsedSeconds)]]),
    ['Tokens per second', number(tokensPerSecond)],
    ['Peak memory', `${Math.round(peakMemoryMb)} MiB`],
    ...(resumptions === 0 ? [] : [['Resumed', `${resumptions} times`]]),
  ])
}

function useSection(folder: string, { adapter, model, method: name }: Recipe): string {
  const base = quoted(model)
  const method = methods[name]
  if (method?.rows === 'pairs' && method.scalarHead === true) {
    const grader = JSON.stringify({ type: 'reward_model', name: 'preference', adapter: join(folder, 'adapter') })
    return `As a grader, in \`posttrain eval\` or as the reward of ppo and grpo:\n\n${code(grader, 'json')}`
  }
  if (adapter.type === 'none') return code(`posttrain chat --model ${quoted(join(folder, 'model'))}`, 'sh')
  const path = quoted(join(folder, 'adapter'))
  return code([
    `posttrain chat --model ${base} --adapter ${path}`,
    `posttrain generate --model ${base} --adapter ${path} --prompt 'Hello'`,
    `posttrain merge --model ${base} --adapter ${path} --output ${quoted(join(folder, 'merged'))}`,
  ].join('\n'), 'sh')
}
