import type { Tool } from '../models/tokenizer/tokenizer.ts'
import type { SamplingOptions } from './sampling.ts'

/** One prompt to be completed. */
export interface GenerateRequest extends SamplingOptions {
  /** Token ids, at least one. */
  readonly prompt: readonly number[]
  /** The model's context may end a completion before. */
  readonly maxTokens: number
  /** How many completions of the prompt, which is computed once for all of them; 1 unless given. */
  readonly samples?: number | undefined
  /** Strings that end the completion; they are not part of its text. None may be empty. */
  readonly stop?: readonly string[] | undefined
  /**
   * 0 unless given. A completion depends on the seed, its request's place in the list and its own place among the
   * request's samples, and not on what else is in the batch.
   */
  readonly seed?: number | undefined
  /** Added to tokens' logits before one is chosen, by token id; −100 and 100 forbid and force. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined
  /** Taken once from the logit of each token that was generated before. */
  readonly presencePenalty?: number | undefined
  /** Taken from the logit of each token as often as it was generated before. */
  readonly frequencyPenalty?: number | undefined
  /** How many of the likeliest tokens to name at each position, 0 to 20. */
  readonly topLogprobs?: number | undefined
  /** What the text has to be; nothing else can be generated. */
  readonly format?: OutputFormat | undefined
}

/** Any JSON object, what a JSON schema allows, or the call of one of some tools with the marks that the model puts around it. */
export type OutputFormat =
  | { readonly type: 'json_object' }
  | { readonly type: 'json_schema'; readonly schema: Readonly<Record<string, unknown>> }
  | { readonly type: 'tool_call'; readonly tools: readonly Tool[]; readonly before: string; readonly after: string }

export interface TokenLogprob {
  readonly id: number
  readonly logprob: number
}

export interface Completion {
  readonly text: string
  /** The generated tokens, the end token included where it was generated. */
  readonly ids: readonly number[]
  /** Natural logarithms, of each generated token, under the unmodified distribution (temperature 1, no truncation). */
  readonly logprobs: readonly number[]
  /**
   * The same at the request's temperature, still without truncation by top-k or top-p: what an importance ratio is taken
   * of. All 0 at temperature 0, where nothing is left to chance.
   */
  readonly samplingLogprobs: readonly number[]
  /** Of each position the likeliest tokens, the likeliest first, under the unmodified distribution; where they were asked for. */
  readonly topLogprobs?: readonly (readonly TokenLogprob[])[] | undefined
  /** `stop`: an end token, a stop string or the end of what the format allows; `length`: maxTokens or the model's context. */
  readonly finishReason: 'stop' | 'length'
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number }
}
