import type { RenderOptions } from '../data/render.ts'
import type { PairRow } from '../data/rows.ts'
import { renderPair, type RenderedTree } from '../data/tree.ts'
import type { LoadedModel } from '../generate/model.ts'
import { shareEstimate, type Estimate } from './statistics.ts'

/** Log-probabilities of the two answers of a pair, summed over their tokens, and how many tokens there are. */
export interface PairLogprobs {
  readonly chosen: number
  readonly rejected: number
  readonly chosenTokens: number
  readonly rejectedTokens: number
}

/** How often a model prefers the answer that people preferred. A tie is no preference, and counts as wrong. */
export interface PreferenceAccuracy {
  readonly pairs: number
  /** By the answers' log-probabilities: summed, which favours short answers, and per token. */
  readonly summed: Estimate
  readonly perToken: Estimate
  /** By the change against a reference model, the implicit reward of DPO and KTO: log π(y|x) − log ref(y|x). */
  readonly implicit?: Estimate
  /** Mean over pairs of the chosen answer's implicit reward less the rejected one's, nats (β = 1). */
  readonly margin?: number
}

/** Log-probabilities of both answers of each pair. */
export async function scorePairs(model: LoadedModel, pairs: readonly PairRow[], options: RenderOptions = {}): Promise<PairLogprobs[]> {
  const rendering = { ...options, endTokenIds: model.config.eosTokenIds }
  const trees = pairs.map((pair) => renderPair(pair, model.tokenizer, rendering))
  const logprobs = await model.score(trees.flatMap(sequencesOf))
  return trees.map(({ stem, branches: [chosen, rejected] }, i) => {
    const sum = (values: Float32Array): number => values.subarray(stem.ids.length - 1).reduce((total, value) => total + value, 0)
    return {
      chosen: sum(logprobs[2 * i]!),
      rejected: sum(logprobs[2 * i + 1]!),
      chosenTokens: chosen!.ids.length,
      rejectedTokens: rejected!.ids.length,
    }
  })
}

function sequencesOf({ stem, branches }: RenderedTree): { ids: number[] }[] {
  return branches.map(({ ids }) => ({ ids: [...stem.ids, ...ids] }))
}

export function preferenceAccuracy(model: readonly PairLogprobs[], reference?: readonly PairLogprobs[]): PreferenceAccuracy {
  const share = (isRight: (pair: PairLogprobs, i: number) => boolean): Estimate => shareEstimate(model.filter(isRight).length, model.length)
  const margins = reference?.map((before, i) => model[i]!.chosen - before.chosen - (model[i]!.rejected - before.rejected))
  return {
    pairs: model.length,
    summed: share(({ chosen, rejected }) => chosen > rejected),
    perToken: share((pair) => pair.chosen / pair.chosenTokens > pair.rejected / pair.rejectedTokens),
    ...(margins !== undefined && {
      implicit: share((_, i) => margins[i]! > 0),
      margin: margins.reduce((sum, margin) => sum + margin, 0) / margins.length,
    }),
  }
}
