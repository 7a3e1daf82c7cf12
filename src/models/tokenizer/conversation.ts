import type { Message, Tool } from './tokenizer.ts'

/** What a chat template renders. */
export interface Conversation {
  readonly messages: readonly Message[]
  readonly tools: readonly Tool[]
}

/** The conversation with every text that somebody wrote changed: in messages, calls and schemas, names of properties included. */
export function mapTexts({ messages, tools }: Conversation, map: (text: string) => string): Conversation {
  return {
    messages: messages.map(({ role, content, toolCalls, name }) => ({
      role: map(role),
      content: map(content),
      toolCalls: toolCalls?.map(call => ({ name: map(call.name), arguments: mapValues(call.arguments, map) })),
      name: name === undefined ? undefined : map(name),
    })),
    tools: tools.map(({ name, description, parameters }) => ({
      name: map(name),
      description: description === undefined ? undefined : map(description),
      parameters: parameters === undefined ? undefined : mapValues(parameters, map),
    })),
  }
}

/** Every text of the conversation. */
export function textsOf(conversation: Conversation): string[] {
  const texts: string[] = []
  mapTexts(conversation, text => {
    texts.push(text)
    return text
  })
  return texts
}

function mapValues(values: Readonly<Record<string, unknown>>, map: (text: string) => string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [map(name), mapValue(value, map)]))
}

function mapValue(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value)
  if (Array.isArray(value)) return value.map(inner => mapValue(inner, map))
  return typeof value === 'object' && value !== null ? mapValues(value as Record<string, unknown>, map) : value
}
