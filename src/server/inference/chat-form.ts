import type { Completion } from '../../generate/completion.ts'
import type { LiveModel, LiveToken } from '../../generate/live-model.ts'
import { usageOf, type AnswerForm } from './answer-form.ts'
import type { ChatBody } from './chat-request.ts'
import type { Target } from './inference.ts'
import { finite, isEnd, scoredTokens, textOf, type ScoredToken } from './token-texts.ts'

/** OpenAI's `chat.completion` and `chat.completion.chunk`. */
export function chatForm(id: string, body: ChatBody, target: Target, model: LiveModel): AnswerForm {
  const common = { id, created: Math.floor(Date.now() / 1000), model: target.name, system_fingerprint: target.fingerprint }
  const withLogprobs = body.logprobs === true
  const withUsage = body.stream_options?.include_usage === true

  const chunk = (choices: readonly unknown[], usage: unknown = null): unknown =>
    ({ ...common, object: 'chat.completion.chunk', choices, ...(withUsage && { usage }) })
  const delta = (index: number, delta: unknown, logprobs: unknown = null, finishReason: string | null = null): unknown =>
    chunk([{ index, delta, logprobs, finish_reason: finishReason }])

  return {
    whole([completions = []]) {
      return {
        ...common,
        object: 'chat.completion',
        choices: completions.map((completion, index) => ({
          index,
          message: { role: 'assistant', content: completion.text, refusal: null },
          logprobs: withLogprobs ? chatLogprobs(scoredTokens(completion, model), model) : null,
          finish_reason: completion.finishReason,
        })),
        usage: usageOf([completions]),
      }
    },
    opening() {
      return Array.from({ length: body.n ?? 1 }, (_, index) => delta(index, { role: 'assistant', content: '', refusal: null }))
    },
    piece(_request, token) {
      const logprobs = withLogprobs && !isEnd(token.id, model) ? chatLogprobs([scored(token)], model) : null
      return token.text === '' && logprobs === null ? undefined : delta(token.sample, { content: token.text }, logprobs)
    },
    closing([completions = []]) {
      const ends = completions.map(({ finishReason }: Completion, index) => delta(index, {}, null, finishReason))
      return withUsage ? [...ends, chunk([], usageOf([completions]))] : ends
    },
  }
}

function scored({ id, logprob, top = [] }: LiveToken): ScoredToken {
  return { id, logprob, top }
}

function chatLogprobs(tokens: readonly ScoredToken[], model: LiveModel): unknown {
  const entry = (id: number, logprob: number): unknown => {
    const token = textOf(id, model)
    return { token, logprob: finite(logprob), bytes: [...Buffer.from(token)] }
  }
  return {
    content: tokens.map(({ id, logprob, top }) => ({
      ...entry(id, logprob) as object, top_logprobs: top.map((other) => entry(other.id, other.logprob)),
    })),
    refusal: null,
  }
}
