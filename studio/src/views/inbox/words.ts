/** Answers, and what was said of them, as people read them. */
import type { WireFeedback, WireInboxItem, WireMessage } from '../../../../src/server/routes/inbox-wire.ts'

/** What a message says; of one without a text its fields, as they are. */
export function textOf(message: WireMessage | null): string {
  if (message === null) return '(deleted)'
  const { role: _, content, ...rest } = message
  const fields = Object.keys(rest).length === 0 ? '' : JSON.stringify(rest, null, 2)
  if (typeof content === 'string') return content + (fields === '' || content === '' ? fields : `\n${fields}`)
  return content === null || content === undefined ? fields : JSON.stringify(content, null, 2)
}

/** The last question of the item's prompt. */
export function questionOf({ messages }: WireInboxItem): string {
  const last = messages.findLast(({ role }) => role === 'user') ?? messages.at(-1)
  return last === undefined ? '(deleted)' : textOf(last)
}

export function answerOf({ choices }: WireInboxItem): string {
  return choices[0] === undefined ? '(no answer)' : textOf(choices[0].message)
}

const roleWords: Readonly<Record<string, string>> = { system: 'System', developer: 'Developer', user: 'User', assistant: 'Assistant', tool: 'Tool' }

export function roleOf(role: string): string {
  return roleWords[role] ?? role
}

export type Tone = 'good' | 'bad' | 'plain'

export interface Verdict {
  readonly text: string
  readonly tone: Tone
}

/** The words that hold of an item, each once: the latest first, comments counted last. */
export function verdictsOf({ feedback }: WireInboxItem): Verdict[] {
  const holding = feedback.filter(({ superseded }) => !superseded)
  const comments = holding.filter(({ name }) => name === 'comment').length
  const verdicts = holding.filter(({ name }) => name !== 'comment').map(verdictOf)
  const once = [...new Map(verdicts.map((verdict) => [verdict.text, verdict])).values()]
  if (comments === 0) return once
  return [...once, { text: comments === 1 ? 'comment' : `${comments} comments`, tone: 'plain' }]
}

/** One word, briefly. */
export function verdictOf({ name, value }: WireFeedback): Verdict {
  switch (name) {
    case 'thumbs': return value === true ? { text: 'thumb up', tone: 'good' } : { text: 'thumb down', tone: 'bad' }
    case 'rating': return { text: `rated ${value as number}`, tone: Number(value) >= 4 ? 'good' : Number(value) <= 2 ? 'bad' : 'plain' }
    case 'correction': return { text: 'corrected', tone: 'plain' }
    case 'choice': return { text: 'compared', tone: 'plain' }
    case 'comment': return { text: 'comment', tone: 'plain' }
    default: return { text: value === true ? name : `${name}: ${shortened(String(value))}`, tone: 'plain' }
  }
}

function shortened(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`
}

/** Whether users disagree on an answer: datasets of thumbs leave it out. */
export function contradicts(feedback: readonly WireFeedback[], choiceIndex: number): boolean {
  const thumbs = feedback.filter(({ name, superseded, choice_index: index }) => name === 'thumbs' && !superseded && index === choiceIndex)
  return new Set(thumbs.map(({ value }) => value)).size > 1
}

interface AnswerRef {
  readonly completion_id: string
  readonly choice_index: number
}

/** What a choice says of one of its two answers. */
export function sideOf({ value }: WireFeedback, completion: string, index: number): 'chosen' | 'rejected' | undefined {
  const { chosen, rejected } = value as { readonly chosen: AnswerRef; readonly rejected: AnswerRef }
  const isIt = (ref: AnswerRef): boolean => ref.completion_id === completion && ref.choice_index === index
  return isIt(chosen) ? 'chosen' : isIt(rejected) ? 'rejected' : undefined
}
