import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UserError } from '../errors.ts'
import { logCompletion, sendFeedback, type ServerAddress } from './client.ts'

interface Sent {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
}

/** A server that gives these answers one after another. */
function server(answers: readonly (Response | Error)[]): ServerAddress & { readonly sent: Sent[] } {
  const sent: Sent[] = []
  const left = [...answers]
  const fetch = async (url: unknown, init?: RequestInit): Promise<Response> => {
    sent.push({ url: String(url), headers: init?.headers as Record<string, string>, body: JSON.parse(init?.body as string) as Record<string, unknown> })
    const answer = left.shift()!
    if (answer instanceof Error) throw answer
    return answer
  }
  return { baseURL: 'http://localhost:8000/v1/', apiKey: 'pt-x', fetch, sent }
}

const ok = (id: string): Response => Response.json({ id })
const busy = (status: number): Response => Response.json({ error: { message: 'later' } }, { status, headers: { 'retry-after': '0' } })

test('what does not get through is tried again under the same idempotency key', async () => {
  const address = server([new TypeError('fetch failed'), busy(503), busy(429), ok('fb_1')])
  assert.equal(await sendFeedback(address, { completion_id: 'c', name: 'thumbs', value: true }), 'fb_1')
  assert.equal(address.sent.length, 4)
  const [first] = address.sent
  assert.deepEqual([first!.url, first!.headers['Authorization'], first!.body['name']], ['http://localhost:8000/v1/feedback', 'Bearer pt-x', 'thumbs'])
  assert.match(String(first!.body['idempotency_key']), /^[0-9a-f-]{36}$/)
  assert.equal(new Set(address.sent.map(({ body }) => body['idempotency_key'])).size, 1)
})

test("a completion is logged under the response's id", async () => {
  const address = server([ok('chatcmpl-1')])
  assert.equal(await logCompletion(address, { messages: [] }, { id: 'chatcmpl-1', choices: [] }, { idempotencyKey: 'k' }), 'chatcmpl-1')
  assert.deepEqual(address.sent[0]!.body, { request: { messages: [] }, response: { id: 'chatcmpl-1', choices: [] }, idempotency_key: 'k' })
})

test('what is refused is not tried again, and says why', async () => {
  const address = server([Response.json({ error: { message: 'value: must be true or false' } }, { status: 400 })])
  await assert.rejects(sendFeedback(address, { completion_id: 'c', name: 'thumbs', value: 3 }), (error: unknown) => {
    assert.ok(error instanceof UserError)
    assert.match(error.message, /answered 400: value: must be true or false/)
    return true
  })
  assert.equal(address.sent.length, 1)
})

test('a server that is not there is an error at last', async () => {
  const address = { ...server([new TypeError('fetch failed'), new TypeError('fetch failed')]), maxRetries: 1 }
  await assert.rejects(sendFeedback(address, { completion_id: 'c', name: 'thumbs', value: true }), /cannot be reached: fetch failed/)
})
