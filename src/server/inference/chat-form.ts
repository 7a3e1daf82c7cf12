import type { Completion, TokenLogprob } from '../../generate/completion.ts'
import type { LiveToken } from '../../generate/live-model.ts'
import type { Tool } from '../../models/tokenizer/tokenizer.ts'
import { parseToolAnswer, type ToolAnswer } from '../tools.ts'
import { usageOf, type AnswerForm } from './answer-form.ts'
import type { ChatBody } from './chat-request.ts'
import type { Target } from './inference.ts'
import { SpokenStream } from './spoken-stream.ts'
import { finite, type ScoredToken, type TokenTexts } from './token-texts.ts'

/** The assistant's message in an answer. */
export interface AnswerMessage {
  readonly role: 'assistant'
  readonly content: string | null
  readonly refusal: null
  readonly tool_calls?: ToolAnswer['tool_calls']
}

export interface ChatForm extends AnswerForm {
  /** The message of a completion; for one and the same completion the same, with its calls' ids. */
  message(completion: Completion): AnswerMessage
}

/** OpenAI's `chat.completion` and `chat.completion.chunk`. @param tools that the model was told of */
export function chatForm(id: string, body: ChatBody, target: Target, tools: readonly Tool[], texts: TokenTexts): ChatForm {
  const common = { id, created: Math.floor(Date.now() / 1000), model: target.name, system_fingerprint: target.fingerprint }
  const withLogprobs = body.logprobs === true
  const withUsage = body.stream_options?.include_usage === true
  const messages = new WeakMap<Completion, AnswerMessage>()
  const message = (completion: Completion): AnswerMessage => {
    const known = messages.get(completion) ?? messageOf(completion, tools)
    messages.set(completion, known)
    return known
  }

  const chunk = (choices: readonly unknown[], usage: unknown = null): unknown =>
    ({ ...common, object: 'chat.completion.chunk', choices, ...(withUsage && { usage }) })
  const delta = (index: number, delta: unknown, logprobs: unknown = null, finishReason: string | null = null): unknown =>
    chunk([{ index, delta, logprobs, finish_reason: finishReason }])
  /** Of each answer that may hold calls, what was sent of it. */
  const spoken = Array.from({ length: tools.length > 0 ? body.n ?? 1 : 0 }, () => new SpokenStream())

  return {
    message,
    whole([completions = []]) {
      return {
        ...common,
        object: 'chat.completion',
        choices: completions.map((completion, index) => ({
          index,
          message: message(completion),
          logprobs: withLogprobs ? chatLogprobs(texts.scored(completion), texts) : null,
          finish_reason: finishReasonOf(completion, message(completion)),
        })),
        usage: usageOf([completions]),
      }
    },
    opening() {
      return Array.from({ length: body.n ?? 1 }, (_, index) => delta(index, { role: 'assistant', content: '', refusal: null }))
    },
    piece(_request, token) {
      const logprobs = withLogprobs && !texts.isEnd(token.id) ? chatLogprobs([scored(token)], texts) : null
      const text = spoken[token.sample]?.push(token.text) ?? token.text
      return text === '' && logprobs === null ? undefined : delta(token.sample, { content: text }, logprobs)
    },
    closing([completions = []]) {
      const ends = completions.flatMap((completion, index) => {
        const { content, tool_calls: calls = [] } = message(completion)
        const rest = spoken[index]?.rest(content) ?? ''
        return [
          ...(rest === '' ? [] : [delta(index, { content: rest })]),
          ...calls.map((call, place) => delta(index, { tool_calls: [{ index: place, ...call }] })),
          delta(index, {}, null, finishReasonOf(completion, message(completion))),
        ]
      })
      return withUsage ? [...ends, chunk([], usageOf([completions]))] : ends
    },
  }
}

function messageOf({ text }: Completion, tools: readonly Tool[]): AnswerMessage {
  const { content, tool_calls: calls } = tools.length > 0 ? parseToolAnswer(text, tools) : { content: text, tool_calls: [] }
  return { role: 'assistant', content, refusal: null, ...(calls.length > 0 && { tool_calls: calls }) }
}

function finishReasonOf({ finishReason }: Completion, { tool_calls: calls }: AnswerMessage): string {
  return calls !== undefined && finishReason === 'stop' ? 'tool_calls' : finishReason
}

function scored({ id, logprob, top = [] }: LiveToken): ScoredToken {
  return { id, logprob, top }
}

function chatLogprobs(tokens: readonly ScoredToken[], texts: TokenTexts): unknown {
  const entry = ({ id, logprob }: TokenLogprob): object => ({ token: texts.text(id), logprob: finite(logprob), bytes: texts.bytes(id) })
  return { content: tokens.map((token) => ({ ...entry(token), top_logprobs: token.top.map(entry) })), refusal: null }
}
