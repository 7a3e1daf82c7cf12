/** Completions that were made elsewhere, in the shapes of OpenAI's API. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ConflictError } from '../registry/errors.ts'
import { newId, type Store } from '../store/index.ts'
import type { Capture } from './capture.ts'
import { completionRows, insertCompletion, type AnsweredRequest, type ChatMessage } from './record.ts'
import { tagsSchema } from './values.ts'

const message = z.looseObject({ role: z.string().min(1).max(32) })

/** A request to `/v1/chat/completions`; keys that are not read here are kept as its parameters. */
export const chatRequest = z.looseObject({
  model: z.string().max(200).optional(),
  messages: z.array(message).min(1),
  metadata: tagsSchema.nullish(),
  user: z.string().max(512).nullish(),
  safety_identifier: z.string().max(512).nullish(),
})

/** Its answer, a `chat.completion`. */
export const chatResponse = z.looseObject({
  id: z.string().regex(/^[\w.:-]{1,200}$/, { error: 'must be letters, digits and . : _ -, at most 200' }).optional(),
  created: z.number().min(0).max(1e11).optional(),
  model: z.string().max(200).optional(),
  choices: z.array(z.looseObject({
    index: z.int().min(0).max(127).optional(),
    message,
    finish_reason: z.string().max(64).nullish(),
  })).min(1).max(128),
  usage: z.looseObject({ prompt_tokens: z.int().min(0).optional(), completion_tokens: z.int().min(0).optional() }).nullish(),
})

/** `POST /v1/completions/log` */
export const logBody = z.strictObject({
  request: chatRequest,
  response: chatResponse,
  idempotency_key: z.string().min(1).max(255).optional(),
})

export type LogBody = z.output<typeof logBody>

/** What was asked and answered elsewhere. @param source where it comes from */
export function answeredElsewhere({ request, response, idempotency_key: key }: LogBody, source: 'logged' | 'imported'): AnsweredRequest {
  const { model, messages, metadata, user, safety_identifier: safetyId, ...parameters } = request
  const choices = response.choices.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0))
  return {
    id: response.id ?? idOf(key),
    createdAt: response.created === undefined ? undefined : response.created * 1000,
    source,
    kind: 'chat',
    model: response.model ?? model ?? 'unknown',
    adapterId: null,
    alias: null,
    user: safetyId ?? user ?? undefined,
    messages,
    choices: choices.map(({ message, finish_reason: reason }) => ({ message: message as ChatMessage, finishReason: reason ?? 'stop' })),
    parameters,
    metadata: metadata ?? {},
    promptTokens: response.usage?.prompt_tokens ?? 0,
    completionTokens: response.usage?.completion_tokens ?? 0,
  }
}

/** Without an id of its own, what is logged twice under one key gets the same one. */
function idOf(key: string | undefined): string {
  return key === undefined ? newId('chatcmpl-') : `chatcmpl-log-${createHash('sha256').update(key).digest('hex').slice(0, 32)}`
}

/**
 * Stores a completion that was made elsewhere; durable when the promise resolves.
 * @returns its id, and whether it was stored now and not before
 * @throws ConflictError where another completion has its id
 */
export async function logCompletion(
  store: Store,
  capture: Capture,
  body: LogBody,
): Promise<{ readonly id: string; readonly created: boolean }> {
  const rows = await completionRows(answeredElsewhere(body, 'logged'), capture.redactor, capture.retentionDays)
  const { id, prompt_hash: hash } = rows.completion
  const [inserted] = await store.write(...insertCompletion(store, rows))
  if (inserted === 1) return { id, created: true }
  const first = await store.db.selectFrom('completions').select('prompt_hash').where('id', '=', id).executeTakeFirst()
  const choices = await store.db.selectFrom('choices').select('message_hash')
    .where('completion_id', '=', id).orderBy('position').execute()
  const same = first?.prompt_hash === hash && rows.choices.length === choices.length &&
    rows.choices.every((choice, i) => choice.message_hash === choices[i]!.message_hash)
  if (same) return { id, created: false }
  throw new ConflictError(`Another completion is stored under the id ${id}; log this one with an idempotency_key and without its id`)
}
