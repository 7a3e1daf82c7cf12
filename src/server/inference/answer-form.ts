import type { Completion } from '../../generate/completion.ts'
import type { LiveToken } from '../../generate/live-model.ts'

/** How an endpoint words its answers, whole or in pieces. Completions are those of each request, sample by sample. */
export interface AnswerForm {
  whole(completions: readonly (readonly Completion[])[]): unknown
  /** What a stream begins with. */
  opening(): unknown[]
  /** What a token adds; undefined: nothing that can be shown yet. */
  piece(request: number, token: LiveToken): unknown
  /** What a stream ends with: why each answer ended, and the usage where it was asked for. */
  closing(completions: readonly (readonly Completion[])[]): unknown[]
}

export interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
}

/** A prompt counts once, however many answers it has. */
export function usageOf(completions: readonly (readonly Completion[])[]): Usage {
  const prompt = completions.reduce((sum, [first]) => sum + (first?.usage.promptTokens ?? 0), 0)
  const generated = completions.flat().reduce((sum, { usage }) => sum + usage.completionTokens, 0)
  return { prompt_tokens: prompt, completion_tokens: generated, total_tokens: prompt + generated }
}
