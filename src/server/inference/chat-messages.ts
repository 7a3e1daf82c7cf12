/** A conversation as clients send it, and as chat templates take it. */
import { z } from 'zod'
import type { Message } from '../../models/tokenizer/tokenizer.ts'
import { readToolCalls, toolCallsSchema } from '../tools.ts'
import { invalid } from './parameters.ts'

const textPart = z.strictObject({ type: z.literal('text', { error: 'only text can be read' }), text: z.string() })
const refusalPart = z.strictObject({ type: z.literal('refusal'), refusal: z.string() })
const content = z.union([z.string(), z.array(z.union([textPart, refusalPart])).min(1)])

export const messageSchema = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: content.nullish(),
  /** Chat templates have no place for it. */
  name: z.string().nullish(),
  tool_calls: toolCallsSchema.nullish(),
  tool_call_id: z.string().nullish(),
  // What else an answer of ours or OpenAI's has, so that it can be sent back as it is.
  refusal: z.string().nullish(),
  annotations: z.array(z.unknown()).nullish(),
  audio: z.null().optional(),
  function_call: z.null().optional(),
})

export type WireMessage = z.output<typeof messageSchema>

/** @throws ApiError 400 for a message without what belongs to its role */
export function templateMessages(messages: readonly WireMessage[]): Message[] {
  const called = new Map<string, string>()
  return messages.map((message, index) => {
    const param = `messages[${index}]`
    const calls = message.tool_calls ?? []
    if (calls.length > 0 && message.role !== 'assistant') throw invalid(`${param}.tool_calls`, 'belong to the assistant alone')
    for (const { id, function: { name } } of calls) called.set(id, name)
    return {
      // `developer` is OpenAI's newer name of `system`.
      role: message.role === 'developer' ? 'system' : message.role,
      content: textOf(message, param),
      ...(calls.length > 0 && { toolCalls: readToolCalls(calls, `${param}.tool_calls`) }),
      ...(message.role === 'tool' && { name: toolOf(message, called, param) }),
    }
  })
}

function textOf({ content, refusal, tool_calls: calls }: WireMessage, param: string): string {
  if (typeof content === 'string') return content
  if (content != null) return content.map((part) => (part.type === 'text' ? part.text : part.refusal)).join('')
  if (refusal != null) return refusal
  if (calls != null && calls.length > 0) return ''
  throw invalid(`${param}.content`, 'is missing')
}

/** Which tool a message answers for. */
function toolOf({ tool_call_id: id }: WireMessage, called: ReadonlyMap<string, string>, param: string): string {
  const name = id == null ? undefined : called.get(id)
  if (name === undefined) throw invalid(`${param}.tool_call_id`, 'must be the id of a call in an assistant\'s message before it')
  return name
}
