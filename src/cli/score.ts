import { type Located, readRows } from '../data/read.ts'
import { type RenderedRow, renderRow } from '../data/render.ts'
import { type SftRow, sftRowKinds } from '../data/rows.ts'
import { messageOf, UserError } from '../errors.ts'
import { summedLoss } from '../evaluate/loss.ts'
import type { LoadedModel } from '../generate/model.ts'
import { choiceOption, defineCommand, required } from './command.ts'
import { modelOptions, openModel } from './model-options.ts'
import { createProgress } from './progress.ts'

/** Rows that are given to the model at once. */
const CHUNK = 16

const usage = '--model MODEL [--adapter DIR] --data rows.jsonl [--json]'

/** `posttrain score`: per-token log-probabilities of every row. */
export const score = defineCommand({
  name: 'score',
  summary: 'per-token log-probabilities of rows',
  usage,
  details: [
    'With --json, a line for each row: {"ids", "logprobs", "mask"}. logprobs[i] is that of ids[i+1], mask[i] says',
    'whether it carries loss; both are one shorter than ids. Without, a line for each row and the loss of all.',
  ].join('\n'),
  options: {
    ...modelOptions,
    data: { type: 'string', value: 'FILE', help: 'rows: .jsonl, .json or .csv with messages, or prompt and completion' },
    template: { type: 'string', value: 'T', help: 'auto (default), or none: plain strings taken as they are' },
  },
  positionals: 0,
  async run(context) {
    const { options, json, terminal } = context
    const file = required({ name: 'score', usage }, 'data', options.data)
    const template = choiceOption('template', options.template, ['auto', 'none']) ?? 'auto'
    const rows = await readRows<SftRow>(file, sftRowKinds)
    await using model = await openModel({ name: 'score', usage }, context)
    const rendered = rows.map(row => render(row, model, template))
    const progress = createProgress(terminal.log)
    const total = { loss: 0, tokens: 0 }
    for (let at = 0; at < rendered.length; at += CHUNK) {
      const chunk = rendered.slice(at, at + CHUNK)
      const logprobs = await model.score(chunk.map(({ ids }) => ({ ids: [...ids] })))
      chunk.forEach((row, i) => {
        const { loss, tokens } = summedLoss(row, logprobs[i]!)
        total.loss += loss
        total.tokens += tokens
        terminal.out(json ? jsonLine(row, logprobs[i]!) : `${rows[at + i]!.where}  loss ${mean(loss, tokens)}  tokens ${String(tokens)}\n`)
      })
      progress.update({ label: 'score', done: at + chunk.length, total: rendered.length })
    }
    progress.end()
    if (!json) terminal.out(`all  loss ${mean(total.loss, total.tokens)}  tokens ${String(total.tokens)}\n`)
  },
})

function render({ row, where }: Located<SftRow>, { tokenizer, config }: LoadedModel, template: 'auto' | 'none'): RenderedRow {
  try {
    return renderRow(row, tokenizer, { template, endTokenIds: config.eosTokenIds })
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${where}: ${messageOf(error)}`, { exitCode: 2, cause: error }) : error
  }
}

function jsonLine({ ids, mask }: RenderedRow, logprobs: Float32Array): string {
  return `${JSON.stringify({ ids: [...ids], logprobs: shortest(logprobs), mask: [...mask.subarray(1)] })}\n`
}

/** The decimal numbers that read back as the same f32 values: nine digits are enough. */
export function shortest(values: Iterable<number>): number[] {
  return Array.from(values, value => Number(value.toPrecision(9)))
}

function mean(sum: number, count: number): string {
  return count === 0 ? '-' : (sum / count).toFixed(4)
}
