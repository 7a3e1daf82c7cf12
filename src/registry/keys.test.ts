import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { testStores } from '../store/fixtures/stores.ts'
import { Audit } from './audit.ts'
import { NotFoundError } from './errors.ts'
import { Keys } from './keys.ts'

testStores('a key opens what its scopes say, and nothing but its hash is stored', async (store) => {
  const keys = new Keys(store)
  const { key, record } = await keys.create({ name: 'product <b>\';--', scopes: ['feedback', 'infer', 'infer'] })
  assert.match(key, /^pt-[A-Za-z0-9_-]{43}$/)
  assert.equal(record.hint, key.slice(-4))
  assert.deepEqual(await keys.verify(key), { id: record.id, scopes: ['infer', 'feedback'] })
  assert.deepEqual(await keys.list(), [record])
  const stored = JSON.stringify(await store.db.selectFrom('keys').selectAll().execute())
  assert.ok(!stored.includes(key) && !stored.includes(key.slice(3, 20)))
})

testStores('what is no key of ours opens nothing', async (store) => {
  const keys = new Keys(store)
  const { key } = await keys.create({ name: 'one', scopes: ['admin'] })
  const last = key.endsWith('A') ? 'B' : 'A'
  const others = ['', 'pt-', key.slice(0, -1), `${key.slice(0, -1)}${last}`, `${key}A`, ` ${key}`, key.toUpperCase(), 'sk-1', '\' or 1=1 --', '\0', 'ä'.repeat(46)]
  for (const other of others) assert.equal(await keys.verify(other), undefined, JSON.stringify(other))
})

testStores('a revoked key is refused at once, also while it is being looked up', async (store) => {
  const keys = new Keys(store)
  const { key, record } = await keys.create({ name: 'one', scopes: ['infer'] })
  const lookedUp = keys.verify(key)
  const [revoked] = await Promise.all([keys.revoke(record.id), lookedUp])
  assert.notEqual(revoked.revokedAt, null)
  assert.equal(await keys.verify(key), undefined)
  assert.deepEqual(await keys.revoke(record.id), revoked, 'the first time counts')
  await assert.rejects(keys.revoke('key_none'), NotFoundError)
})

testStores('a key that another process revokes is refused soon; until then the database is left alone', async (store) => {
  let now = 1000
  const keys = new Keys(store, () => now)
  const elsewhere = new Keys(store, () => now)
  const { key, record } = await keys.create({ name: 'one', scopes: ['infer'] })
  assert.equal((await keys.verify(key))?.id, record.id)
  await elsewhere.revoke(record.id)
  assert.equal((await keys.verify(key))?.id, record.id)
  now += 2000
  assert.equal(await keys.verify(key), undefined)
})

testStores('a key ends with its time', async (store) => {
  let now = 1000
  const keys = new Keys(store, () => now)
  const { key } = await keys.create({ name: 'one', scopes: ['infer'], expiresAt: 1500 })
  assert.notEqual(await keys.verify(key), undefined)
  now = 1500
  assert.equal(await keys.verify(key), undefined)
})

testStores('a key without name, scope or future is not made', async (store) => {
  const keys = new Keys(store)
  const usage = { name: 'UserError', exitCode: 2 }
  await assert.rejects(keys.create({ name: ' ', scopes: ['infer'] }), usage)
  await assert.rejects(keys.create({ name: 'x'.repeat(201), scopes: ['infer'] }), usage)
  await assert.rejects(keys.create({ name: 'one', scopes: [] }), usage)
  for (const expiresAt of [1, NaN, -Infinity]) await assert.rejects(keys.create({ name: 'one', scopes: ['infer'], expiresAt }), usage)
  assert.deepEqual(await keys.list(), [])
})

testStores('the audit log is read by pages, the newest first', async (store) => {
  const audit = new Audit(store)
  for (const target of ['a', 'b', '<script>\';--']) await audit.append({ keyId: null, action: 'POST /v1/keys', target, detail: { target } })
  const first = await audit.page({ limit: 2 })
  assert.deepEqual(first.entries.map(({ target, detail }) => ({ target, detail })), [
    { target: '<script>\';--', detail: { target: '<script>\';--' } }, { target: 'b', detail: { target: 'b' } },
  ])
  assert.ok(first.hasMore)
  const rest = await audit.page({ before: first.entries.at(-1)!.sequence, limit: 2 })
  assert.deepEqual(rest.entries.map(({ target }) => target), ['a'])
  assert.ok(!rest.hasMore)
})

testStores('keys are compared by their hashes, in constant time', async (store, t) => {
  const compare = t.mock.method(crypto, 'timingSafeEqual')
  syncBuiltinESMExports()
  const keys = new Keys(store)
  const { key } = await keys.create({ name: 'one', scopes: ['infer'] })
  const nearest = `${key.slice(0, -1)}${key.endsWith('A') ? 'E' : 'A'}`
  assert.equal(await keys.verify(nearest), undefined)
  assert.equal(compare.mock.callCount(), 0, 'how near a guess comes is not to be seen: its hash finds nothing')
  assert.notEqual(await keys.verify(key), undefined)
  const sha256 = crypto.createHash('sha256').update(key).digest()
  assert.deepEqual(compare.mock.calls.map(({ arguments: pair }) => pair), [[sha256, sha256]])
  compare.mock.restore()
  syncBuiltinESMExports()
})
