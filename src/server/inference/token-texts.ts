import type { Completion, TokenLogprob } from '../../generate/completion.ts'
import type { LiveModel } from '../../generate/live-model.ts'

/** A generated token and the likeliest ones in its place. */
export interface ScoredToken extends TokenLogprob {
  readonly top: readonly TokenLogprob[]
}

/** The tokens of a completion's text: the end token has no text and is not among them. */
export function scoredTokens({ ids, logprobs, topLogprobs }: Completion, model: LiveModel): ScoredToken[] {
  const tokens = ids.map((id, i) => ({ id, logprob: logprobs[i]!, top: topLogprobs?.[i] ?? [] }))
  return tokens.filter(({ id }) => !isEnd(id, model))
}

export function isEnd(id: number, { config }: LiveModel): boolean {
  return config.eosTokenIds.includes(id)
}

/** A token's text by itself; control tokens by their names. */
export function textOf(id: number, { tokenizer }: LiveModel): string {
  return tokenizer.decode([id], { control: true })
}

/** JSON has no infinity: what is impossible is as unlikely as OpenAI writes it. */
export function finite(logprob: number): number {
  return Math.max(logprob, -9999)
}
