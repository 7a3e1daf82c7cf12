import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import OpenAI from 'openai'
import { openStore, type Row, type Store } from '../store/index.ts'
import { Webhooks } from './webhooks.ts'

interface Call {
  readonly headers: Record<string, string>
  readonly body: string
}

/** A server that notes calls and answers with what `status` says. */
async function receiver(t: TestContext, status: (calls: number) => number): Promise<{ readonly url: string; readonly calls: Call[]; taken: Promise<void> }> {
  const calls: Call[] = []
  const { promise: taken, resolve } = Promise.withResolvers<undefined>()
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece)).on('end', () => {
      calls.push({ headers: request.headers as Record<string, string>, body: Buffer.concat(pieces).toString() })
      const code = status(calls.length)
      response.writeHead(code, code === 302 ? { location: 'http://127.0.0.1:1/' } : {}).end()
      if (code === 200) resolve(undefined)
    })
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.after(() => { server.closeAllConnections(); server.close() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, calls, taken }
}

async function withStore(t: TestContext): Promise<Store> {
  const directory = await mkdtemp(join(tmpdir(), 'webhooks-'))
  const store = await openStore({ directory })
  t.after(async () => {
    await store.close()
    await rm(directory, { recursive: true })
  })
  return store
}

async function jobWith(store: Store, webhook: object): Promise<Row<'jobs'>> {
  const job: Row<'jobs'> = {
    id: 'ftjob-1', created_at: 1, started_at: null, finished_at: null, status: 'succeeded', model: 'm', request_json: JSON.stringify({ posttrain: { webhook } }),
    recipe_json: '{}', training_file: 'f', validation_file: null, fine_tuned_model: null, trained_tokens: null, estimated_finish: null, error_json: null,
    promotion_json: null, metadata_json: '{}', pid: null, finish_requested_at: null,
  }
  await store.write(store.db.insertInto('jobs').values(job))
  return job
}

/** The calls that are owed, once all of them were tried `attempts` times. */
async function tried(store: Store, attempts: number): Promise<Row<'webhooks'>[]> {
  for (;;) {
    const calls = await store.db.selectFrom('webhooks').selectAll().orderBy('url').execute()
    if (calls.length > 0 && calls.every((call) => call.attempts >= attempts)) return calls
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('a call is tried until it is taken, always with the same id, and OpenAI\'s client takes its signature', async (t) => {
  for (const secret of [`whsec_${Buffer.from('a secret of some length').toString('base64')}`, 'any text']) {
    const store = await withStore(t)
    const { url, calls, taken } = await receiver(t, (call) => [500, 302, 200][call - 1]!)
    const webhooks = new Webhooks(store, { allow: ['127.0.0.0/8'], firstDelay: 1 })
    t.after(() => webhooks.close())
    await store.write(...webhooks.owe('fine_tuning.job.succeeded', await jobWith(store, { url, secret })))
    webhooks.wake()
    await taken
    const [owed] = await tried(store, 3)
    assert.deepEqual([owed!.attempts, owed!.error, calls.length], [3, null, 3])
    assert.ok(owed!.delivered_at !== null)
    assert.equal(new Set(calls.map(({ headers }) => headers['webhook-id'])).size, 1)
    const client = new OpenAI({ apiKey: 'none' })
    for (const { body, headers } of calls) {
      const event = await client.webhooks.unwrap(body, headers, secret)
      assert.deepEqual([event.type, event.data, event.id], ['fine_tuning.job.succeeded', { id: 'ftjob-1' }, headers['webhook-id']])
    }
    await assert.rejects(client.webhooks.unwrap(calls[0]!.body, calls[0]!.headers, 'another'), OpenAI.InvalidWebhookSignatureError)
  }
})

test('what is owed when the server ends is called by the next', async (t) => {
  const store = await withStore(t)
  const { url, taken, calls } = await receiver(t, () => 200)
  const before = new Webhooks(store, { operator: { url } })
  await store.write(...before.owe('fine_tuning.job.failed', await jobWith(store, {})))
  await before.close()
  assert.equal(calls.length, 0)
  const next = new Webhooks(store, { operator: { url } })
  t.after(() => next.close())
  next.wake()
  await taken
  await tried(store, 1)
  assert.equal(calls[0]!.headers['webhook-signature'], undefined)
})

test('a private address from a request is not called, the operator\'s own is', async (t) => {
  const store = await withStore(t)
  const inside = await receiver(t, () => 200)
  const own = await receiver(t, () => 200)
  const webhooks = new Webhooks(store, { operator: { url: own.url } })
  t.after(() => webhooks.close())
  await store.write(...webhooks.owe('fine_tuning.job.cancelled', await jobWith(store, { url: inside.url })))
  webhooks.wake()
  const owed = await tried(store, 1)
  assert.deepEqual([own.calls.length, inside.calls.length], [1, 0])
  assert.match(owed.find(({ url }) => url === inside.url)!.error!, /not on the public internet/)
})
