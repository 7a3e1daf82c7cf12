import { extname } from 'node:path'
import { readFile } from 'node:fs/promises'
import { type DataKind, dataKindOf, dataKinds } from '../data/kinds.ts'
import { answerTwice, hasEarlierAnswers, ifdOf, ifdVariants, selectHighest, type AnswerTwice } from '../data/instruction-difficulty.ts'
import { type Located, readRows } from '../data/read.ts'
import type { SftRow } from '../data/rows.ts'
import { UserError } from '../errors.ts'
import { writeFileDurably } from '../files.ts'
import type { LoadedModel } from '../generate/model.ts'
import { choiceOption, type Command, type Context, numberOption, required, usageError } from './command.ts'
import { modelOptions, openModel } from './model-options.ts'
import { createProgress } from './progress.ts'

/** Rows that are given to the model at once: enough to sort them by length, few enough to show progress. */
const chunk = 64

export const selectOptions = {
  ...modelOptions,
  keep: { type: 'string', value: 'SHARE', help: 'select: the share of all rows to keep (default 0.05)' },
  rows: { type: 'string', value: 'N', help: 'select: how many rows to keep, in place of a share' },
  variant: { type: 'string', value: 'V', help: 'select: ratio of mean losses (loss, default) or of perplexities (perplexity)' },
  output: { type: 'string', short: 'o', value: 'FILE', help: 'select: where the rows are written, as JSONL' },
  'max-length': { type: 'string', value: 'N', help: 'tokens of a row that are kept, as in the recipe (default 1024)' },
  template: { type: 'string', value: 'T', help: 'auto (default), or none: plain strings taken as they are' },
} as const

/** What a selection came to. `scores` are in the order of the file; null: of the answer nothing was left by --max-length. */
interface Selection {
  readonly file: string
  readonly variant: (typeof ifdVariants)[number]
  readonly rows: number
  readonly kept: number
  readonly above_one: number
  readonly no_answer: number
  readonly several_answers: number
  /** The lowest score that was kept. */
  readonly lowest: number
  readonly output: string
  readonly scores: readonly (number | null)[]
}

/** `posttrain data select`: the demonstrations from which there is most to learn, by IFD. */
export async function selectRows(command: Pick<Command, 'name' | 'usage'>, file: string, context: Context<typeof selectOptions>): Promise<void> {
  const { options, json, terminal } = context
  const output = required(command, 'output', options.output)
  if (options.keep !== undefined && options.rows !== undefined) throw usageError(command, 'give --keep or --rows, not both')
  const share = numberOption('keep', options.keep, { min: Number.MIN_VALUE, max: 1 }) ?? 0.05
  const most = numberOption('rows', options.rows, { min: 1, integer: true })
  const variant = choiceOption('variant', options.variant, ifdVariants) ?? 'loss'
  const maxLength = numberOption('max-length', options['max-length'], { min: 2, integer: true }) ?? 1024
  const template = choiceOption('template', options.template, ['auto', 'none']) ?? 'auto'
  const located = await demonstrations(file)
  await using model = await openModel(command, context)
  const answers = located.map((row) => answerTwice(row, model.tokenizer, { template, maxLength, endTokenIds: model.config.eosTokenIds }))
  const progress = createProgress(terminal.log)
  const scores = await scored(model, answers, variant, (done) => { progress.update({ label: 'score', done, total: answers.length }) })
  progress.end()
  const kept = selectHighest(scores, most ?? Math.max(1, Math.round(share * scores.length)))
  const [no_answer, above_one] = [answers.filter((answer) => answer === undefined).length, scores.filter((score) => score > 1).length]
  if (kept.length === 0) {
    throw new UserError(`${file}: no row is left: ${above_one} score above 1, of ${no_answer} --max-length ${maxLength} leaves no answer. Nothing was written.`)
  }
  await writeFileDurably(output, (await linesOf(file, located, kept)).map((line) => `${line}\n`).join(''))
  const selection: Selection = {
    file, variant, rows: located.length, kept: kept.length, above_one, no_answer,
    several_answers: located.filter(({ row }) => hasEarlierAnswers(row)).length,
    lowest: Math.min(...kept.map((i) => scores[i]!)), output, scores: scores.map((score) => (Number.isNaN(score) ? null : score)),
  }
  terminal.out(json ? `${JSON.stringify(selection)}\n` : describe(selection))
}

async function demonstrations(file: string): Promise<Located<SftRow>[]> {
  const kind = (await dataKindOf(file)) ?? 'sft'
  if (kind !== 'sft') throw new UserError(`${file}: rows of ${kind} cannot be selected by IFD: it takes messages, or prompts with completions.`, { exitCode: 2 })
  return readRows(file, (dataKinds.sft as DataKind<SftRow>).rows)
}

/** NaN where there is no answer. */
async function scored(model: LoadedModel, answers: readonly (AnswerTwice | undefined)[], variant: (typeof ifdVariants)[number], onDone: (rows: number) => void): Promise<number[]> {
  const scores: number[] = []
  for (let at = 0; at < answers.length; at += chunk) {
    const some = answers.slice(at, at + chunk)
    const sequences = some.flatMap((answer) => (answer === undefined ? [] : [{ ids: answer.given }, { ids: answer.alone }]))
    const logprobs = (await model.score(sequences)).values()
    for (const answer of some) scores.push(answer === undefined ? NaN : ifdOf(answer, [logprobs.next().value!, logprobs.next().value!], variant))
    onDone(scores.length)
  }
  return scores
}

/** Lines of a JSONL file as they stand there; rows of other files as JSON. */
async function linesOf(file: string, located: readonly Located<SftRow>[], kept: readonly number[]): Promise<string[]> {
  if (!['.jsonl', '.ndjson'].includes(extname(file).toLowerCase())) return kept.map((i) => JSON.stringify(located[i]!.row))
  const lines = (await readFile(file, 'utf8')).replace(/^\uFEFF/, '').split('\n').filter((line) => line.trim() !== '')
  return kept.map((i) => lines[i]!.replace(/\r$/, ''))
}

function describe({ file, variant, rows, kept, above_one, no_answer, several_answers, lowest, output }: Selection): string {
  return [
    `${file}: ${kept} of ${rows} rows kept, IFD (ratio of ${variant === 'loss' ? 'mean losses' : 'perplexities'}) from ${lowest.toFixed(3)} to 1`,
    ...(above_one > 0 ? [`above 1, left out: ${above_one}; their answers are less likely with the instruction than without`] : []),
    ...(no_answer > 0 ? [`left out, as --max-length leaves no answer: ${no_answer}`] : []),
    ...(several_answers > 0 ? [`with several answers: ${several_answers}; the last one was scored`] : []),
    output, '',
  ].join('\n')
}
