import { Hono, type Context } from 'hono'
import { z } from 'zod'
import { findCompletion, listCompletions, removeCompletion, setMetadata, type StoredCompletion } from '../../feedback/completions.ts'
import type { ChatMessage } from '../../feedback/record.ts'
import { tagsSchema } from '../../feedback/values.ts'
import { readJson, readQuery } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'

const paging = {
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  order: z.enum(['asc', 'desc']).default('asc'),
}
/** Beside these keys `metadata[KEY]=VALUE`, as often as wanted. */
const ListQuery = z.looseObject({ ...paging, model: z.string().optional(), user: z.string().optional() })
const MessagesQuery = z.strictObject(paging)
const MetadataBody = z.strictObject({ metadata: tagsSchema.nullable() })

/** OpenAI's stored chat completions: list, retrieve, messages, update, delete. */
export function storedCompletionRoutes({ store, capture }: ServerContext): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()
  const find = async (c: Context): Promise<StoredCompletion> => {
    const found = await findCompletion(store, c.req.param('id')!)
    if (found === undefined) throw noCompletion(c.req.param('id')!)
    return found
  }

  app.get('/v1/chat/completions', async (c) => {
    const { after, limit, order, model, user, ...rest } = readQuery(c, ListQuery)
    const owner = user === undefined ? undefined : capture.redactor.identifier(user)
    const { items, hasMore } = await listCompletions(store, { after, limit, order, model, user: owner, metadata: metadataIn(rest) })
    return c.json(list(items.map(completionObject), hasMore))
  })

  app.get('/v1/chat/completions/:id', async (c) => c.json(completionObject(await find(c))))

  app.get('/v1/chat/completions/:id/messages', async (c) => {
    const { after, limit, order } = readQuery(c, MessagesQuery)
    const { completion } = await find(c)
    const messages = messagesOf(completion.prompt_json).map((message, i) => ({ ...message, id: `${completion.id}-${String(i)}` }))
    const ordered = order === 'asc' ? messages : messages.toReversed()
    const start = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1
    if (after !== undefined && start === 0) throw new ApiError(400, `There is no message ${after}`, { param: 'after', code: 'invalid_value' })
    return c.json(list(ordered.slice(start, start + limit), ordered.length > start + limit))
  })

  app.post('/v1/chat/completions/:id', async (c) => {
    const { metadata } = await readJson(c, MetadataBody)
    if (!await setMetadata(store, capture.redactor, c.req.param('id'), metadata ?? {})) throw noCompletion(c.req.param('id'))
    return c.json(completionObject(await find(c)))
  })

  app.delete('/v1/chat/completions/:id', async (c) => {
    const id = c.req.param('id')
    if (!await removeCompletion(store, id)) throw noCompletion(id)
    return c.json({ id, object: 'chat.completion.deleted', deleted: true })
  })

  return app
}

function metadataIn(query: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).map(([key, value]) => {
    const name = /^metadata\[([^\]]{1,64})\]$/.exec(key)?.[1]
    if (name === undefined) throw new ApiError(400, `Unknown parameter: ${key}`, { param: key, code: 'unknown_parameter' })
    return [name, String(value)]
  }))
}

function noCompletion(id: string): ApiError {
  return new ApiError(404, `There is no stored completion ${id}`, { param: 'completion_id', code: 'not_found' })
}

function list<Item extends { readonly id: string }>(data: readonly Item[], hasMore: boolean) {
  return { object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: hasMore }
}

function messagesOf(json: string | null): ChatMessage[] {
  return json === null ? [] : JSON.parse(json) as ChatMessage[]
}

/** A `chat.completion` with what was asked, as OpenAI gives back stored ones. */
function completionObject({ completion, choices }: StoredCompletion) {
  const { id, created_at: createdAt, prompt_tokens: prompt, completion_tokens: answer } = completion
  return {
    ...JSON.parse(completion.parameters_json) as Record<string, unknown>,
    id,
    object: 'chat.completion',
    created: Math.floor(createdAt / 1000),
    model: completion.model,
    metadata: JSON.parse(completion.metadata_json) as Record<string, string>,
    choices: choices.map(({ position, message_json: message, finish_reason: reason }) => ({
      index: position,
      message: { role: 'assistant', content: null, refusal: null, ...(message !== null && JSON.parse(message) as ChatMessage) },
      finish_reason: reason,
      logprobs: null,
    })),
    usage: { prompt_tokens: prompt, completion_tokens: answer, total_tokens: prompt + answer },
    input_user: completion.user_id,
    adapter: completion.adapter_id,
    alias: completion.alias,
    source: completion.source,
  }
}
