/** The body of a chat completion: what is taken, and what the engine makes of it. */
import { z } from 'zod'
import type { LiveModel, LiveRequest } from '../../generate/live-model.ts'
import type { Message } from '../../models/tokenizer/tokenizer.ts'
import { checkCommon, commonShape, ignoredShape, invalid, samplingOf, tokensToGenerate } from './parameters.ts'
import type { Target } from './inference.ts'
import type { PromptEncoder } from './prompt-encoder.ts'

const textPart = z.strictObject({ type: z.literal('text', { error: 'only text can be read' }), text: z.string() })
const refusalPart = z.strictObject({ type: z.literal('refusal'), refusal: z.string() })
const content = z.union([z.string(), z.array(z.union([textPart, refusalPart])).min(1)])

const messageSchema = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: content.nullish(),
  /** Chat templates have no place for it. */
  name: z.string().nullish(),
  // What an answer of ours has, so that it can be sent back as it is.
  refusal: z.string().nullish(),
  annotations: z.array(z.unknown()).nullish(),
  audio: z.null().optional(),
  function_call: z.null().optional(),
  tool_calls: z.array(z.unknown()).max(0, 'tool calls cannot be read').nullish(),
})

const jsonSchemaFormat = z.strictObject({
  type: z.literal('json_schema'),
  json_schema: z.strictObject({
    name: z.string().max(64),
    description: z.string().nullish(),
    schema: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
})

export const chatSchema = z.strictObject({
  ...ignoredShape,
  ...commonShape,
  messages: z.array(messageSchema).min(1),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  response_format: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text') }), z.strictObject({ type: z.literal('json_object') }), jsonSchemaFormat,
  ]).nullish(),
  safety_identifier: z.string().max(512).nullish(),
  modalities: z.array(z.literal('text', { error: 'only text can be generated' })).nullish(),
  tools: z.array(z.unknown()).max(0, 'tools are not supported').nullish(),
  tool_choice: z.enum(['none', 'auto']).nullish(),
})

export type ChatBody = z.output<typeof chatSchema>

/** @throws ApiError 400 for what is wrong with the request */
export async function chatRequest(body: ChatBody, { adapter }: Target, { config }: LiveModel, encoder: PromptEncoder): Promise<LiveRequest> {
  checkCommon(body)
  if (body.top_logprobs != null && body.logprobs !== true) throw invalid('top_logprobs', 'needs "logprobs": true')
  const prompt = await encoder.chat(body.messages.map(plainMessage))
  return {
    ...samplingOf(body),
    prompt,
    maxTokens: tokensToGenerate(prompt, body.max_completion_tokens ?? body.max_tokens, config, 'messages'),
    topLogprobs: body.logprobs === true ? body.top_logprobs ?? 0 : undefined,
    format: formatOf(body.response_format),
    adapter,
  }
}

/** A message as templates know them: `developer` is OpenAI's newer name of `system`. */
function plainMessage({ role, content, refusal }: ChatBody['messages'][number], index: number): Message {
  const text = content == null ? refusal ?? undefined : textOf(content)
  if (text === undefined) throw invalid(`messages[${index}].content`, 'is missing')
  return { role: role === 'developer' ? 'system' : role, content: text }
}

function textOf(content: NonNullable<ChatBody['messages'][number]['content']>): string {
  return typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : part.refusal)).join('')
}

function formatOf(format: ChatBody['response_format']): LiveRequest['format'] {
  if (format == null || format.type === 'text') return undefined
  if (format.type === 'json_object' || format.json_schema.schema == null) return { type: 'json_object' }
  return { type: 'json_schema', schema: format.json_schema.schema }
}
