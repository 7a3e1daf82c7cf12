/** The body of a chat completion: what is taken, and what the engine makes of it. */
import { z } from 'zod'
import type { LiveModel, LiveRequest } from '../../generate/live-model.ts'
import type { Tool } from '../../models/tokenizer/tokenizer.ts'
import { checkCommon, commonShape, ignoredShape, invalid, samplingOf, tokensToGenerate } from './parameters.ts'
import { toolChoiceSchema, toolsSchema, useOfTools } from '../tools.ts'
import { messageSchema, templateMessages } from './chat-messages.ts'
import type { Target } from './inference.ts'
import type { PromptEncoder } from './prompt-encoder.ts'

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
  tools: toolsSchema.nullish(),
  tool_choice: toolChoiceSchema.nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  response_format: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text') }), z.strictObject({ type: z.literal('json_object') }), jsonSchemaFormat,
  ]).nullish(),
  safety_identifier: z.string().max(512).nullish(),
  modalities: z.array(z.literal('text', { error: 'only text can be generated' })).nullish(),
})

export type ChatBody = z.output<typeof chatSchema>

/** A chat as the engine takes it, and the tools that the model is told of. */
export interface ChatRequest {
  readonly request: LiveRequest
  readonly tools: readonly Tool[]
}

/** @throws ApiError 400 for what is wrong with the request */
export async function chatRequest(
  body: ChatBody, { adapter }: Target, { config, tokenizer }: LiveModel, encoder: PromptEncoder,
): Promise<ChatRequest> {
  checkCommon(body)
  if (body.top_logprobs != null && body.logprobs !== true) throw invalid('top_logprobs', 'needs "logprobs": true')
  const { tools, format: called } = useOfTools(body.tools, body.tool_choice, tokenizer)
  const format = formatOf(body.response_format)
  if (called !== undefined && format !== undefined) throw invalid('response_format', 'excludes a tool_choice that asks for a call')
  const prompt = await encoder.chat(templateMessages(body.messages), tools)
  const request: LiveRequest = {
    ...samplingOf(body),
    prompt,
    maxTokens: tokensToGenerate(prompt, body.max_completion_tokens ?? body.max_tokens, config, 'messages'),
    topLogprobs: body.logprobs === true ? body.top_logprobs ?? 0 : undefined,
    format: called ?? format,
    adapter,
  }
  return { request, tools }
}

function formatOf(format: ChatBody['response_format']): LiveRequest['format'] {
  if (format == null || format.type === 'text') return undefined
  if (format.type === 'json_object' || format.json_schema.schema == null) return { type: 'json_object' }
  return { type: 'json_schema', schema: format.json_schema.schema }
}
