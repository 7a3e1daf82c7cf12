/** The turns of a conversation, each with what it adds to those before it. */
import { sql } from 'kysely'
import type { Store } from '../store/index.ts'
import { readItems, type InboxItem } from './inbox.ts'
import type { ChatMessage } from './record.ts'

export interface Turn {
  readonly item: InboxItem
  /** The turn that this one goes on from; null: it stands by itself. */
  readonly parentId: string | null
  /** How many messages of the prompt the turns that lead to it have said already. */
  readonly known: number
}

export interface Conversation {
  /** The oldest first. */
  readonly turns: readonly Turn[]
  readonly hasEarlier: boolean
  readonly hasLater: boolean
}

/** Turns of one call: requests of nobody in particular that begin alike are one conversation, and may be very many. */
const mostBefore = 60
const mostAfter = 20

/** The turns of a conversation around one of them, or its last ones. @returns undefined where there is no such conversation */
export async function readConversation(store: Store, conversationId: string, around?: string): Promise<Conversation | undefined> {
  const { db } = store
  const anchor = around === undefined ? undefined : await db.selectFrom('completions').select(['id', 'created_at'])
    .where('id', '=', around).where('conversation_id', '=', conversationId).executeTakeFirst()
  if (around !== undefined && anchor === undefined) return undefined
  const place = sql`(completions.created_at, completions.id)`
  const at = anchor && sql`(${anchor.created_at}, ${anchor.id})`
  const turns = db.selectFrom('completions').select(['id', 'created_at']).where('conversation_id', '=', conversationId)
  const [before, later] = await Promise.all([
    turns.$if(at !== undefined, (query) => query.where(sql<boolean>`${place} <= ${at}`))
      .orderBy('created_at', 'desc').orderBy('id', 'desc').limit(mostBefore + 1).execute(),
    at === undefined ? [] : turns.where(sql<boolean>`${place} > ${at}`).orderBy('created_at').orderBy('id').limit(mostAfter + 1).execute(),
  ])
  if (before.length === 0) return undefined
  const ids = [...before.slice(0, mostBefore).reverse(), ...later.slice(0, mostAfter)].map(({ id }) => id)
  return {
    turns: thread(await readItems(store, ids)),
    hasEarlier: before.length > mostBefore,
    hasLater: later.length > mostAfter,
  }
}

/**
 * Says of each turn which earlier one it goes on from: the one of which it repeats most, prompt and answer, and the latest of these.
 * Two turns that ask the same are two answers, neither of which goes on from the other.
 * @param items the oldest first
 */
export function thread(items: readonly InboxItem[]): Turn[] {
  const told = items.map(({ completion, choices }) => ({
    id: completion.id,
    prompt: textsOf(completion.prompt_json === null ? [] : JSON.parse(completion.prompt_json) as ChatMessage[]),
    answers: choices.flatMap(({ message_json: message }) => (message === null ? [] : textsOf([JSON.parse(message) as ChatMessage]))),
  }))
  return items.map((item, i) => {
    let parent: Pick<Turn, 'parentId' | 'known'> = { parentId: null, known: 0 }
    for (const { id, prompt, answers } of told.slice(0, i)) {
      const known = repeated(told[i]!.prompt, prompt, answers)
      if (known > 0 && known >= parent.known) parent = { parentId: id, known }
    }
    return { item, ...parent }
  })
}

/** How many of a prompt's messages are an earlier prompt and one of its answers; 0: it does not go on from there. */
function repeated(messages: readonly string[], prompt: readonly string[], answers: readonly string[]): number {
  if (messages.length <= prompt.length || prompt.some((message, i) => message !== messages[i])) return 0
  return prompt.length + Number(answers.includes(messages[prompt.length]!))
}

/** What makes a message the same one: who says what. */
function textsOf(messages: readonly ChatMessage[]): string[] {
  return messages.map((message) => JSON.stringify(message))
}
