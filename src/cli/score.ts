import type { AnyRow } from '../data/check-texts.ts'
import { type DataKind, dataKindOf, dataKinds } from '../data/kinds.ts'
import { type Located, readRows } from '../data/read.ts'
import type { RenderedRow } from '../data/render.ts'
import { sequencesOf, sides } from '../data/tree.ts'
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
    'Pairs have two lines each, the chosen answer and the rejected one, with "side".',
  ].join('\n'),
  options: {
    ...modelOptions,
    data: { type: 'string', value: 'FILE', help: 'rows: .jsonl, .json or .csv with messages, prompt and completion (and label), or pairs' },
    template: { type: 'string', value: 'T', help: 'auto (default), or none: plain strings taken as they are' },
  },
  positionals: 0,
  async run(context) {
    const { options, json, terminal } = context
    const file = required({ name: 'score', usage }, 'data', options.data)
    const template = choiceOption('template', options.template, ['auto', 'none']) ?? 'auto'
    const kind = (await dataKindOf(file)) ?? 'sft'
    if (kind === 'prompts') throw new UserError(`${file}: the rows are prompts without answers, so there is nothing to score.`, { exitCode: 2 })
    const { rows, render } = dataKinds[kind] as DataKind<AnyRow>
    const located = await readRows(file, rows)
    await using model = await openModel({ name: 'score', usage }, context)
    const sequences = located.flatMap(row => scored(row, render, model, template))
    const progress = createProgress(terminal.log)
    const total = { loss: 0, tokens: 0 }
    for (let at = 0; at < sequences.length; at += CHUNK) {
      const chunk = sequences.slice(at, at + CHUNK)
      const logprobs = await model.score(chunk.map(({ row }) => ({ ids: [...row.ids] })))
      chunk.forEach(({ where, side, row }, i) => {
        const { loss, tokens } = summedLoss(row, logprobs[i]!)
        total.loss += loss
        total.tokens += tokens
        const name = side === undefined ? where : `${where}  ${side}`
        terminal.out(json ? jsonLine(row, logprobs[i]!, side) : `${name}  loss ${mean(loss, tokens)}  tokens ${String(tokens)}\n`)
      })
      progress.update({ label: 'score', done: at + chunk.length, total: sequences.length })
    }
    progress.end()
    if (!json) terminal.out(`all  loss ${mean(total.loss, total.tokens)}  tokens ${String(total.tokens)}\n`)
  },
})

/** A sequence whose tokens are scored; a pair has two. */
interface Scored {
  readonly where: string
  readonly side: (typeof sides)[number] | undefined
  readonly row: RenderedRow
}

function scored(
  { row, where }: Located<AnyRow>, render: DataKind<AnyRow>['render'], { tokenizer, config }: LoadedModel, template: 'auto' | 'none',
): Scored[] {
  try {
    const sequences = sequencesOf(render(row, tokenizer, { template, endTokenIds: config.eosTokenIds }))
    return sequences.map((sequence, i) => ({ where, side: sequences.length > 1 ? sides[i] : undefined, row: sequence }))
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${where}: ${messageOf(error)}`, { exitCode: 2, cause: error }) : error
  }
}

function jsonLine({ ids, mask }: RenderedRow, logprobs: Float32Array, side: Scored['side']): string {
  const line = { ids: [...ids], logprobs: shortest(logprobs), mask: [...mask.subarray(1)] }
  return `${JSON.stringify(side === undefined ? line : { ...line, side })}\n`
}

/** The decimal numbers that read back as the same f32 values: nine digits are enough. */
export function shortest(values: Iterable<number>): number[] {
  return Array.from(values, value => Number(value.toPrecision(9)))
}

function mean(sum: number, count: number): string {
  return count === 0 ? '-' : (sum / count).toFixed(4)
}
