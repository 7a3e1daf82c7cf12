/** Tools in OpenAI's words, and what the engine makes of them: in the prompt, while decoding, and in the answer. */
import { z } from 'zod'
import type { OutputFormat } from '../generate/completion.ts'
import { toolCallFormat } from '../generate/format/format.ts'
import { checkSize } from '../generate/format/schema-size.ts'
import type { Tool, ToolCall, Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { newId } from '../store/index.ts'
import { ApiError } from './errors.ts'

/** Most tools of a request, as OpenAI has it. */
const maxTools = 128
const name = z.string().regex(/^[\w-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -')

/** `tools` of a request. */
export const toolsSchema = z.array(z.strictObject({
  type: z.literal('function', { error: 'only functions can be called' }),
  function: z.strictObject({
    name,
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
})).max(maxTools)

/** `tool_choice` of a request. */
export const toolChoiceSchema = z.union([
  z.enum(['none', 'auto', 'required']),
  z.strictObject({ type: z.literal('function'), function: z.strictObject({ name }) }),
])

/** `tool_calls` of an assistant's message in a request. */
export const toolCallsSchema = z.array(z.strictObject({
  id: z.string(),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
}))

export type RequestedTools = z.output<typeof toolsSchema>
export type ToolChoice = z.output<typeof toolChoiceSchema>

export interface ToolUse {
  /** What the prompt tells the model of; for `encodeChat`. */
  readonly tools: readonly Tool[]
  /** Where a call must come: what it has to be. */
  readonly format: OutputFormat | undefined
}

/**
 * What a request's tools mean. With `none` the model does not hear of them.
 * @throws ApiError 400 where the model's template knows no tools, where a choice names none of them, or where a schema is
 * too large
 */
export function useOfTools(requested: RequestedTools | null | undefined, choice: ToolChoice | null | undefined, tokenizer: Pick<Tokenizer, 'hasTools'>): ToolUse {
  const chosen = choice ?? 'auto'
  const tools = (requested ?? []).map(({ function: { name, description, parameters } }): Tool => ({
    name, description: description ?? undefined, parameters: parameters ?? undefined,
  }))
  if (chosen === 'none') return { tools: [], format: undefined }
  if (tools.length === 0) {
    if (chosen === 'auto') return { tools, format: undefined }
    throw new ApiError(400, 'tool_choice asks for a call, and there are no tools', { param: 'tool_choice' })
  }
  if (!tokenizer.hasTools) {
    throw new ApiError(400, 'tools: the model\'s chat template knows nothing of tools. Leave them out, or serve a model that was trained to call them', { param: 'tools' })
  }
  const twice = tools.find(({ name }, i) => tools.findIndex((other) => other.name === name) !== i)
  if (twice !== undefined) throw new ApiError(400, `tools: two of them have the name ${JSON.stringify(twice.name)}`, { param: 'tools' })
  for (const { parameters } of tools) checkSize(parameters)
  return { tools, format: chosen === 'auto' ? undefined : toolCallFormat(tools, chosen === 'required' ? undefined : chosen.function.name) }
}

/** The calls of an assistant's message, for the template. @throws ApiError 400 where arguments are no JSON object */
export function readToolCalls(calls: z.output<typeof toolCallsSchema>, param: string): ToolCall[] {
  return calls.map(({ function: called }, i) => {
    const given = parseObject(called.arguments)
    if (given === undefined) throw new ApiError(400, `${param}[${i}].function.arguments: must be a JSON object, as a text`, { param: `${param}[${i}].function.arguments` })
    checkSize(given)
    return { name: called.name, arguments: given }
  })
}

/** An answer as OpenAI words it: what was said, and what is to be called. */
export interface ToolAnswer {
  /** null: nothing but calls. */
  readonly content: string | null
  readonly tool_calls: readonly {
    readonly id: string
    readonly type: 'function'
    readonly function: { readonly name: string; readonly arguments: string }
  }[]
}

const marks = { open: '<tool_call>', close: '</tool_call>' }

/**
 * The calls in a model's answer, as Hermes and Qwen write them: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`. What
 * is no call of one of the tools stays in the text.
 */
export function parseToolAnswer(text: string, tools: readonly Pick<Tool, 'name'>[]): ToolAnswer {
  const calls: ToolAnswer['tool_calls'][number][] = []
  let rest = ''
  let at = 0
  for (let end = text.indexOf(marks.close); end >= 0; end = text.indexOf(marks.close, at)) {
    const piece = text.slice(at, end)
    const start = piece.lastIndexOf(marks.open)
    const called = start < 0 ? undefined : readCall(piece.slice(start + marks.open.length), tools)
    at = end + marks.close.length
    if (called !== undefined) calls.push({ id: newId('call_'), type: 'function', function: called })
    rest += called === undefined ? piece + marks.close : piece.slice(0, start)
  }
  if (calls.length === 0) return { content: text, tool_calls: [] }
  const said = (rest + text.slice(at)).trim()
  return { content: said === '' ? null : said, tool_calls: calls }
}

function readCall(text: string, tools: readonly Pick<Tool, 'name'>[]): ToolAnswer['tool_calls'][number]['function'] | undefined {
  const { name: called, arguments: given = {} } = parseObject(text) ?? {}
  const tool = tools.find(({ name }) => name === called)
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given)
  return tool !== undefined && isObject ? { name: tool.name, arguments: JSON.stringify(given) } : undefined
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
