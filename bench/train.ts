import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openModel } from '../src/models/open.ts'
import { saveAdapter } from '../src/models/peft.ts'
import { Random } from '../src/random.ts'
import { initialAdapter, targetModules } from '../src/train/policy.ts'
import { jsonLines, posttrain, run, toJsonLines } from './process.ts'
import { longRows, shortRows, type BenchRows } from './rows.ts'
import { inTurns, markdownTable, median } from './table.ts'

interface Options {
  readonly python: string
  readonly model: string
  readonly scratch: string
  readonly rounds: number
}

interface Figures {
  readonly tokens_per_second: number
  readonly peak_mb: number
  readonly eval_loss: number
}

/** The side to which the others are compared: TRL as it comes. */
const reference = 'TRL bf16 (its default)'
const settings = { batch: 4, lr: 2e-4 }

/** LoRA SFT, rank 8 on all linear layers: same rows, same order, same first adapter, same steps. */
export async function benchTraining(options: Options): Promise<string> {
  const adapter = await firstAdapter(options)
  const sections = []
  const shapes = [
    { title: 'rows of unequal length', rows: shortRows(), steps: 14, rounds: options.rounds },
    // Minutes a round, and steadier: one less.
    { title: 'long rows of nearly equal length', rows: longRows(), steps: 7, rounds: Math.max(1, options.rounds - 1) },
  ]
  for (const { title, rows, steps, rounds } of shapes) {
    sections.push(`### ${title}, ${steps} steps, ${rounds === 1 ? '1 round' : `${rounds} rounds`}\n\n${await compare({ ...options, rounds }, adapter, rows, steps)}`)
  }
  return `## LoRA SFT\n\nRank 8 on all linear layers, ${settings.batch} rows a step, tokens without padding, evaluation in f32 by each side on the same rows.\n\n${sections.join('\n\n')}`
}

async function compare({ python, model, scratch, rounds }: Options, adapter: string, rows: BenchRows, steps: number): Promise<string> {
  const files = { train: join(scratch, 'train.jsonl'), heldOut: join(scratch, 'heldout.jsonl') }
  writeFileSync(files.train, toJsonLines(rows.train))
  writeFileSync(files.heldOut, toJsonLines(rows.heldOut))
  const trl = (...more: string[]) => async (): Promise<Figures> => {
    const script = join(import.meta.dirname, 'peers/trl_sft.py')
    const { batch, lr } = settings
    const output = await run(python, [
      script, '--model', model, '--data', files.train, '--eval', files.heldOut, '--init', adapter,
      '--batch', String(batch), '--steps', String(steps), '--lr', String(lr), ...more,
    ])
    return jsonLines(output)[0] as Figures
  }
  const ours = (precision: string) => (): Promise<Figures> => trainOurs({ model, adapter, files, steps, output: join(scratch, `run-${precision}`), precision })
  const results = await inTurns(new Map([
    [reference, trl()],
    ['TRL bf16 without gradient checkpointing', trl('--no-checkpointing')],
    ['posttrain f32', ours('f32')],
    ['posttrain int8', ours('int8')],
  ]), rounds)
  return resultTable(results)
}

interface OurRun {
  readonly model: string
  readonly adapter: string
  readonly files: { readonly train: string; readonly heldOut: string }
  readonly steps: number
  readonly output: string
  readonly precision: string
}

async function trainOurs({ model, adapter, files, steps, output, precision }: OurRun): Promise<Figures> {
  const recipe = {
    model, method: 'sft', data: files.train, eval: files.heldOut, adapter: { type: 'lora', init: adapter }, base: { precision },
    optimizer: { lr: settings.lr }, batch: settings.batch, steps, eval_every: steps, shuffle: false, threads: 2, output,
  }
  const file = `${output}.yaml`
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(recipe))
  await posttrain(['train', file, '--overwrite', '--json'])
  const metrics = jsonLines(readFileSync(join(output, 'metrics.jsonl'), 'utf8')) as { tokens_per_second: number; memory_mb: number }[]
  const events = jsonLines(readFileSync(join(output, 'events.jsonl'), 'utf8')) as { type: string; loss?: number }[]
  const last = metrics.at(-1)!
  const evaluation = events.findLast(({ type, loss }) => type === 'evaluation' && loss !== undefined)
  return { tokens_per_second: last.tokens_per_second, peak_mb: last.memory_mb, eval_loss: evaluation!.loss! }
}

function resultTable(results: ReadonlyMap<string, readonly Figures[]>): string {
  const of = (name: string, figure: keyof Figures): number => median(results.get(name)!.map((each) => each[figure]))
  const rows = [...results.keys()].map((name) => [
    name,
    of(name, 'tokens_per_second').toFixed(0),
    `${(of(name, 'tokens_per_second') / of(reference, 'tokens_per_second')).toFixed(2)}x`,
    `${of(name, 'peak_mb').toFixed(0)} MB`,
    `${(of(name, 'peak_mb') / of(reference, 'peak_mb')).toFixed(2)}x`,
    of(name, 'eval_loss').toFixed(4),
  ])
  return markdownTable(['', 'tokens/s', 'ratio', 'peak memory', 'ratio', 'eval loss'], rows)
}

async function firstAdapter({ model: directory, scratch }: Options): Promise<string> {
  const model = await openModel(directory)
  const random = new Random(1)
  const lora = { rank: 8, alpha: 16, rankStabilized: false, modules: targetModules(model.config, 'all-linear') }
  const path = join(scratch, 'first-adapter')
  await saveAdapter(path, initialAdapter(model.config, lora, () => random.uint32() / 2 ** 32), model.config, null)
  model.close()
  return path
}
