import { checkData, type DataReport } from '../data/check.ts'
import { colourRow } from '../data/colour.ts'
import { readRows } from '../data/read.ts'
import { renderRow, type RenderOptions, truncateRow } from '../data/render.ts'
import { type SftRow, sftRowKinds } from '../data/rows.ts'
import { UserError } from '../errors.ts'
import type { ModelFiles } from '../models/files.ts'
import { openModel } from '../models/open.ts'
import { resolveModel } from '../models/sources/source.ts'
import { choiceOption, defineCommand, numberOption, usageError } from './command.ts'
import { showFetch } from './model-options.ts'
import { createProgress } from './progress.ts'

const usage = 'check FILE [--model MODEL] [--max-length N] [--show N]'
const self = { name: 'data', usage }

/** `posttrain data`: what is in a data file, and what is wrong with it. */
export const data = defineCommand({
  ...self,
  summary: 'check a data file line by line',
  details: [
    'With --model also lengths, masks and what max_length cuts away are checked, as that model is trained on them, and',
    '--show prints rows with the tokens that carry loss in colour (between ⟦ and ⟧ where NO_COLOR is set or in a file).',
    'Exit code 1 where a row cannot be used.',
  ].join('\n'),
  options: {
    model: { type: 'string', value: 'MODEL', help: 'whose tokenizer and chat template to check with' },
    'max-length': { type: 'string', value: 'N', help: 'tokens of a row that are kept, as in the recipe (default 1024)' },
    template: { type: 'string', value: 'T', help: 'auto (default), or none: plain strings taken as they are' },
    show: { type: 'string', value: 'N', help: 'print the first N rows as they are trained' },
  },
  positionals: 2,
  async run({ options, positionals: [action, file], json, terminal }) {
    if (action !== 'check') throw usageError(self, action === undefined ? 'say what to do' : `there is no action ${action}`)
    if (file === undefined) throw usageError(self, 'the file is missing')
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
        for (const text of await shownRows(file, model, { ...rendering, maxLength, show })) terminal.out(text)
      }
      const unusable = new Set(report.findings.filter(({ severity }) => severity === 'error').map(({ where }) => where)).size
      if (unusable > 0) throw new UserError(`${file}: ${String(unusable)} of ${String(report.rows)} rows cannot be used.`)
    } finally {
      model?.close()
    }
  },
})

function describe({ file, kind, rows, usable, findings, truncated, dropped, duplicates, tokens }: DataReport): string {
  const lines = findings.map(({ where, severity, problem }) => `${where}: ${severity}: ${problem}`)
  lines.push(`${file}: ${String(rows)} rows${kind === undefined ? '' : ` of ${kind}`}, ${String(usable)} usable`)
  if (duplicates > 0) lines.push(`duplicates: ${String(duplicates)}`)
  if (tokens !== undefined) {
    const { total, loss, shortest, median, percentile95, longest } = tokens
    lines.push(
      `tokens: ${String(total)}, ${String(loss)} of them carry loss`,
      `tokens of a row: ${String(shortest)} to ${String(longest)}, half have at most ${String(median)}, 95% at most ${String(percentile95)}`,
      `cut by max_length: ${String(truncated)} rows, ${String(dropped)} of them left out`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** The first rows that can be used, as text with the tokens that carry loss marked. */
async function shownRows(
  file: string,
  { tokenizer }: ModelFiles,
  { show, maxLength, ...rendering }: RenderOptions & { readonly show: number; readonly maxLength: number },
): Promise<string[]> {
  const colour = (process.stdout.isTTY as boolean | undefined) === true && !process.env['NO_COLOR']
  const rows = await readRows<SftRow>(file, sftRowKinds)
  return rows.slice(0, show).map(({ where, row }) =>
    `\n${where}\n${colourRow(truncateRow(renderRow(row, tokenizer, rendering), maxLength), tokenizer, { colour })}\n`)
}
