import type { Completion, TokenLogprob } from '../../generate/completion.ts'
import type { LiveToken } from '../../generate/live-model.ts'
import { usageOf, type AnswerForm } from './answer-form.ts'
import type { ChatBody } from './chat-request.ts'
import type { Target } from './inference.ts'
import { finite, type ScoredToken, type TokenTexts } from './token-texts.ts'

/** OpenAI's `chat.completion` and `chat.completion.chunk`. */
export function chatForm(id: string, body: ChatBody, target: Target, texts: TokenTexts): AnswerForm {
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
          logprobs: withLogprobs ? chatLogprobs(texts.scored(completion), texts) : null,
          finish_reason: completion.finishReason,
        })),
        usage: usageOf([completions]),
      }
    },
    opening() {
      return Array.from({ length: body.n ?? 1 }, (_, index) => delta(index, { role: 'assistant', content: '', refusal: null }))
    },
    piece(_request, token) {
      const logprobs = withLogprobs && !texts.isEnd(token.id) ? chatLogprobs([scored(token)], texts) : null
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

function chatLogprobs(tokens: readonly ScoredToken[], texts: TokenTexts): unknown {
  const entry = ({ id, logprob }: TokenLogprob): object => ({ token: texts.text(id), logprob: finite(logprob), bytes: texts.bytes(id) })
  return { content: tokens.map((token) => ({ ...entry(token), top_logprobs: token.top.map(entry) })), refusal: null }
}
