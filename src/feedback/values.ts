/** What can be said of an answer, as clients send it and as it is stored. */
import { z } from 'zod'
import { canonicalMessage } from './record.ts'

/** An answer: one of a completion's choices. */
export interface AnswerRef {
  readonly completion_id: string
  readonly choice_index: number
}

/** Which of two answers is better. */
export interface ChoiceValue {
  readonly chosen: AnswerRef
  readonly rejected: AnswerRef
}

const completionId = z.string().min(1).max(200)
const choiceIndex = z.int().min(0).max(127)
const longestText = 200_000
const text = z.string().min(1).max(longestText)

const thumbs = z.union([z.boolean(), z.literal([1, 0, 'up', 'down'])], { error: 'must be true or false, 1 or 0, "up" or "down"' })
const rating = z.number({ error: 'must be a number from 1 to 5' }).min(1).max(5)
const comment = z.string({ error: 'must be a text' }).min(1).max(longestText)
const assistantMessage = z.looseObject({ role: z.literal('assistant').default('assistant'), content: text })
const correction = z.union([text, assistantMessage], { error: 'must be a text or an assistant message' })
const answerRef = z.strictObject({ completion_id: completionId, choice_index: choiceIndex.default(0) })
const answer = z.union([choiceIndex, completionId, answerRef], {
  error: 'must be the index of a choice, a completion id, or {completion_id, choice_index}',
})
const choice = z.strictObject({ chosen: answer, rejected: answer }, { error: 'must be {chosen, rejected}' })
const own = z.union([z.boolean(), z.number(), text], { error: 'must be true, false, a number or a text' })

const known: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['thumbs', thumbs], ['rating', rating], ['comment', comment], ['correction', correction], ['choice', choice],
])

const tagName = z.string().min(1).max(64)

/** Metadata and tags, with OpenAI's bounds: PostgreSQL's indexes hold no longer texts. */
export const tagsSchema = z.record(tagName, z.string().max(512), { error: 'must be an object of texts' })

/** `POST /v1/feedback`. Tags without values may be sent as a list. */
export const feedbackBody = z.strictObject({
  completion_id: completionId,
  choice_index: choiceIndex.optional(),
  name: z.string().regex(/^[^\p{C}]{1,64}$/u, { error: 'must have 1 to 64 characters, none of them control characters' }),
  value: z.unknown(),
  tags: z.union([tagsSchema, z.array(tagName)], { error: 'must be an object of texts, or a list of texts' }).optional(),
  user: z.string().min(1).max(512).optional(),
  idempotency_key: z.string().min(1).max(255).optional(),
}).check(({ value: body, issues }) => {
  const checked = (known.get(body.name) ?? own).safeParse(body.value)
  for (const issue of checked.error?.issues ?? []) issues.push({ ...issue, path: ['value', ...issue.path], input: body.value } as never)
})

export type FeedbackBody = z.output<typeof feedbackBody>

/** What was said, in the one form in which it is stored. */
export interface Said {
  readonly completionId: string
  /** Which of the completion's answers. */
  readonly position: number
  readonly name: string
  readonly value: unknown
  /** The value where it is a number; 1 or 0 for booleans. */
  readonly number: number | null
  readonly tags: Readonly<Record<string, string>>
}

/** @param body as `feedbackBody` gave it */
export function saidIn({ completion_id: completionId, choice_index: index, name, value, tags = {} }: FeedbackBody): Said {
  const said = normalize(name, value, completionId)
  return {
    completionId,
    position: index ?? (name === 'choice' ? positionOf(said as ChoiceValue, completionId) : 0),
    name,
    value: said,
    number: typeof said === 'number' ? said : typeof said === 'boolean' ? Number(said) : null,
    tags: Array.isArray(tags) ? Object.fromEntries(tags.map((tag) => [tag, ''])) : tags as Record<string, string>,
  }
}

function normalize(name: string, value: unknown, completionId: string): unknown {
  switch (name) {
    case 'thumbs': return value === true || value === 1 || value === 'up'
    case 'correction': return canonicalMessage({ ...(typeof value === 'string' ? { content: value } : value as object), role: 'assistant' })
    case 'choice': {
      const { chosen, rejected } = value as z.output<typeof choice>
      return { chosen: refTo(chosen, completionId), rejected: refTo(rejected, completionId) } satisfies ChoiceValue
    }
    default: return value
  }
}

function refTo(answer: number | string | AnswerRef, completionId: string): AnswerRef {
  if (typeof answer === 'number') return { completion_id: completionId, choice_index: answer }
  if (typeof answer === 'string') return { completion_id: answer, choice_index: 0 }
  return { completion_id: answer.completion_id, choice_index: answer.choice_index }
}

function positionOf({ chosen, rejected }: ChoiceValue, completionId: string): number {
  return (chosen.completion_id === completionId ? chosen : rejected).choice_index
}

/** The same choice the other way round. */
export function swapped({ chosen, rejected }: ChoiceValue): ChoiceValue {
  return { chosen: rejected, rejected: chosen }
}

export function sameAnswer(a: AnswerRef, b: AnswerRef): boolean {
  return a.completion_id === b.completion_id && a.choice_index === b.choice_index
}
