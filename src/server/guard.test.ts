import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import OpenAI from 'openai'
import { isLoopback } from './guard.ts'
import { serveFake, type TestServer } from './fixtures/server.ts'
import { needOf } from './scopes.ts'

const ask = { model: 'tiny-llama', messages: [{ role: 'user' as const, content: 'Say hello' }] }
const json = { 'content-type': 'application/json' }

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly error: { readonly message: string; readonly type: string; readonly code: string } | undefined
}

/** A call with exactly these headers, as no well-behaved client would send it. */
async function call({ server }: TestServer, method: string, path: string, headers: Readonly<Record<string, string>>, body = ''): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const sent = request(new URL(server.url), { method, path, headers }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (part: string) => { text += part }).on('end', () => {
      const error = text.startsWith('{"error"') ? (JSON.parse(text) as { error: Answer['error'] }).error : undefined
      resolve({ status: response.statusCode!, headers: response.headers, error })
    })
  })
  sent.on('error', reject)
  sent.end(body)
  return promise
}

async function post(server: TestServer, headers: Readonly<Record<string, string>>, body: string = JSON.stringify(ask)): Promise<Answer> {
  return call(server, 'POST', '/v1/chat/completions', { ...json, 'content-length': String(Buffer.byteLength(body)), ...headers }, body)
}

test('only names of this machine are answered to: a rebound one is not', async (t) => {
  const server = await serveFake(t, { allowedHosts: ['Models.Example'] })
  const { port } = new URL(server.server.url)
  for (const host of ['localhost', `localhost:${port}`, '127.0.0.1', `[::1]:${port}`, 'LOCALHOST:1', 'models.example', 'models.example:80']) {
    assert.equal((await call(server, 'GET', '/v1/models', { host })).status, 200, host)
  }
  for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example', 'localhost:1:2', '10.0.0.1', '[::2]', 'a@localhost']) {
    const { status, error } = await call(server, 'GET', '/v1/models', { host })
    // What is no host at all does not come as far as the guard.
    assert.ok((status === 403 && error?.code === 'host_not_allowed') || status === 400, `${host}: ${status}`)
  }
})

test('no web page of another origin changes anything', async (t) => {
  const server = await serveFake(t)
  const { host } = new URL(server.server.url)
  assert.equal((await post(server, { host, origin: `http://${host}` })).status, 200)
  for (const origin of ['https://evil.example', 'null', `http://localhost:1`, `http://${host}.evil.example`, 'nonsense', 'file://']) {
    const { status, error, headers } = await post(server, { host, origin })
    assert.deepEqual([status, error?.code], [403, 'origin_not_allowed'], origin)
    assert.equal(headers['access-control-allow-origin'], undefined)
  }
  assert.equal((await post(server, { 'sec-fetch-site': 'cross-site' })).status, 403)
  const preflight = await call(server, 'OPTIONS', '/v1/chat/completions', { origin: 'https://evil.example', 'access-control-request-method': 'POST' })
  assert.equal(preflight.headers['access-control-allow-methods'], undefined)
  assert.equal(server.model.requests.length, 1)
})

test('what a form of any page can post is not taken', async (t) => {
  const server = await serveFake(t)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain; charset=application/json']) {
    assert.deepEqual(await post(server, { 'content-type': type }).then(({ status, error }) => [status, error?.code]), [415, 'unsupported_media_type'], type)
  }
  const untyped = await call(server, 'POST', '/v1/chat/completions', { 'content-length': '2' }, '{}')
  assert.equal(untyped.status, 415)
  assert.equal((await post(server, { 'content-type': 'Application/JSON; charset=utf-8' })).status, 200)
})

test('a call that was forwarded needs a key, though it comes from this machine', async (t) => {
  const server = await serveFake(t)
  const { key } = await server.server.context.keys.create({ name: 'proxy', scopes: ['infer'] })
  for (const header of ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'X-Forwarded-Anything', 'x-real-ip', 'via']) {
    const { status, error, headers } = await post(server, { [header]: 'for=10.0.0.1' })
    assert.deepEqual([status, error?.type, error?.code], [401, 'authentication_error', 'missing_api_key'], header)
    assert.equal(headers['www-authenticate'], 'Bearer')
    assert.equal((await post(server, { [header]: 'x', authorization: `Bearer ${key}` })).status, 200)
    assert.equal((await post(server, { [header]: 'x', authorization: 'Bearer none' })).status, 401)
  }
})

test('a key opens what its scopes say, and where none is needed only a known one counts', async (t) => {
  const server = await serveFake(t, { requireKey: true })
  const { keys } = server.server.context
  const as = (apiKey: string): OpenAI => new OpenAI({ baseURL: `${server.server.url}/v1`, apiKey, maxRetries: 0 })
  const { key: infer, record } = await keys.create({ name: 'app', scopes: ['infer'] })
  const { key: train } = await keys.create({ name: 'ci', scopes: ['train'] })
  const { key: admin } = await keys.create({ name: 'root', scopes: ['admin'] })

  await as(infer).chat.completions.create(ask)
  await as(admin).chat.completions.create(ask)
  await assert.rejects(as(train).chat.completions.create(ask), (error) =>
    error instanceof OpenAI.PermissionDeniedError && /lacks the scope infer; it has train/.test(error.message))
  await assert.rejects(as(infer).models.delete('x'), OpenAI.PermissionDeniedError)
  await assert.rejects(as(train).models.delete('x'), OpenAI.NotFoundError)
  for (const wrong of ['none', `${infer.slice(0, -1)}~`, infer.toUpperCase(), 'pt-']) await assert.rejects(as(wrong).models.list(), OpenAI.AuthenticationError, wrong)
  assert.equal((await server.fetch('/v1/models')).status, 401)
  assert.equal((await server.fetch('/health')).status, 200)
  assert.equal((await server.fetch('/metrics')).status, 401)
  assert.equal((await server.fetch('/metrics', { headers: { authorization: `bearer ${infer}` } })).status, 200)
  assert.equal((await server.fetch('/v1/nowhere', { headers: { authorization: `Bearer ${infer}` } })).status, 403)
  await keys.revoke(record.id)
  await assert.rejects(as(infer).models.list(), OpenAI.AuthenticationError)
})

test('on loopback a foreign key means nothing, but a revoked one of ours is refused', async (t) => {
  const { client, server } = await serveFake(t)
  await client.models.list()
  const { key, record } = await server.context.keys.create({ name: 'app', scopes: ['infer'] })
  await server.context.keys.revoke(record.id)
  await assert.rejects(new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 }).models.list(), OpenAI.AuthenticationError)
})

test('what listens beyond loopback asks everybody for a key', async (t) => {
  const server = await serveFake(t, { host: '0.0.0.0' })
  const { port } = new URL(server.server.url)
  const { status } = await fetch(`http://127.0.0.1:${port}/v1/models`)
  assert.equal(status, 401)
  for (const [address, is] of [['127.0.0.1', true], ['127.8.8.8', true], ['::1', true], ['::ffff:127.0.0.1', true], ['10.0.0.1', false], ['::ffff:10.0.0.1', false], ['fe80::1', false], ['::', false], ['0.0.0.0', false]] as const) {
    assert.equal(isLoopback(address), is, address)
  }
})

test('a path spelled otherwise needs no less than the path itself', async (t) => {
  const server = await serveFake(t, { requireKey: true })
  const { key } = await server.server.context.keys.create({ name: 'app', scopes: ['infer'] })
  const authorization = `Bearer ${key}`
  for (const path of ['/v1/%6beys', '/v1/%256beys', '/v1/./keys', '/v1/models/../keys', '/v1/models/%2e%2e/keys', '//v1/keys', '/V1/KEYS', '/v1/keys/', '/v1/keys%2f', '/v1/chat/completions%2f..%2f..%2fkeys']) {
    const { status } = await call(server, 'GET', path, { authorization })
    assert.ok(status === 403 || status === 404, `${path}: ${status}`)
  }
})

test('every call that nobody thought of is for administrators', () => {
  assert.equal(needOf('GET', '/v1/anything'), 'admin')
  assert.equal(needOf('DELETE', '/v1/users/x/data'), 'admin')
  assert.equal(needOf('POST', '/v1/chat/completions'), 'infer')
  assert.equal(needOf('POST', '/v1/chat/completions/chatcmpl-1'), 'feedback')
  assert.equal(needOf('GET', '/v1/chat/completions'), 'feedback')
  assert.equal(needOf('POST', '/v1/completions/log'), 'feedback')
  assert.equal(needOf('POST', '/v1/completionsx'), 'admin')
  assert.equal(needOf('GET', '/v1/datasets/a'), 'feedback')
  assert.equal(needOf('POST', '/v1/datasets'), 'train')
  assert.equal(needOf('POST', '/v1/fine_tuning/jobs'), 'train')
})

test('what administrators and trainers change is noted, with who and what', async (t) => {
  const { server, fetch: get } = await serveFake(t)
  const { key, record } = await server.context.keys.create({ name: 'ci', scopes: ['train'] })
  await get('/v1/aliases/bot', { method: 'PUT', headers: { ...json, authorization: `Bearer ${key}` }, body: '{"adapter": null}' })
  await get('/v1/models/none', { method: 'DELETE' })
  await get('/v1/models')
  const { entries } = await server.context.audit.page()
  assert.deepEqual(entries.map(({ keyId, action, target, detail }) => [keyId, action, target, (detail as { status: number }).status]), [
    [null, 'DELETE /v1/models/:id{.+}', '/v1/models/none', 404],
    [record.id, 'PUT /v1/aliases/:name', '/v1/aliases/bot', 200],
  ])
})
