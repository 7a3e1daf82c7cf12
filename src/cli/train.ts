import { methods } from '../methods/index.ts'
import type { TrainEvent } from '../train/events.ts'
import { loadRecipe } from '../train/recipe.ts'
import { train as runTraining } from '../train/train.ts'
import { defineCommand, usageError } from './command.ts'
import { showFetch } from './model-options.ts'
import { createProgress, type Progress } from './progress.ts'

const usage = 'RECIPE.yaml [--set a.b=c] [--resume]'

/** `posttrain train`: carries out a recipe. */
export const train = defineCommand({
  name: 'train',
  summary: 'fine-tune a model as a recipe says',
  usage,
  details: [
    'Ctrl-C stops after the step under way and keeps a checkpoint; --resume goes on from it, bit by bit the same run.',
    'Paths in the recipe are relative to the working directory; input files may also lie beside the recipe.',
  ].join('\n'),
  options: {
    set: { type: 'string', multiple: true, value: 'KEY=VALUE', help: 'override the recipe: --set optimizer.lr=1e-4; may be given several times' },
    resume: { type: 'boolean', help: 'go on from the last checkpoint in the recipe\'s output folder' },
    overwrite: { type: 'boolean', help: 'replace the run that is in the output folder' },
  },
  positionals: 1,
  interruptible: true,
  async run({ options, positionals: [path], json, signal, terminal }) {
    if (path === undefined) throw usageError({ name: 'train', usage }, 'the recipe is missing')
    const recipe = loadRecipe(path, options.set ?? [], methods)
    const progress = createProgress(terminal.log)
    const result = await runTraining(recipe, {
      resume: options.resume === true,
      overwrite: options.overwrite === true,
      signal,
      onEvent: showTraining(progress),
      onProgress: showFetch(progress),
    })
    progress.end()
    if (json) terminal.out(`${JSON.stringify(result)}\n`)
    else if (result.finished) terminal.out(`${result.output}\n`)
    else terminal.log.write(`stopped after step ${String(result.steps)}; go on with: posttrain train ${path} --resume\n`)
  },
})

/** Shows a run's events as progress. */
export function showTraining(progress: Progress): (event: TrainEvent) => void {
  // Of several steps on one set of answers only the first has the reward.
  let metrics: Figures = {}
  return event => {
    switch (event.type) {
      case 'step':
        metrics = { ...metrics, ...event.metrics }
        progress.update({ label: 'train', done: event.step, total: event.steps, detail: stepDetail(event, metrics), eta: event.eta_seconds })
        break
      case 'eval':
        progress.note(evaluationText(event))
        break
      case 'warning':
        progress.note(`warning: ${event.text}`)
        break
      case 'status':
        progress.note(event.text)
        break
    }
  }
}

type Figures = Readonly<Record<string, number>>

/** What is shown of a method's metrics, and under which name: few, since a line is short. */
const shown: Readonly<Record<string, string>> = {
  reward: 'reward', kl: 'kl', 'rewards/margins': 'margin', 'rewards/accuracies': 'accuracy', frac_reward_null: 'no reward',
}

/** A reward of every answer is no news. */
function methodFigures(metrics: Figures): string[] {
  return Object.entries(shown).flatMap(([metric, name]) => {
    const value = metrics[metric]
    return value === undefined || (metric === 'frac_reward_null' && value === 0) ? [] : [`${name} ${fixed(value, 3)}`]
  })
}

/** Without the sign of a zero: the loss of a first step on sampled answers is 0 but for rounding. */
function fixed(value: number, digits: number): string {
  return value.toFixed(digits).replace(/^-(?=[0.]+$)/, '')
}

function stepDetail({ loss, tokens_per_second, memory_mb }: Extract<TrainEvent, { type: 'step' }>, metrics: Figures): string {
  return [`loss ${fixed(loss, 4)}`, ...methodFigures(metrics), `${tokens_per_second.toFixed(0)} tokens/s`, `${memory_mb.toFixed(0)} MB`].join('  ')
}

function evaluationText({ step, metrics }: Extract<TrainEvent, { type: 'eval' }>): string {
  const { loss, general_loss: general } = metrics
  const heldOut = [...(loss === undefined ? [] : [`loss ${fixed(loss, 4)}`]), ...methodFigures(metrics)]
  const parts = [...(heldOut.length === 0 ? [] : [`held-out ${heldOut.join(', ')}`]), ...(general === undefined ? [] : [`general loss ${fixed(general, 4)}`])]
  return `step ${String(step)}: ${parts.join('; ')}`
}
