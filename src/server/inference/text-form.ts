import { usageOf, type AnswerForm } from './answer-form.ts'
import type { Target } from './inference.ts'
import type { TextBody } from './text-request.ts'
import { finite, type ScoredToken, type TokenTexts } from './token-texts.ts'

/** OpenAI's `text_completion`. @param prompts as text, for `echo` */
export function textForm(id: string, body: TextBody, prompts: readonly string[], target: Target, texts: TokenTexts): AnswerForm {
  const common = {
    id, object: 'text_completion', created: Math.floor(Date.now() / 1000), model: target.name, system_fingerprint: target.fingerprint,
  }
  const samples = body.n ?? 1
  const withLogprobs = body.logprobs != null
  const withUsage = body.stream_options?.include_usage === true
  const chunk = (choices: readonly unknown[], usage: unknown = null): unknown => ({ ...common, choices, ...(withUsage && { usage }) })
  const choice = (request: number, sample: number, text: string, logprobs: unknown = null, finishReason: string | null = null): unknown =>
    ({ index: request * samples + sample, text, logprobs, finish_reason: finishReason })
  /** Where each streamed answer's next token begins in its text. */
  const offsets = new Map<number, number>()

  return {
    whole(completions) {
      const choices = completions.flatMap((answers, request) => answers.map((completion, sample) => {
        const text = (body.echo === true ? prompts[request]! : '') + completion.text
        const logprobs = withLogprobs ? textLogprobs(texts.scored(completion), texts, 0) : null
        return choice(request, sample, text, logprobs, completion.finishReason)
      }))
      return { ...common, choices, usage: usageOf(completions) }
    },
    opening() {
      if (body.echo !== true) return []
      return prompts.flatMap((prompt, request) =>
        Array.from({ length: samples }, (_, sample) => chunk([choice(request, sample, prompt)])))
    },
    piece(request, { sample, id, text, logprob, top = [] }) {
      if (!withLogprobs || texts.isEnd(id)) return text === '' ? undefined : chunk([choice(request, sample, text)])
      const key = request * samples + sample
      const offset = offsets.get(key) ?? 0
      offsets.set(key, offset + texts.text(id).length)
      return chunk([choice(request, sample, text, textLogprobs([{ id, logprob, top }], texts, offset))])
    },
    closing(completions) {
      const ends = completions.flatMap((answers, request) => answers.map(({ finishReason }, sample) =>
        chunk([choice(request, sample, '', null, finishReason)])))
      return withUsage ? [...ends, chunk([], usageOf(completions))] : ends
    },
  }
}

/** OpenAI's older shape: a list for each figure. @param start where the first token begins in the text */
function textLogprobs(tokens: readonly ScoredToken[], texts: TokenTexts, start: number): unknown {
  const shown = tokens.map(({ id }) => texts.text(id))
  let end = start
  const offsets = shown.map((text) => {
    const offset = end
    end += text.length
    return offset
  })
  return {
    tokens: shown,
    token_logprobs: tokens.map(({ logprob }) => finite(logprob)),
    top_logprobs: tokens.map(({ top }) => Object.fromEntries(top.map(({ id, logprob }) => [texts.text(id), finite(logprob)]))),
    text_offset: offsets,
  }
}
