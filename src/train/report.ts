/** report.md: what a run did, for people, from the files in its folder. */
import { basename, join } from 'node:path'
import type { Recipe } from './recipe.ts'
import { mean, summarizeRun } from './summary.ts'
import type { RunSummary } from './summary.ts'

/** General loss may rise by this fraction before the report calls it forgetting. */
const tolerableForgetting = 0.02
/** A held-out loss this fraction above the best one is more than noise. */
const noticeable = 0.005

/** The report of the run in `folder` as Markdown. Throws a UserError where a log of the run is damaged. */
export async function buildReport(folder: string, recipe: Recipe): Promise<string> {
  const summary = await summarizeRun(folder)
  const sections = [
    `# ${basename(folder)}\n\n${recipeTable(recipe, summary)}`,
    `## Loss\n\n${lossSection(summary)}`,
    `## Forgetting\n\n${forgettingSection(summary)}`,
    `## Cost\n\n${costSection(summary)}`,
    `## Use it\n\n${useSection(folder, recipe)}`,
    `## What to try next\n\n${advice(summary, recipe)}`,
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
    const rows = evaluations.map(({ step, loss, generalLoss }) => [`${step}${mark(step)}`, number(loss), number(generalLoss)])
    parts.push(table(['Step', 'Held-out loss', 'General loss'], thinned(rows, 20)))
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
  const change = general.after / general.before - 1
  const verdict = change > tolerableForgetting ? 'The model is forgetting.' : 'General skills are kept.'
  return `Loss on the general set: ${number(general.before)} before, ${number(general.after)} after (${percent(change)}). ${verdict}`
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

function useSection(folder: string, { adapter, model }: Recipe): string {
  const base = quoted(model)
  if (adapter.type === 'none') return code(`posttrain chat --model ${quoted(join(folder, 'model'))}`, 'sh')
  const path = quoted(join(folder, 'adapter'))
  return code([
    `posttrain chat --model ${base} --adapter ${path}`,
    `posttrain generate --model ${base} --adapter ${path} --prompt 'Hello'`,
    `posttrain merge --model ${base} --adapter ${path} --output ${quoted(join(folder, 'merged'))}`,
  ].join('\n'), 'sh')
}

function advice(summary: RunSummary, recipe: Recipe): string {
  const found = [overfitting(summary, recipe), forgetting(summary)].filter((text) => text !== undefined)
  if (found.length > 0) return found.join('\n\n')
  const { best, evaluations } = summary
  if (best === undefined) return 'Give held-out rows (`eval: FILE`): without them nobody knows whether more training helps or hurts.'
  const last = evaluations.findLast(({ loss }) => loss !== undefined)
  return best.step === last?.step && best.step > 0
    ? 'The held-out loss was still falling at the end. Train for more epochs; raise the rank only if the loss then levels off too high.'
    : 'The held-out loss has levelled off. More, and more varied, rows will bring more than more epochs.'
}

function overfitting({ best, evaluations }: RunSummary, { keep }: Recipe): string | undefined {
  const last = evaluations.findLast(({ step, loss }) => loss !== undefined && step > (best?.step ?? Infinity))
  if (best === undefined || last?.loss === undefined || last.loss <= best.loss * (1 + noticeable)) return undefined
  if (best.step === 0) {
    const rise = `The held-out loss was lowest before training (${number(best.loss)}) and ended at ${number(last.loss)}`
    return `${rise}. Lower the learning rate; if that does not help, the held-out rows ask for something else than the training rows teach.`
  }
  const rise = `was lowest at step ${best.step} (${number(best.loss)}) and rose to ${number(last.loss)} by step ${last.step}`
  const remedy = keep === 'best' ? 'The best checkpoint was kept; fewer epochs' : 'Set `keep: best`; fewer epochs'
  return `The held-out loss ${rise}: overfitting. ${remedy} would have done as well, more varied rows would do better.`
}

function forgetting({ general }: RunSummary): string | undefined {
  if (general === undefined || general.after <= general.before * (1 + tolerableForgetting)) return undefined
  const rise = percent(general.after / general.before - 1)
  return `The loss on the general set changed by ${rise}: the model forgets what it knew. Lower the learning rate or train for fewer steps, and mix some general rows into the data.`
}

const levels = '▁▂▃▄▅▆▇█'

/** Values as a line of bars at most `width` wide, each the mean of its share; from the lowest to the highest value. */
export function sparkline(values: readonly number[], width = 60): string {
  const columns = Math.min(width, values.length)
  const bars = Array.from({ length: columns }, (_, i) =>
    mean(values.slice(Math.floor((i * values.length) / columns), Math.floor(((i + 1) * values.length) / columns))))
  const finite = bars.filter(Number.isFinite)
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  const level = (bar: number): number => (high > low ? Math.round(((bar - low) / (high - low)) * (levels.length - 1)) : 0)
  return bars.map((bar) => (Number.isFinite(bar) ? levels[level(bar)] : ' ')).join('')
}

/** At most `count` of the rows, the first and the last among them. */
function thinned<Row>(rows: readonly Row[], count: number): readonly Row[] {
  if (rows.length <= count) return rows
  return Array.from({ length: count }, (_, i) => rows[Math.round((i * (rows.length - 1)) / (count - 1))]!)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Text that stays text in Markdown: names come from recipes and files. */
function escaped(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*[\]<>|]/g, '\\$&')
}

const code = (text: string, language = ''): string => `\`\`\`${language}\n${text}\n\`\`\``

/** An argument as a POSIX shell takes it. */
const quoted = (argument: string): string => (/^[\w./:@-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`)

function number(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '-' : String(Number(value.toPrecision(4)))
}

const percent = (fraction: number): string => `${fraction >= 0 ? '+' : '−'}${Math.abs(fraction * 100).toFixed(1)}%`

function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const parts = [[Math.floor(whole / 3600), 'h'], [Math.floor(whole / 60) % 60, 'min'], [whole % 60, 's']] as const
  return parts.filter(([value], i) => value > 0 || i === 2).map(([value, unit]) => `${value} ${unit}`).join(' ')
}
