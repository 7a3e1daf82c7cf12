/** A conversation as the store has it: the page may be loaded again, or its address be gone to. */
import type { WireConversation, WireTurn } from '../../../../src/server/routes/inbox-wire.ts'
import { call, CallError } from '../../api/client.ts'
import { conversationOf, restoredTurns, type RestoredTurn } from './restore.ts'

/** @param base the base's name @throws CallError */
export async function restore(chat: string, columns: readonly number[], base: string, signal: AbortSignal): Promise<RestoredTurn[]> {
  const stored = await Promise.all(columns.map(async (column) => ({ column, turns: await turnsOf(conversationOf(chat, column), signal) })))
  return restoredTurns(stored, base)
}

async function turnsOf(conversation: string, signal: AbortSignal): Promise<readonly WireTurn[]> {
  try {
    return (await call<WireConversation>(`/v1/inbox/conversations/${encodeURIComponent(conversation)}`, { signal })).turns
  } catch (error) {
    // Whose answers were all stopped, or not to be stored, has nothing there.
    if (error instanceof CallError && error.status === 404) return []
    throw error
  }
}
