import assert from 'node:assert/strict'
import { Hono } from 'hono'
import { Audit } from '../../registry/audit.ts'
import { Keys } from '../../registry/keys.ts'
import { testStores } from '../../store/fixtures/stores.ts'
import { StoreError, type Store } from '../../store/index.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { asApiError } from '../errors.ts'
import { keyRoutes } from './keys.ts'

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

/** The routes by themselves, as the administrator whose key is `key_admin`. */
function client(store: Store): (method: string, path: string, body?: unknown) => Promise<Answer> {
  const app = new Hono<RequestVariables>()
  app.use(async (c, next) => {
    c.set('keyId', 'key_admin')
    await next()
  })
  app.route('/', keyRoutes({ keys: new Keys(store), audit: new Audit(store) } as ServerContext))
  app.onError((error, c) => {
    const { body, status } = asApiError(error)
    return c.json(body, status)
  })
  return async (method, path, body) => {
    const response = await app.request(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    return { status: response.status, body: await response.json() as Record<string, unknown> }
  }
}

testStores('a key is made, listed without itself, revoked, and each change is in the audit log', async (store) => {
  const call = client(store)
  const made = await call('POST', '/v1/keys', { name: 'web <img>', scopes: ['infer'], expires_at: 4_000_000_000 })
  assert.equal(made.status, 201)
  const { key, ...record } = made.body
  assert.match(String(key), /^pt-/)
  assert.deepEqual((await new Keys(store).verify(String(key)))?.id, record['id'])

  const listed = await call('GET', '/v1/keys')
  assert.deepEqual(listed.body, { object: 'list', data: [record] })
  assert.equal(record['expires_at'], 4_000_000_000)

  const revoked = await call('DELETE', `/v1/keys/${String(record['id'])}`)
  assert.equal(typeof revoked.body['revoked_at'], 'number')

  const { body } = await call('GET', '/v1/audit?limit=2')
  const entries = body['data'] as Record<string, unknown>[]
  assert.deepEqual(entries.map(({ action, target, key_id }) => ({ action, target, key_id })), [
    { action: 'DELETE /v1/keys/:id', target: record['id'], key_id: 'key_admin' },
    { action: 'POST /v1/keys', target: record['id'], key_id: 'key_admin' },
  ])
  assert.ok(!JSON.stringify(entries).includes(String(key)))
})

testStores('what is wrong with a request is said with its parameter', async (store) => {
  const call = client(store)
  const wrong: readonly [body: unknown, param: string][] = [
    [{ scopes: ['infer'] }, 'name'],
    [{ name: ' ', scopes: ['infer'] }, 'name'],
    [{ name: 'a', scopes: [] }, 'scopes'],
    [{ name: 'a', scopes: ['root'] }, 'scopes[0]'],
    [{ name: 'a', scopes: ['infer'], expires_at: -1 }, 'expires_at'],
    [{ name: 'a', scopes: ['infer'], expires: 1 }, 'expires'],
  ]
  for (const [body, param] of wrong) {
    const answer = await call('POST', '/v1/keys', body)
    assert.equal(answer.status, 400)
    assert.equal((answer.body['error'] as { param: string }).param, param)
  }
  assert.equal((await call('POST', '/v1/keys', { name: 'a', scopes: ['infer'], expires_at: 1 })).status, 400)
  assert.equal((await call('DELETE', '/v1/keys/key_none')).status, 404)
  assert.equal((await call('GET', '/v1/audit?limit=0')).status, 400)
  assert.deepEqual((await call('GET', '/v1/keys')).body['data'], [])
})

testStores('a store that fails is the server\'s fault, and the client is not told where it lies', async (store) => {
  const failing = { ...store, write: () => Promise.reject(new StoreError('The database /home/operator/store.sqlite: the disk is full.')) }
  const { status, body } = await client(failing)('POST', '/v1/keys', { name: 'a', scopes: ['infer'] })
  assert.equal(status, 503)
  assert.equal((body['error'] as { code: string }).code, 'store_unavailable')
  assert.doesNotMatch(JSON.stringify(body), /operator/)
})
