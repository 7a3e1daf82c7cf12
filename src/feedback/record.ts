/** An answered request, whoever answered it, as rows of the store. */
import { createHash } from 'node:crypto'
import type { Compilable } from 'kysely'
import type { NewRow, Store } from '../store/index.ts'
import type { Redactor } from './redact.ts'

/** A message in OpenAI's shape: `role`, `content`, and whatever else belongs to it (`name`, `tool_calls`, `tool_call_id`). */
export interface ChatMessage {
  readonly role: string
  readonly content?: unknown
  readonly [field: string]: unknown
}

export interface AnsweredChoice {
  readonly message: ChatMessage
  readonly finishReason: string
}

/** A request and its answers. */
export interface AnsweredRequest {
  /** The id that the client got: feedback will name it. */
  readonly id: string
  /** Milliseconds since 1970; now unless given. */
  readonly createdAt?: number | undefined
  readonly source: 'server' | 'logged' | 'imported'
  readonly kind: 'chat' | 'text'
  /** What the client asked for. */
  readonly model: string
  /** What answered; null: the base, or another provider's model. */
  readonly adapterId: string | null
  readonly alias: string | null
  /** OpenAI's `safety_identifier` or `user`. */
  readonly user?: string | undefined
  /** A text completion's prompt is one user message. */
  readonly messages: readonly ChatMessage[]
  /** In the order of their index. */
  readonly choices: readonly AnsweredChoice[]
  /** The request without its messages, its metadata and its user. */
  readonly parameters: Readonly<Record<string, unknown>>
  /** `conversation_id` in it keeps turns together; all of it can be filtered by. */
  readonly metadata: Readonly<Record<string, string>>
  readonly promptTokens: number
  readonly completionTokens: number
}

/** A request and its answers as the store has them. */
export interface CompletionRows {
  readonly completion: NewRow<'completions'>
  readonly choices: readonly NewRow<'choices'>[]
  readonly tags: readonly NewRow<'tags'>[]
}

/** @param retentionDays after which it is forgotten; undefined: never */
export async function completionRows(answered: AnsweredRequest, redactor: Redactor, retentionDays?: number): Promise<CompletionRows> {
  const { id, createdAt = Date.now() } = answered
  const user = answered.user === undefined ? null : redactor.identifier(answered.user)
  const { conversation_id: conversation, ...labels } = answered.metadata
  const [messages, answers, parameters, tags] = await redactor.value([
    answered.messages.map(canonicalMessage), answered.choices.map(({ message }) => canonicalMessage(message)), answered.parameters, labels,
  ] as const)
  const metadata = conversation === undefined ? tags : { ...tags, conversation_id: redactor.identifier(conversation) }
  const prompt = JSON.stringify(messages)
  return {
    completion: {
      id,
      created_at: createdAt,
      source: answered.source,
      kind: answered.kind,
      model: answered.model,
      adapter_id: answered.adapterId,
      alias: answered.alias,
      user_id: user,
      conversation_id: metadata.conversation_id ?? derivedConversation(user, messages),
      prompt_json: prompt,
      prompt_hash: sha256(prompt),
      parameters_json: JSON.stringify(parameters),
      metadata_json: JSON.stringify(metadata),
      prompt_tokens: answered.promptTokens,
      completion_tokens: answered.completionTokens,
      expires_at: retentionDays === undefined ? null : createdAt + retentionDays * millisecondsPerDay,
    },
    choices: answered.choices.map(({ finishReason }, position) => {
      const message = JSON.stringify(answers[position])
      return { completion_id: id, position, message_json: message, message_hash: sha256(message), finish_reason: finishReason }
    }),
    tags: Object.entries(metadata).map(([key, value]) => ({ completion_id: id, feedback_id: '', key, value, created_at: createdAt })),
  }
}

const millisecondsPerDay = 24 * 60 * 60 * 1000

/** The queries that store it; what is there already under its id stays as it is. */
export function insertCompletion({ db }: Store, { completion, choices, tags }: CompletionRows): Compilable[] {
  return [
    db.insertInto('completions').values(completion).onConflict((conflict) => conflict.column('id').doNothing()),
    ...(choices.length === 0 ? [] : [
      db.insertInto('choices').values(choices).onConflict((conflict) => conflict.columns(['completion_id', 'position']).doNothing()),
    ]),
    ...(tags.length === 0 ? [] : [
      db.insertInto('tags').values(tags).onConflict((conflict) => conflict.columns(['completion_id', 'feedback_id', 'key']).doNothing()),
    ]),
  ]
}

/** The same for the same message however a client writes it: text parts joined, nothing that is null or empty, keys in order. */
export function canonicalMessage({ role, content, ...rest }: ChatMessage): ChatMessage {
  const fields = Object.entries(rest)
    .filter(([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return { role, content: joinText(content), ...Object.fromEntries(fields) }
}

function joinText(content: unknown): unknown {
  if (!Array.isArray(content)) return content ?? null
  const texts = content.map((part: unknown) => textOfPart(part))
  return texts.every((text) => text !== undefined) ? texts.join('') : content
}

function textOfPart(part: unknown): string | undefined {
  if (typeof part !== 'object' || part === null || !('type' in part) || part.type !== 'text') return undefined
  return 'text' in part && typeof part.text === 'string' ? part.text : undefined
}

/** Later turns repeat how the conversation began: by its user, and the messages through the first of the user's. */
function derivedConversation(user: string | null, messages: readonly ChatMessage[]): string {
  const first = messages.findIndex(({ role }) => role === 'user')
  return `conv-${sha256(JSON.stringify([user, first < 0 ? messages : messages.slice(0, first + 1)])).slice(0, 32)}`
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
