import assert from 'node:assert/strict'
import { Hono } from 'hono'
import OpenAI, { BadRequestError, NotFoundError } from 'openai'
import { Capture } from '../../feedback/capture.ts'
import { answered } from '../../feedback/fixtures/answered.ts'
import { testStores } from '../../store/fixtures/stores.ts'
import type { Store } from '../../store/index.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { asApiError } from '../errors.ts'
import { storedCompletionRoutes } from './stored-completions.ts'

/** OpenAI's own client, on routes without a network. */
function client(store: Store, capture: Capture): OpenAI {
  const app = new Hono<RequestVariables>()
  app.route('/', storedCompletionRoutes({ store, capture } as ServerContext))
  app.onError((error, c) => {
    const { body, status } = asApiError(error)
    return c.json(body, status)
  })
  return new OpenAI({ apiKey: 'none', baseURL: 'http://localhost/v1', maxRetries: 0, fetch: async (url, init) => app.request(url as string, init as RequestInit) })
}

async function all<Item>(pages: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = []
  for await (const item of pages) items.push(item)
  return items
}

testStores("OpenAI's client lists, filters, reads, updates and deletes stored completions", async (store) => {
  const capture = new Capture(store)
  const openai = client(store, capture)
  for (let i = 0; i < 7; i++) {
    await capture.record(answered({ id: `chatcmpl-${i}`, createdAt: 1000 * Math.floor(i / 2), model: i % 2 === 0 ? 'even' : 'odd', metadata: { n: `${i}`, all: 'yes <b>' }, parameters: { temperature: 0.5 } }))
  }
  const ids = async (query: OpenAI.ChatCompletionListParams): Promise<string[]> => (await all(openai.chat.completions.list(query))).map(({ id }) => id)
  assert.deepEqual(await ids({ limit: 2 }), [0, 1, 2, 3, 4, 5, 6].map((i) => `chatcmpl-${i}`))
  assert.deepEqual(await ids({ limit: 3, order: 'desc' }), [6, 5, 4, 3, 2, 1, 0].map((i) => `chatcmpl-${i}`))
  assert.deepEqual(await ids({ model: 'odd' }), ['chatcmpl-1', 'chatcmpl-3', 'chatcmpl-5'])
  assert.deepEqual(await ids({ metadata: { all: 'yes <b>', n: '4' } }), ['chatcmpl-4'])

  const one = await openai.chat.completions.retrieve('chatcmpl-3')
  assert.deepEqual([one.object, one.created, one.choices[0]!.message.content, one.usage?.total_tokens], ['chat.completion', 1, 'It is chatcmpl-3.', 9])
  const messages = await all(openai.chat.completions.messages.list('chatcmpl-3', { limit: 1 }))
  assert.deepEqual(messages.map(({ content }) => content), ['What is chatcmpl-3?'])

  const updated = await openai.chat.completions.update('chatcmpl-3', { metadata: { mail: 'jane@example.com' } })
  assert.deepEqual(updated.metadata, { mail: '[EMAIL]' })
  assert.deepEqual(await ids({ metadata: { mail: '[EMAIL]' } }), ['chatcmpl-3'])
  assert.deepEqual(await ids({ metadata: { n: '3' } }), [])

  assert.equal((await openai.chat.completions.delete('chatcmpl-3')).deleted, true)
  await assert.rejects(openai.chat.completions.retrieve('chatcmpl-3'), NotFoundError)
  await assert.rejects(openai.chat.completions.delete('chatcmpl-3'), NotFoundError)
  await assert.rejects(ids({ after: 'chatcmpl-3' }), BadRequestError)
  assert.equal((await store.db.selectFrom('choices').selectAll().where('completion_id', '=', 'chatcmpl-3').execute()).length, 0)
  assert.equal((await store.db.selectFrom('tags').selectAll().where('completion_id', '=', 'chatcmpl-3').execute()).length, 0)
})
