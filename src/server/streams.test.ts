import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI from 'openai'
import { UserError } from '../errors.ts'
import { FakeModel } from './fixtures/fake-model.ts'
import { serveFake, tinyModel, type TestServer } from './fixtures/server.ts'
import { EventStream, type ClientGone } from './inference/event-stream.ts'
import { startServer, type RunningServer } from './serve.ts'

const ask = { model: 'tiny-llama', messages: [{ role: 'user' as const, content: 'Say hello' }] }

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await holds()) return
    await sleep(10)
  }
  assert.fail(`never: ${what}`)
}

async function running({ model }: TestServer): Promise<number> {
  return (await model.stats()).running
}

/** A connection that sends what it is told and reads only what is asked of it. */
async function raw(server: TestServer, text: string): Promise<Socket> {
  const socket = connect(Number(new URL(server.server.url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

function rawPost(body: unknown): string {
  const text = JSON.stringify(body)
  return `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}

for (const { name, stream, stuckAt } of [
  { name: 'that waits for a whole answer', stream: false, stuckAt: 3 },
  { name: 'in the middle of a stream', stream: true, stuckAt: 3 },
  { name: 'before its stream begins', stream: true, stuckAt: 0 },
]) {
  test(`a client that goes away ${name} frees its rows`, async (t) => {
    const server = await serveFake(t)
    server.model.beforeToken = async (token) => { if (token === stuckAt) await new Promise(() => undefined) }
    const abort = new AbortController()
    const request = server.client.chat.completions.create({ ...ask, n: 4, stream }, { signal: abort.signal })
    await until('all rows run', async () => await running(server) === 4)
    const isOpen = stream && stuckAt > 0
    if (isOpen) await request
    abort.abort()
    if (!isOpen) await assert.rejects(request, OpenAI.APIUserAbortError)
    await until('the rows are free', async () => await running(server) === 0)
    assert.deepEqual(server.log, [])
  })
}

test('a client that stops reading its stream is cut off, and its rows are free', async (t) => {
  const server = await serveFake(t, { stallTime: 200 })
  // Far more than the system's buffers hold, in pieces that the server holds itself.
  server.model.reply = 'x'.repeat(200)
  const decode = server.model.tokenizer.decode.bind(server.model.tokenizer)
  server.model.tokenizer.decode = (ids) => decode(ids) + 'y'.repeat(200_000 * ids.length)
  server.model.beforeToken = async () => { await sleep(2) }
  const socket = await raw(server, rawPost({ ...ask, stream: true }))
  socket.pause()
  const closed = once(socket, 'close')
  await until('it begins', async () => await running(server) === 1)
  await until('its row is free', async () => await running(server) === 0)
  assert.ok((await server.model.stats()).completionTokens < 150)
  socket.resume()
  await closed
  assert.deepEqual(server.log, [])
})

test('what goes wrong before the first token has its status, later it is an event', async (t) => {
  const server = await serveFake(t)
  server.model.beforeToken = (token) => { if (token === 0) throw new Error('secret') }
  await assert.rejects(server.client.chat.completions.create({ ...ask, stream: true }), OpenAI.InternalServerError)
  server.model.beforeToken = (token) => { if (token === 2) throw new Error('secret') }
  const stream = await server.client.chat.completions.create({ ...ask, stream: true })
  const texts: string[] = []
  await assert.rejects(async () => {
    for await (const { choices } of stream) texts.push(choices[0]!.delta.content ?? '')
  }, (error) => error instanceof OpenAI.APIError && /its log says why/.test(error.message))
  assert.ok(texts.join('').length > 0)
  assert.equal(server.log.length, 2)
  assert.ok(server.log.every((line) => line.startsWith('req_') && line.includes('secret')))
})

test('who comes when the queue is full is told to come again', async (t) => {
  const server = await serveFake(t, { maxAnswers: 3 })
  const held = Promise.withResolvers<undefined>()
  server.model.beforeToken = async () => { await held.promise }
  const first = server.client.chat.completions.create({ ...ask, n: 2 })
  await until('it runs', async () => await running(server) === 2)
  await assert.rejects(server.client.chat.completions.create({ ...ask, n: 2 }), (error) =>
    error instanceof OpenAI.RateLimitError && error.headers.get('retry-after') === '1' && error.code === 'queue_full')
  const second = server.client.chat.completions.create(ask)
  held.resolve(undefined)
  assert.equal((await first).choices.length, 2)
  await second
  assert.equal((await server.client.chat.completions.create({ ...ask, n: 5 })).choices.length, 5)
})

test('closing lets running answers end, takes no new ones, and leaves nothing open', async (t) => {
  const server = await serveFake(t)
  const held = Promise.withResolvers<undefined>()
  server.model.beforeToken = async () => { await held.promise }
  const stream = server.client.chat.completions.create({ ...ask, stream: true })
  const plain = server.client.chat.completions.create(ask)
  await until('both run', async () => await running(server) === 2)
  const closed = server.server.close()
  await assert.rejects(server.client.chat.completions.create(ask), OpenAI.APIError)
  held.resolve(undefined)
  assert.equal((await plain).choices[0]!.message.content, 'Hello, world')
  let text = ''
  for await (const { choices } of await stream) text += choices[0]?.delta.content ?? ''
  assert.equal(text, 'Hello, world')
  await closed
  assert.ok(server.model.closed)
  await assert.rejects(server.fetch('/health'))
})

test('while the model is loaded, calls are told to wait', async (t) => {
  const loading = Promise.withResolvers<undefined>()
  const model = await FakeModel.open(tinyModel)
  const directory = await mkdtemp(join(tmpdir(), 'server-'))
  t.after(async () => { await rm(directory, { recursive: true }) })
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => { probe.close(resolve) })
  const starting = startServer({
    model: tinyModel, directory, port,
    openModel: async () => {
      await loading.promise
      return model
    },
  })
  const health = async (): Promise<number> => (await fetch(`http://127.0.0.1:${port}/health`)).status
  await until('it listens', async () => health().then((status) => status === 503, () => false))
  loading.resolve(undefined)
  await using _server = await starting
  assert.equal(await health(), 200)
})

test('a server that cannot be opened gives back what it took', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'server-'))
  t.after(async () => { await rm(directory, { recursive: true }) })
  const open = async (name: string): Promise<RunningServer> => {
    const model = await FakeModel.open(tinyModel)
    return startServer({ model: tinyModel, directory, port: 0, openModel: async () => model, adapters: { [name]: join(tinyModel, 'adapter') } })
  }
  await assert.rejects(open('../x'), UserError)
  await (await open('x')).close()
})

test('answers that take longer than the grace time are cut off', async (t) => {
  const server = await serveFake(t, { graceTime: 50 })
  server.model.beforeToken = async (token) => { if (token === 3) await new Promise(() => undefined) }
  const stream = await server.client.chat.completions.create({ ...ask, stream: true })
  const plain = server.client.chat.completions.create(ask)
  const failed = assert.rejects(plain, (error) => error instanceof OpenAI.InternalServerError && error.status === 503)
  await until('both run', async () => await running(server) === 2)
  const closed = server.server.close()
  await assert.rejects(async () => { for await (const chunk of stream) assert.ok(chunk) }, /about to stop/)
  await failed
  await closed
  assert.deepEqual(server.log, [])
})

test('headers and bodies that never come to their end are not waited for', async (t) => {
  const server = await serveFake(t, { connections: { headerTime: 300, bodyTime: 300 } })
  const slowHeaders = await raw(server, 'POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n')
  const slowBody = await raw(server, rawPost(ask).slice(0, -5))
  slowHeaders.resume()
  slowBody.resume()
  await Promise.all([once(slowHeaders, 'close'), once(slowBody, 'close')])
  assert.equal(server.model.requests.length, 0)
  await server.client.chat.completions.create(ask)
})

test('connections beyond the most are closed', async (t) => {
  const server = await serveFake(t, { connections: { most: 2 } })
  const sockets = await Promise.all([raw(server, ''), raw(server, '')])
  const third = connect(Number(new URL(server.server.url).port), '127.0.0.1')
  third.on('error', () => undefined).resume()
  await once(third, 'close')
  for (const socket of sockets) socket.destroy()
})

test('what waits for a reader is bounded in bytes and in time', async () => {
  for (const limit of [{ maxPending: 1000 }, { stallTime: 20 }]) {
    const reasons: ClientGone[] = []
    const stream = new EventStream({ ...limit, onGone: (reason) => { reasons.push(reason) } })
    for (let i = 0; i < 200; i++) stream.send({ text: 'ten letters' })
    await until('it is cut off', () => reasons.length === 1)
    stream.send('more')
    stream.end()
    assert.deepEqual(await stream.body.getReader().read(), { done: true, value: undefined })
    assert.equal(reasons.length, 1)
  }
})

test('a reader gets all that was written, whether it waits for it or comes late', async () => {
  for (const late of [true, false]) {
    const stream = new EventStream({ onGone: () => { assert.fail('nobody left') } })
    const write = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        stream.send(i)
        await sleep(0)
      }
      stream.end()
    }
    const text = async (): Promise<string> => new Response(stream.body).text()
    if (late) await write()
    const [read] = late ? [await text()] : await Promise.all([text(), write()])
    assert.equal(read, 'data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\ndata: [DONE]\n\n')
  }
})
