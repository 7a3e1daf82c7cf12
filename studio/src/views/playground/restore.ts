/** What the store has of a conversation becomes the turns that the page shows. */
import type { WireInboxItem, WireMessage, WireTurn } from '../../../../src/server/routes/inbox-wire.ts'
import type { Given } from './answer.svelte.ts'
import type { GivenPair } from './choices.ts'
import { sameQuestion, type Message } from './conversation.ts'

export interface RestoredAnswer {
  readonly column: number
  readonly model: string
  readonly answeredBy: string
  readonly messages: readonly Message[]
  readonly id: string
  readonly text: string
  readonly finish: string
  readonly thumbs: Given<boolean> | undefined
  readonly correction: Given<string> | undefined
  readonly comments: readonly Given<string>[]
}

export interface RestoredTurn {
  readonly prompt: string
  readonly answers: readonly RestoredAnswer[]
  readonly blind: boolean
  readonly chosen: number | undefined
  readonly given: readonly GivenPair[]
  readonly shared: boolean
}

/** The id in the store of one column of a conversation. */
export function conversationOf(chat: string, column: number): string {
  return `${chat}-${column}`
}

interface StoredColumn {
  readonly column: number
  /** The oldest first. */
  readonly turns: readonly WireTurn[]
}

/** The turns of all columns, side by side again. @param base the base's name */
export function restoredTurns(columns: readonly StoredColumn[], base: string): RestoredTurn[] {
  const all = columns.flatMap(({ column, turns }) => answersOf(column, turns, base))
  const numbers = [...new Set(all.map(({ turn }) => turn))].toSorted((a, b) => a - b)
  const turns = numbers.map((number) => turnOf(all.filter(({ turn }) => turn === number)))
  return turns.map((turn, i) => ({ ...turn, shared: turn.chosen !== undefined && turns[i + 1] !== undefined && goOnAlike(turn, turns[i + 1]!) }))
}

interface StoredAnswer {
  readonly turn: number
  readonly item: WireTurn
  readonly answer: RestoredAnswer
}

function answersOf(column: number, turns: readonly WireTurn[], base: string): StoredAnswer[] {
  const messages = new Map<string, readonly Message[]>()
  return turns.map((item) => {
    // A turn has only those messages that do not begin its parent's, and the parent's answer, too.
    const parent = turns.find(({ id }) => id === item.parent)
    const before: Message[] = parent === undefined ? [] : [...messages.get(parent.id) ?? [], { role: 'assistant', content: textIn(parent) }]
    messages.set(item.id, [...before.slice(0, item.messages_before), ...item.messages.map(messageOf)])
    return { turn: Number(item.metadata['turn'] ?? 0), item, answer: answerOf(column, item, messages.get(item.id)!, base) }
  })
}

function answerOf(column: number, item: WireTurn, messages: readonly Message[], base: string): RestoredAnswer {
  const held = item.feedback.filter(({ superseded, value }) => !superseded && value !== null)
  const said = <Value>(name: string, read: (value: unknown) => Value): Given<Value>[] =>
    held.filter((each) => each.name === name).map(({ id, value }) => ({ id, value: read(value) }))
  return {
    column, model: item.model, answeredBy: item.adapter ?? base, messages, id: item.id, text: textIn(item),
    finish: item.choices[0]?.finish_reason ?? 'stop',
    thumbs: said('thumbs', (value) => value === true)[0],
    correction: said('correction', (value) => textOf(value as WireMessage))[0],
    comments: said('comment', String).toReversed(),
  }
}

function turnOf(stored: readonly StoredAnswer[]): RestoredTurn {
  const given = stored.flatMap(({ item }) => pairsIn(item))
  const answers = stored.map(({ answer }) => answer)
  return {
    prompt: answers[0]!.messages.at(-1)?.content ?? '',
    answers,
    blind: stored.some(({ item }) => item.metadata['blind'] === 'true'),
    chosen: answers.find(({ id }) => given.some(({ chosen }) => chosen === id))?.column,
    given,
    shared: false,
  }
}

function pairsIn({ feedback }: WireInboxItem): GivenPair[] {
  return feedback.filter(({ name, superseded, value }) => name === 'choice' && !superseded && value !== null).map(({ id, value }) => {
    const { chosen, rejected } = value as Readonly<Record<'chosen' | 'rejected', { readonly completion_id: string }>>
    return { chosen: chosen.completion_id, rejected: rejected.completion_id, feedback: id }
  })
}

/** Whether all go on with the chosen answer, though each has its own. */
function goOnAlike({ answers }: RestoredTurn, next: RestoredTurn): boolean {
  return answers.length > 1 && next.answers.length > 1 && sameQuestion(next.answers.map(({ messages }) => messages))
}

function messageOf(message: WireMessage): Message {
  return { role: message.role as Message['role'], content: textOf(message) }
}

function textIn({ choices }: WireInboxItem): string {
  const message = choices[0]?.message
  return message == null ? '' : textOf(message)
}

function textOf({ content }: WireMessage): string {
  return typeof content === 'string' ? content : ''
}
