/** Items of the inbox as they are sent. */
import type { InboxItem } from '../../feedback/inbox.ts'
import type { ChatMessage } from '../../feedback/record.ts'
import type { Row } from '../../store/index.ts'
import type { WireChoice, WireFeedback, WireInboxItem, WireMessage } from './inbox-wire.ts'

/** What a list has of an item: the last messages, and the beginnings of texts. */
const listed = { messages: 3, characters: 2000 }

export function wireFeedback(row: Row<'feedback'>): WireFeedback {
  return {
    id: row.id,
    object: 'feedback',
    created_at: Math.floor(row.created_at / 1000),
    completion_id: row.completion_id,
    choice_index: row.position,
    name: row.name,
    value: row.value_json === null ? null : JSON.parse(row.value_json) as unknown,
    tags: JSON.parse(row.tags_json) as Record<string, string>,
    user: row.user_id,
    idempotency_key: row.idempotency_key,
    superseded: row.superseded === 1,
  }
}

/** An item, whole. @param known how many of its messages are left out, since they were said before */
export function wireItem({ completion, choices, feedback }: InboxItem, known = 0): WireInboxItem {
  const messages = completion.prompt_json === null ? [] : JSON.parse(completion.prompt_json) as ChatMessage[]
  return {
    id: completion.id,
    object: 'inbox.item',
    created_at: Math.floor(completion.created_at / 1000),
    kind: completion.kind,
    source: completion.source,
    model: completion.model,
    adapter: completion.adapter_id,
    alias: completion.alias,
    user: completion.user_id,
    conversation_id: completion.conversation_id,
    metadata: JSON.parse(completion.metadata_json) as Record<string, string>,
    messages: messages.slice(known),
    messages_before: known,
    choices: choices.map(wireChoice),
    feedback: feedback.map(wireFeedback),
    cut: false,
  }
}

function wireChoice({ position, message_json: message, finish_reason }: Row<'choices'>): WireChoice {
  return { index: position, message: message === null ? null : JSON.parse(message) as ChatMessage, finish_reason }
}

/** An item as a list has it: a page of long conversations must not be megabytes. */
export function excerpt(item: WireInboxItem): WireInboxItem {
  const before = Math.max(0, item.messages.length - listed.messages)
  let cut = false
  const shorten = (message: WireMessage): WireMessage => {
    if (typeof message.content !== 'string' || message.content.length <= listed.characters) return message
    cut = true
    return { ...message, content: `${message.content.slice(0, listed.characters).toWellFormed()} …` }
  }
  const messages = item.messages.slice(before).map(shorten)
  const choices = item.choices.map((choice) => ({ ...choice, message: choice.message && shorten(choice.message) }))
  return { ...item, messages, messages_before: before, choices, cut }
}
