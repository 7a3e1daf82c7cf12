import type { RenderedRow } from '../data/render.ts'

/** A sum of cross-entropies in nats, and the number of tokens it is over. */
export interface SummedLoss {
  readonly loss: number
  readonly tokens: number
}

/** Cross-entropy of the tokens of a row that carry loss; `logprobs[i]` is that of `ids[i + 1]`. */
export function summedLoss({ mask }: Pick<RenderedRow, 'mask'>, logprobs: Float32Array): SummedLoss {
  let loss = 0
  let tokens = 0
  for (const [i, logprob] of logprobs.entries()) {
    if (mask[i + 1] !== 1) continue
    loss -= logprob
    tokens++
  }
  return { loss, tokens }
}
