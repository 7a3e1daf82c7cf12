import type { Located } from '../data/read.ts'
import type { PairRow } from '../data/rows.ts'
import { preferenceAccuracy, scorePairs, type PairLogprobs, type PreferenceAccuracy } from '../evaluate/preference.ts'
import type { Estimate } from '../evaluate/statistics.ts'
import type { LoadedModel } from '../generate/model.ts'
import type { RenderOptions } from '../data/render.ts'
import type { Progress } from './progress.ts'

/** Pairs between two progress reports. */
const CHUNK = 16

export interface PairEvaluation {
  readonly model: PreferenceAccuracy
  /** What it is compared with: the reference of its implicit rewards. */
  readonly reference?: PreferenceAccuracy
}

/** A model's log-probabilities of pairs, with progress. */
export async function scoreWithProgress(model: LoadedModel, rows: readonly Located<PairRow>[], options: RenderOptions, label: string, progress: Progress): Promise<PairLogprobs[]> {
  const scores: PairLogprobs[] = []
  for (let at = 0; at < rows.length; at += CHUNK) {
    scores.push(...(await scorePairs(model, rows.slice(at, at + CHUNK).map(({ row }) => row), options)))
    progress.update({ label, done: scores.length, total: rows.length })
  }
  progress.end()
  return scores
}

export function evaluatePairs(model: readonly PairLogprobs[], reference: readonly PairLogprobs[] | undefined): PairEvaluation {
  return reference === undefined
    ? { model: preferenceAccuracy(model) }
    : { model: preferenceAccuracy(model, reference), reference: preferenceAccuracy(reference) }
}

export function describePairs({ model, reference }: PairEvaluation): string {
  const lines = [`${String(model.pairs)} pairs; how often the chosen answer is preferred (95% interval)`]
  if (model.implicit !== undefined) {
    lines.push(`  against the reference   ${share(model.implicit)}   mean margin ${model.margin!.toFixed(3)} nats`)
  }
  lines.push(`  by log-probability      ${share(model.summed)}${before(reference?.summed)}`)
  lines.push(`  per token               ${share(model.perToken)}${before(reference?.perToken)}`)
  return `${lines.join('\n')}\n`
}

function before(estimate: Estimate | undefined): string {
  return estimate === undefined ? '' : `   reference ${share(estimate)}`
}

function share({ value, low, high }: Estimate): string {
  const percent = (fraction: number): string => (100 * fraction).toFixed(1)
  return `${percent(value)}% (${percent(low)} to ${percent(high)})`
}
