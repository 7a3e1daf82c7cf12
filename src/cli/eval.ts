import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

import { type Located, parseRows, readRows } from '../data/read.ts'
import { type PairRow, pairRowKinds, type PromptRow, promptRowKinds } from '../data/rows.ts'
import { UserError } from '../errors.ts'
import { checkFields, gradeModel, type GradedCompletion } from '../evaluate/grade-model.ts'
import { type Grader, openGrader } from '../evaluate/graders/index.ts'
import { rowReward, summarizeGrades } from '../evaluate/summary.ts'
import { writeFileDurably } from '../files.ts'
import { choiceOption, type Context, defineCommand, numberOption, required, usageError } from './command.ts'
import { describePairs, evaluatePairs, scoreWithProgress } from './eval-pairs.ts'
import { compareGrades, describeComparison, describeSummary, summaryJson } from './eval-report.ts'
import { readSampling, samplingOptions } from './generate.ts'
import { modelOptions, openModel } from './model-options.ts'
import { createProgress } from './progress.ts'

const usage = '--model MODEL [--adapter DIR] --data rows.jsonl [--grader grader.json] [--compare-adapter DIR | --compare-model MODEL]'
const self = { name: 'eval', usage }

const evalOptions = {
  ...modelOptions,
  data: { type: 'string', value: 'FILE', help: 'rows: a prompt (or messages that end with the user\'s turn) and the fields that the grader reads' },
  grader: { type: 'string', value: 'FILE', help: 'what an answer is worth, as JSON: see docs/graders.md' },
  'compare-adapter': { type: 'string', value: 'DIR', help: 'also grade this adapter of the model (none: the model alone), and compare' },
  'compare-model': { type: 'string', value: 'MODEL', help: 'also grade this model, and compare' },
  samples: { type: 'string', value: 'N', help: 'completions of each row (default 1); needs --temperature above 0' },
  template: { type: 'string', value: 'T', help: 'auto (default), or none: plain strings taken as they are' },
  output: { type: 'string', value: 'FILE', help: 'write every completion with its grades, a JSON line for each' },
  ...samplingOptions,
} as const

/** `posttrain eval`: what a model's answers are worth, alone or beside another's. */
export const evaluate = defineCommand({
  ...self,
  summary: 'grade a model\'s answers, and compare two models',
  details: [
    'Prints the mean reward with its 95% interval (bootstrap over the rows), the components of the grader and what could',
    'not be graded. With a comparison (B) also the paired difference, the win rate and the rows that changed most.',
    'Pairs {prompt, chosen, rejected} need no grader: printed is how often the chosen answer is preferred, and, with a',
    'comparison, how often the model\'s change against it goes that way (the implicit reward of DPO and KTO).',
    'With --json, all of it as one JSON object.',
  ].join('\n'),
  options: evalOptions,
  positionals: 0,
  async run(context) {
    const { options, json, terminal } = context
    const file = required(self, 'data', options.data)
    const model = required(self, 'model', options.model)
    if (options.grader === undefined && (await isOfPairs(file))) return evaluatePairFile(context, file)
    const graderFile = required(self, 'grader', options.grader)
    const other = comparedTo(context)
    readWork(context)
    if (options.output !== undefined) checkOutput(options.output)
    const rows = await readRows<PromptRow>(file, promptRowKinds)
    const grader = await openGraderFile(graderFile, model)
    try {
      checkFields(rows, grader.fields)
      const a = await gradeWith(context, context.options, rows, grader, other === undefined ? 'eval' : 'A')
      const b = other === undefined ? undefined : await gradeWith(context, other, rows, grader, 'B')
      if (options.output !== undefined) await writeGrades(options.output, rows, b === undefined ? { a } : { a, b })
      const seed = readSampling(options).seed ?? 0
      const first = summarizeGrades(a, seed)
      const comparison = b && compareGrades(rows, a, b, seed)
      if (json) terminal.out(`${JSON.stringify(summaryJson(first, comparison))}\n`)
      else terminal.out(comparison === undefined ? describeSummary(first, a) : describeComparison(first, comparison))
      if (first.missing === first.completions) throw new UserError(`No answer could be graded: ${first.reasons[0]?.reason ?? ''}`)
    } finally {
      await grader.close()
    }
  },
})

/** A file of pairs needs no grader: the pairs say which answer is better. */
async function isOfPairs(file: string): Promise<boolean> {
  const { kind } = await parseRows<PairRow | PromptRow>(file, [...pairRowKinds, ...promptRowKinds])
  return pairRowKinds.some(({ name }) => name === kind?.name)
}

/** How often the model prefers the chosen answers; with a comparison also against that as the reference. */
async function evaluatePairFile(context: Context<typeof evalOptions>, file: string): Promise<void> {
  const { json, terminal } = context
  const rows = await readRows<PairRow>(file, pairRowKinds)
  const { rendering } = readWork(context)
  const progress = createProgress(terminal.log)
  const scored = async (options: EvalOptions, label: string) => {
    await using model = await openModel(self, { ...context, options })
    return await scoreWithProgress(model, rows, rendering, label, progress)
  }
  const other = comparedTo(context)
  const model = await scored(context.options, 'eval')
  const result = evaluatePairs(model, other && (await scored(other, 'reference')))
  terminal.out(json ? `${JSON.stringify(result)}\n` : describePairs(result))
}

type EvalOptions = Context<typeof evalOptions>['options']

/** The options with which B is loaded; undefined where nothing is compared. */
function comparedTo({ options }: Context<typeof evalOptions>): EvalOptions | undefined {
  const { 'compare-adapter': adapter, 'compare-model': model } = options
  if (adapter === undefined && model === undefined) return undefined
  return {
    ...options,
    model: model ?? options.model,
    adapter: adapter === 'none' || adapter === undefined ? undefined : adapter,
  }
}

function readWork({ options }: Pick<Context<typeof evalOptions>, 'options'>) {
  const sampling = readSampling(options)
  const samples = numberOption('samples', options.samples, { min: 1, max: 256, integer: true }) ?? 1
  const template = choiceOption('template', options.template, ['auto', 'none']) ?? 'auto'
  if (samples > 1 && sampling.temperature === 0) throw usageError(self, '--samples needs --temperature above 0: without chance all would be the same')
  return { sampling, samples, rendering: { template } }
}

/** The answers of one model; it is gone when the next is loaded. */
async function gradeWith(
  context: Context<typeof evalOptions>,
  chosen: EvalOptions,
  rows: readonly Located<PromptRow>[],
  grader: Grader,
  label: string,
): Promise<GradedCompletion[][]> {
  await using model = await openModel(self, { ...context, options: chosen })
  const progress = createProgress(context.terminal.log)
  const graded = await gradeModel(model, rows, grader, {
    ...readWork(context),
    onRows: soFar => {
      const rewards = soFar.map(rowReward).filter(reward => reward !== null)
      const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length
      progress.update({ label, done: soFar.length, total: rows.length, ...(rewards.length > 0 && { detail: `reward ${mean.toFixed(4)}` }) })
    },
  })
  progress.end()
  return graded
}

async function openGraderFile(file: string, model: string): Promise<Grader> {
  if (!existsSync(file)) throw new UserError(`${file}: there is no such file.`, { exitCode: 2 })
  return openGrader(file, { baseDirectory: process.cwd(), allowFunctions: true, model })
}

function checkOutput(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new UserError(`--output ${file}: is a directory; give a file's name.`, { exitCode: 2 })
  }
  if (existsSync(dirname(file))) return
  throw new UserError(`--output ${file}: there is no directory ${dirname(file)}.`, { exitCode: 2 })
}

async function writeGrades(
  file: string,
  rows: readonly Located<PromptRow>[],
  models: Readonly<Record<string, readonly (readonly GradedCompletion[])[]>>,
): Promise<void> {
  const lines = rows.flatMap(({ where, row }, i) => Object.entries(models).flatMap(([model, graded]) =>
    graded[i]!.map(({ output, reward, components, error, finishReason, tokens }) => JSON.stringify({
      where, ...(Object.keys(models).length > 1 && { model }), prompt: row.prompt, completion: output, reward, components,
      ...(error !== undefined && { error }), finish_reason: finishReason, tokens,
    }))))
  await writeFileDurably(file, `${lines.join('\n')}\n`)
}
