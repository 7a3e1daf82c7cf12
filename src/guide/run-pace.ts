/** The pace of this machine by runs that ended on it: what their steps took, over what would have been said of them. */
import { asTree } from '../data/tree.ts'
import type { ModelConfig } from '../models/config.ts'
import { estimateStep } from './estimate.ts'
import type { Pace } from './pace.ts'
import type { FinishedRun } from './run-facts.ts'

/** Steps that a run must have had, and how many of the last runs count. */
const fewestSteps = 10
const mostRuns = 5
/** Methods whose steps take what their rows take: how much was sampled in a step is not in a run's figures. */
const methodsWithRows = ['sft', 'dpo', 'kto', 'reward']

/**
 * The median of the last runs that say something; `trial` where there are none.
 * @param runs of this machine and this model, the oldest first
 */
export function paceOfRuns(runs: readonly FinishedRun[], config: ModelConfig, trial: Pace): Pace {
  const ratios = runs.map((run) => ratioOf(run, config, trial)).filter((ratio) => ratio !== undefined).slice(-mostRuns)
  if (ratios.length === 0) return trial
  const median = ratios.toSorted((a, b) => a - b)[ratios.length >> 1]!
  return { ...trial, factor: trial.factor * median, quantized: trial.quantized * median, source: 'runs' }
}

/** What a run's steps took over what is said of them; undefined: it says nothing of that. */
function ratioOf({ recipe, summary }: FinishedRun, config: ModelConfig, trial: Pace): number | undefined {
  const { steps, tokens, tokensPerSecond } = summary
  if (steps < fewestSteps || tokensPerSecond === 0 || recipe.device !== 'cpu' || !methodsWithRows.includes(recipe.method)) return undefined
  const length = Math.max(2, Math.round(tokens / steps / recipe.batch))
  // Half of a row's tokens carry loss: a run's figures do not say how many.
  const mask = new Uint8Array(length).fill(1, Math.floor(length / 2))
  const trees = Array.from({ length: recipe.batch }, () => asTree({ ids: new Int32Array(length), mask }))
  return tokens / steps / tokensPerSecond / estimateStep({ recipe, config, pace: trial }, trees)
}
