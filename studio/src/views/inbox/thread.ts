/** One way through a conversation: the turns that lead to one of them, and those that went on from there. */
import type { WireTurn } from '../../../../src/server/routes/inbox-wire.ts'

export interface Path {
  /** The oldest first. */
  readonly turns: readonly WireTurn[]
  /** Turns of the conversation beside it: other answers to the same, other ways on. */
  readonly beside: readonly WireTurn[]
}

/** @param turns the oldest first: a turn goes on from an earlier one, or from none */
export function pathThrough(turns: readonly WireTurn[], id: string): Path {
  const byId = new Map(turns.map((turn) => [turn.id, turn]))
  const path: WireTurn[] = []
  for (let turn = byId.get(id); turn !== undefined; turn = turn.parent === null ? undefined : byId.get(turn.parent)) path.unshift(turn)
  for (let at: string | undefined = id; at !== undefined;) {
    const next = turns.findLast(({ parent }) => parent === at)
    if (next !== undefined) path.push(next)
    at = next?.id
  }
  return { turns: path, beside: turns.filter((turn) => !path.includes(turn)) }
}

/** Whether the next turn was asked after the very answer that this one gave: then it is told here, and not among the next one's messages. */
export function answersNext(turn: WireTurn, next: WireTurn | undefined): boolean {
  return next === undefined || next.messages_before > turn.messages_before + turn.messages.length
}
