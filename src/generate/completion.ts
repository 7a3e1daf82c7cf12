import type { SamplingOptions } from './sampling.ts'

/** One prompt to be completed. */
export interface GenerateRequest extends SamplingOptions {
  /** Token ids, at least one. */
  readonly prompt: readonly number[]
  /** The model's context may end a completion before. */
  readonly maxTokens: number
  /** Strings that end the completion; they are not part of its text. None may be empty. */
  readonly stop?: readonly string[] | undefined
  /** Equal seeds give equal completions of a request at the same place in its list; 0 unless given. */
  readonly seed?: number | undefined
}

export interface Completion {
  readonly text: string
  /** The generated tokens, the end token included where it was generated. */
  readonly ids: readonly number[]
  /** Of each generated token, under the unmodified distribution (temperature 1, no truncation). */
  readonly logprobs: readonly number[]
  readonly finishReason: 'stop' | 'length'
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number }
}
