import type { Located } from '../data/read.ts'
import type { PromptRow } from '../data/rows.ts'
import { type WinRate, winRate } from '../evaluate/compare.ts'
import type { GradedCompletion } from '../evaluate/grade-model.ts'
import { type Estimate, meanOf, pairedDifference } from '../evaluate/statistics.ts'
import { type GradeSummary, rowReward, summarizeGrades } from '../evaluate/summary.ts'

/** Rows that are shown for each direction of change. */
const SHOWN = 3
/** Characters of a prompt or a completion that are shown. */
const EXCERPT = 160

/** A row whose reward differs between the models. */
interface Change {
  readonly where: string
  readonly prompt: string
  readonly a: { readonly reward: number; readonly output: string }
  readonly b: { readonly reward: number; readonly output: string }
}

/** What B changes against A. */
export interface Comparison {
  readonly b: GradeSummary
  /** B's reward minus A's over the rows where both have one. */
  readonly difference: Estimate
  readonly wins: WinRate
  readonly better: readonly Change[]
  readonly worse: readonly Change[]
}

/** Compares the grades of two models on the same rows. */
export function compareGrades(
  rows: readonly Located<PromptRow>[],
  a: readonly (readonly GradedCompletion[])[],
  b: readonly (readonly GradedCompletion[])[],
  seed: number,
): Comparison {
  const rewards = rows.map((_, i) => ({ i, a: rowReward(a[i]!), b: rowReward(b[i]!) }))
  const both = rewards.flatMap(({ i, a, b }) => (a === null || b === null ? [] : [{ i, a, b, gain: b - a }]))
  const changes = (sign: 1 | -1): Change[] => both
    .filter(({ gain }) => sign * gain > 0)
    .toSorted((x, y) => sign * (y.gain - x.gain))
    .slice(0, SHOWN)
    .map(({ i, a: rewardA, b: rewardB }) => ({
      where: rows[i]!.where,
      prompt: promptText(rows[i]!.row.prompt),
      a: { reward: rewardA, output: a[i]![0]!.output },
      b: { reward: rewardB, output: b[i]![0]!.output },
    }))
  return {
    b: summarizeGrades(b, seed),
    difference: pairedDifference(both.map(({ a }) => a), both.map(({ b }) => b), seed),
    wins: winRate(rewards.map(({ a }) => a), rewards.map(({ b }) => b)),
    better: changes(1),
    worse: changes(-1),
  }
}

function promptText(prompt: PromptRow['prompt']): string {
  return typeof prompt === 'string' ? prompt : prompt.at(-1)!.content
}

/** The report of one model, for people. */
export function describeSummary(summary: GradeSummary, graded: readonly (readonly GradedCompletion[])[]): string {
  const completions = graded.flat()
  const cut = completions.filter(({ finishReason }) => finishReason === 'length').length
  const tokens = meanOf(completions.map(({ tokens }) => tokens))
  return lines([
    ...summaryLines('', summary),
    `length  ${tokens.toFixed(1)} tokens${cut === 0 ? '' : `, ${cut} of ${completions.length} completions cut off`}`,
  ])
}

/** The report of two models, for people. */
export function describeComparison(a: GradeSummary, { b, difference, wins, better, worse }: Comparison): string {
  const [low, high] = wins.interval
  return lines([
    ...summaryLines('A  ', a),
    ...summaryLines('B  ', b),
    `B - A  ${estimate(difference)}`,
    `B wins ${wins.wins}, loses ${wins.losses}, ties ${wins.ties}: win rate ${percent(wins.rate)} [${percent(low)}, ${percent(high)}], ` +
      `sign test p = ${wins.pValue.toPrecision(2)}`,
    ...better.length === 0 ? [] : ['', 'better with B:', ...better.flatMap(describeChange)],
    ...worse.length === 0 ? [] : ['', 'worse with B:', ...worse.flatMap(describeChange)],
  ])
}

function summaryLines(label: string, { rows, completions, reward, components, missing, reasons }: GradeSummary): string[] {
  const names = Object.keys(components)
  const count = completions === rows ? `${rows} rows` : `${rows} rows, ${completions} completions`
  return [
    `${label}reward  ${estimate(reward)}  (${count})`,
    ...(names.length > 1 ? names.map(name => `${label}  ${name}  ${number(components[name]!)}`) : []),
    ...(missing === 0 ? [] : [`${label}without a reward: ${missing} of ${completions} (${percent(missing / completions)})`]),
    ...reasons.slice(0, SHOWN).map(({ reason, count }) => `${label}  ${count} x ${reason}`),
  ]
}

function describeChange({ where, prompt, a, b }: Change): string[] {
  return [
    `  ${where}  ${excerpt(prompt)}`,
    `    A ${number(a.reward)}  ${excerpt(a.output)}`,
    `    B ${number(b.reward)}  ${excerpt(b.output)}`,
  ]
}

/** A text in one line; models may write control characters, which a terminal would obey. */
function excerpt(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, ' ').trim()
  return line.length > EXCERPT ? `${line.slice(0, EXCERPT - 1)}…` : line
}

function estimate({ value, low, high }: Estimate): string {
  return `${number(value)}  95% [${number(low)}, ${number(high)}]`
}

function number(value: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(4)
}

function percent(share: number): string {
  return Number.isNaN(share) ? '-' : `${(100 * share).toFixed(1)}%`
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`
}

/** The report as data; what cannot be estimated is null. */
export function summaryJson(a: GradeSummary, comparison?: Comparison): object {
  if (comparison === undefined) return modelJson(a)
  const { b, difference, wins: { wins, losses, ties, rate, interval, pValue }, better, worse } = comparison
  return {
    a: modelJson(a),
    b: modelJson(b),
    difference,
    win_rate: { wins, losses, ties, rate, interval, p_value: pValue },
    better,
    worse,
  }
}

function modelJson({ missing, ...summary }: GradeSummary): object {
  return { ...summary, without_reward: missing }
}
