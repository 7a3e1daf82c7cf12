/** What the loop came to, as text for a terminal. */
import type { Estimate } from '../../evaluate/statistics.ts'
import { simulatedAgents, type SupportDesk } from './desk.ts'
import type { Latency, Spread } from './latency.ts'
import { alias, type Loop, type LoopFigures } from './loop.ts'
import type { TrainedJob } from './training.ts'

export function report({ figures, answers }: Loop, desk: SupportDesk): string {
  const { base, v1, v2, preference, general_loss: general, v2_wins_over_v1: wins } = figures
  const preferences = [preference.base, preference.v1, preference.v2]
  const qualities = [base, v1, v2]
  const rows: readonly (readonly string[])[] = [
    ['', 'base', 'v1 (log)', 'v2 (choices)'],
    ['points, 0 to 1', ...qualities.map(({ points }) => points.value.toFixed(3))],
    ['', ...qualities.map(({ points }) => interval(points, (value) => value.toFixed(2)))],
    ['flawless summaries', ...qualities.map(({ flawless }) => percent(flawless.value))],
    ['', ...qualities.map(({ flawless }) => interval(flawless, percent))],
    ['cut off at the limit', ...qualities.map(({ cut }) => percent(cut))],
    ['held-out choices, as chosen', ...preferences.map(({ value }) => percent(value))],
    ['', ...preferences.map((estimate) => interval(estimate, percent))],
    ['general loss (forgetting)', ...[general.base, general.v1, general.v2].map((loss) => loss.toFixed(3))],
  ]
  return [
    '',
    `  ${base.answers} summaries of ${desk.heldOut.length} complaints that nothing was trained on; 95% intervals`,
    '',
    ...rows.map(([name = '', ...cells]) => `  ${name.padEnd(28)}${cells.map((cell) => cell.padStart(15)).join('')}`),
    '',
    `  v2 wins over v1 on ${percent(wins.rate)} of the complaints [${wins.interval.map(percent).join(', ')}], ties counted half`,
    `  ${aliasText(figures)}`,
    '',
    ...latencyText(figures.latency),
    '',
    ...example(answers, desk),
    '',
    ...wrapped(simulatedAgents),
    '',
  ].join('\n')
}

function aliasText({ log_job: log, feedback_job: feedback }: LoopFigures): string {
  const move = (version: string, { alias: { moved } }: TrainedJob): string[] => (moved ? [version] : [])
  const stayed = [['v1', log], ['v2', feedback]] as const
  const reasons = stayed.filter(([, { alias: { moved } }]) => !moved).map(([version, job]) => `; not to ${version}: ${job.alias.reason}`)
  return `alias ${alias}: ${['base', ...move('v1', log), ...move('v2', feedback)].join(' -> ')}${reasons.join('')}`
}

function latencyText({ idle, while_training: training }: LoopFigures['latency']): string[] {
  const line = (name: string, of: (latency: Latency) => Spread): string =>
    `  ${name.padEnd(28)}${[idle, training].map((latency) => milliseconds(of(latency)).padStart(24)).join('')}`
  return [
    `  ${''.padEnd(28)}${['nothing else runs', 'while a job trains'].map((name) => name.padStart(24)).join('')}`,
    line('time to first token', ({ first_token_ms: spread }) => spread),
    line('time between tokens', ({ between_tokens_ms: spread }) => spread),
    `  median and 95th percentile of ${idle.requests} and ${training.requests} requests, one at a time`,
  ]
}

/** The first complaint whose summary got better with each version, or with v2 at least; else the first of all. */
function example({ base, v1, v2 }: Loop['answers'], { heldOut }: SupportDesk): string[] {
  const [before, between, after] = [base, v1, v2].map(({ points }) => points.map(([first]) => first!)) as [number[], number[], number[]]
  const learned = heldOut.flatMap((_, i) => (between[i]! < after[i]! && after[i] === 1 ? [i] : []))
  const shown = learned.find((i) => before[i]! < between[i]!) ?? learned[0] ?? 0
  const summary = (name: string, { texts, points }: Loop['answers']['base']): string =>
    `    ${name.padEnd(6)}${oneLine(texts[shown]![0]!)}  (${(5 * points[shown]![0]!).toFixed(0)} of 5)`
  return [
    ...wrapped(String(heldOut[shown]!.messages.at(-1)!.content)),
    summary('base', base), summary('v1', v1), summary('v2', v2),
  ]
}

function interval({ low, high }: Estimate, show: (value: number) => string): string {
  return `[${show(low)}, ${show(high)}]`
}

function milliseconds({ median, p95 }: Spread): string {
  return `${median.toFixed(0)} ms (${p95.toFixed(0)} ms)`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)}%`
}

/** A model's words are not to do anything to the terminal. */
function oneLine(text: string): string {
  const line = text.trim().replaceAll(/[\s\p{C}]+/gu, ' ')
  return line.length > 120 ? `${line.slice(0, 119)}…` : line
}

/** Lines of at most 110 characters, indented. */
function wrapped(text: string): string[] {
  return (text.match(/\S.{0,106}\S(?=\s|$)|\S/g) ?? []).map((line) => `  ${line}`)
}
