import { checkData, type DataReport } from '../data/check.ts'
import type { AnyRow } from '../data/check-texts.ts'
import { colourRow } from '../data/colour.ts'
import { type DataKind, dataKinds } from '../data/kinds.ts'
import { readRows } from '../data/read.ts'
import type { RenderOptions } from '../data/render.ts'
import { sequencesOf, sides, truncateTree } from '../data/tree.ts'
import { UserError } from '../errors.ts'
import type { ModelFiles } from '../models/files.ts'
import { openModel } from '../models/open.ts'
import { resolveModel } from '../models/sources/source.ts'
import { choiceOption, type Context, defineCommand, numberOption, usageError } from './command.ts'
import { selectOptions, selectRows } from './data-select.ts'
import { showFetch } from './model-options.ts'
import { createProgress } from './progress.ts'

const usage = 'check FILE [--model MODEL] [--max-length N] [--show N] | select FILE --model MODEL --output FILE [--keep SHARE | --rows N] [--variant V]'
const self = { name: 'data', usage }

const dataOptions = {
  ...selectOptions,
  model: { type: 'string', value: 'MODEL', help: 'whose tokenizer and chat template to check with, or by which to select' },
  show: { type: 'string', value: 'N', help: 'check: print the first N rows as they are trained' },
} as const

/** The options of each action. */
const takes: Readonly<Record<'check' | 'select', readonly string[]>> = {
  check: ['model', 'max-length', 'template', 'show'],
  select: Object.keys(selectOptions),
}

/** `posttrain data`: what is in a data file, what is wrong with it, and which rows of it teach most. */
export const data = defineCommand({
  ...self,
  summary: 'check a data file line by line; select the rows that teach most',
  details: [
    'check: conversations, prompts with completions, preference pairs, answers with thumbs, and prompts to be answered are told',
    'by their fields. Said are duplicates, contradictions, empty answers, and how the labels are balanced.',
    'With --model also lengths, masks and what max_length cuts away are checked, as that model is trained on them, and',
    '--show prints rows with the tokens that carry loss in colour (between ⟦ and ⟧ where NO_COLOR is set or in a file).',
    'Exit code 1 where a row cannot be used.',
    '',
    'select: demonstrations by their IFD score (Li et al. 2024), the mean loss of the answer given its instruction over that of the',
    'answer alone. Rows above 1 are left out, of the others the highest are kept, in the order of the file. The score says how much there',
    'is to learn, not whether it is good: take out bad rows first.',
  ].join('\n'),
  options: dataOptions,
  positionals: 2,
  async run(context) {
    const [action, file] = context.positionals
    if (action !== 'check' && action !== 'select') throw usageError(self, action === undefined ? 'say what to do' : `there is no action ${action}`)
    if (file === undefined) throw usageError(self, 'the file is missing')
    const foreign = Object.keys(dataOptions).find((name) => context.options[name as keyof typeof dataOptions] !== undefined && !takes[action].includes(name))
    if (foreign !== undefined) throw usageError(self, `${action} takes no --${foreign}`)
    await (action === 'check' ? checkRows(file, context) : selectRows(self, file, context))
  },
})

async function checkRows(file: string, { options, json, terminal }: Context<typeof dataOptions>): Promise<void> {
  const show = numberOption('show', options.show, { min: 0, integer: true }) ?? 0
  const maxLength = numberOption('max-length', options['max-length'], { min: 2, integer: true }) ?? 1024
  const template = choiceOption('template', options.template, ['auto', 'none']) ?? 'auto'
  if (show > 0 && options.model === undefined) throw usageError(self, '--show needs --model: its tokens are what is shown')
  const progress = createProgress(terminal.log)
  const model = options.model === undefined ? undefined : await openModel(await resolveModel(options.model, { onProgress: showFetch(progress) }))
  progress.end()
  try {
    const rendering = { template, ...(model !== undefined && { endTokenIds: model.config.eosTokenIds }) }
    const report = await checkData(file, model?.tokenizer, { ...rendering, maxLength })
    terminal.out(json ? `${JSON.stringify(report)}\n` : describe(report))
    if (!json && model !== undefined && show > 0) {
      for (const text of await shownRows(report, model, { ...rendering, maxLength, show })) terminal.out(text)
    }
    const unusable = new Set(report.findings.filter(({ severity }) => severity === 'error').map(({ where }) => where)).size
    if (unusable > 0) throw new UserError(`${file}: ${String(unusable)} of ${String(report.rows)} rows cannot be used.`)
  } finally {
    model?.close()
  }
}

function describe(report: DataReport): string {
  const { file, kind, rows, usable, findings, truncated, dropped, duplicates, conflicts, labels, tokens } = report
  const lines = findings.map(({ where, severity, problem }) => `${where}: ${severity}: ${problem}`)
  lines.push(`${file}: ${String(rows)} rows${kind === undefined ? '' : ` of ${kind}`}, ${String(usable)} usable`)
  if (duplicates > 0) lines.push(`duplicates: ${String(duplicates)}`)
  if (conflicts > 0) lines.push(`contradictions: ${String(conflicts)}`)
  if (labels !== undefined) lines.push(`labels: ${String(labels.up)} true, ${String(labels.down)} false`)
  if (tokens !== undefined) {
    const { total, loss, shortest, median, percentile95, longest } = tokens
    lines.push(
      `tokens: ${String(total)}, ${report.data === 'prompts' ? 'none of them carries loss: the answers are sampled' : `${String(loss)} of them carry loss`}`,
      `tokens of a row: ${String(shortest)} to ${String(longest)}, half have at most ${String(median)}, 95% at most ${String(percentile95)}`,
      ...Object.entries(tokens.parts).map(([name, part]) => `${name}: ${part.mean.toFixed(1)} tokens on average, ${String(part.longest)} at most`),
      ...lengthBias(tokens, usable),
      `cut by max_length: ${String(truncated)} rows, ${String(dropped)} of them left out`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** From this share of pairs on, the length of an answer tells which one is chosen; of fewer pairs nothing can be said. */
const tellingShare = 0.65
const tellingPairs = 20

function lengthBias({ chosenLonger }: NonNullable<DataReport['tokens']>, pairs: number): string[] {
  if (chosenLonger === undefined || pairs < tellingPairs) return []
  const share = (value: number): string => `${(100 * value).toFixed(0)}% of the pairs`
  if (chosenLonger >= tellingShare) return [`the chosen answer is the longer one in ${share(chosenLonger)}: length may be learned in place of quality`]
  if (chosenLonger <= 1 - tellingShare) return [`the chosen answer is the shorter one in ${share(1 - chosenLonger)}: brevity may be learned in place of quality`]
  return [`the chosen answer is the longer one in ${share(chosenLonger)}`]
}

/** The first rows, as text with the tokens that carry loss marked; each answer with its prompt. */
async function shownRows(
  { file, data: name }: DataReport,
  { tokenizer }: ModelFiles,
  { show, maxLength, ...rendering }: RenderOptions & { readonly show: number; readonly maxLength: number },
): Promise<string[]> {
  const colour = (process.stdout.isTTY as boolean | undefined) === true && !process.env['NO_COLOR']
  const { rows, render } = dataKinds[name] as DataKind<AnyRow>
  return (await readRows(file, rows)).slice(0, show).flatMap(({ where, row }) =>
    sequencesOf(truncateTree(render(row, tokenizer, rendering), maxLength)).map((sequence, i) => {
      const side = name === 'pairs' ? ` ${sides[i]!}` : ''
      return `\n${where}${side}\n${colourRow(sequence, tokenizer, { colour })}\n`
    }))
}
