import assert from 'node:assert/strict'
import { testStores } from '../store/fixtures/stores.ts'
import { AdapterRegistry, type NewAdapter } from './adapters.ts'
import { ConflictError, NotFoundError } from './errors.ts'

const base = 'tiny'

function entry(id: string, sha256 = 'a'.repeat(64)): NewAdapter & { readonly id: string } {
  return { id, directory: `/adapters/${id}`, source: 'request', facts: { rank: 8, bytes: 100, sha256 } }
}

testStores('a name stands for the base, an adapter or an alias, each also behind the base\'s name', async (store) => {
  const registry = await AdapterRegistry.open(store, base)
  await registry.add(entry('v1'))
  await registry.aliases.move('bot', 'v1', 'first')
  const adapter = { id: `v1@${'a'.repeat(16)}`, directory: '/adapters/v1' }
  assert.deepEqual(registry.resolve('tiny'), { adapter: undefined, adapterId: null, alias: null })
  for (const name of ['v1', 'tiny:v1']) assert.deepEqual(registry.resolve(name), { adapter, adapterId: 'v1', alias: null })
  for (const name of ['bot', 'tiny:bot']) assert.deepEqual(registry.resolve(name), { adapter, adapterId: 'v1', alias: 'bot' })
  for (const name of ['v2', 'tiny:', 'tiny:tiny', 'other:v1', '__proto__', 'constructor']) assert.equal(registry.resolve(name), undefined, name)
})

testStores('adapters, aliases and history are there after opening again', async (store) => {
  const before = await AdapterRegistry.open(store, base)
  const v1 = await before.add({ ...entry('v1'), source: 'job', jobId: 'ftjob-1', parentId: 'v0', metrics: { 'eval/loss': 1.5 }, pinned: true })
  const v2 = await before.add(entry('v2'))
  await before.aliases.move('bot', 'v1', 'first')
  await before.aliases.move('bot', 'v2', 'better')
  const after = await AdapterRegistry.open(store, base)
  assert.deepEqual(after.list(), [v1, v2])
  assert.deepEqual(after.list({ after: 'v1', limit: 5 }), [v2])
  assert.deepEqual(after.aliases.list(), before.aliases.list())
  assert.deepEqual((await after.aliases.history('bot')).map(({ adapterId, previousId, reason }) => [adapterId, previousId, reason]), [
    ['v2', 'v1', 'better'],
    ['v1', null, 'first'],
  ])
})

testStores('rollback goes to where the alias was before its last move, and is a move itself', async (store) => {
  const registry = await AdapterRegistry.open(store, base)
  for (const id of ['v1', 'v2']) await registry.add(entry(id))
  await assert.rejects(registry.aliases.rollback('bot'), NotFoundError)
  await registry.aliases.move('bot', 'v1', 'first')
  await assert.rejects(registry.aliases.rollback('bot'), ConflictError)
  await registry.aliases.move('bot', 'v2', 'second')
  assert.equal((await registry.aliases.rollback('bot')).adapterId, 'v1')
  assert.equal(registry.resolve('bot')?.adapterId, 'v1')
  assert.equal((await registry.aliases.rollback('bot')).adapterId, 'v2')
  assert.equal((await registry.aliases.history('bot')).length, 4)
  await registry.remove('v1')
  await assert.rejects(registry.aliases.rollback('bot'), /v1 before, which was removed/)
})

testStores('moves at once are told in an order in which each begins where the one before ended', async (store) => {
  const registry = await AdapterRegistry.open(store, base)
  for (const id of ['v1', 'v2', 'v3']) await registry.add(entry(id))
  await Promise.all(['v1', 'v2', 'v3', 'v1'].map((id) => registry.aliases.move('bot', id, 'race')))
  const moves = (await registry.aliases.history('bot')).toReversed()
  assert.equal(moves.length, 4)
  moves.slice(1).forEach((move, i) => { assert.equal(move.previousId, moves[i]!.adapterId) })
})

testStores('an adapter that an alias points to is removed by force alone, and the alias answers with the base then', async (store) => {
  const registry = await AdapterRegistry.open(store, base)
  await registry.add(entry('v1'))
  await registry.aliases.move('bot', 'v1', 'first')
  await assert.rejects(registry.remove('v1'), ConflictError)
  await registry.remove('v1', { force: true })
  assert.deepEqual(registry.resolve('bot'), { adapter: undefined, adapterId: null, alias: 'bot' })
  assert.equal((await registry.aliases.history('bot'))[0]!.reason, 'adapter v1 was removed')
  await assert.rejects(registry.remove('v1'), NotFoundError)
  assert.deepEqual((await AdapterRegistry.open(store, base)).list(), [])
})

testStores('a name means one thing: base, adapter and alias cannot share it', async (store) => {
  const registry = await AdapterRegistry.open(store, base)
  await registry.add(entry('v1'))
  await registry.aliases.move('bot', null, 'first')
  for (const id of ['tiny', 'v1', 'bot']) await assert.rejects(registry.add(entry(id)), ConflictError, id)
  for (const name of ['tiny', 'v1']) await assert.rejects(registry.aliases.move(name, null, 'x'), ConflictError, name)
  await assert.rejects(registry.aliases.move('bot', 'v9', 'x'), NotFoundError)
  await assert.rejects(registry.aliases.move('../bot', null, 'x'), /name/)
  await assert.rejects(registry.add(entry('../v2')), /name/)
  const results = await Promise.allSettled([registry.add(entry('v3')), registry.add(entry('v3'))])
  assert.deepEqual(results.map(({ status }) => status), ['fulfilled', 'rejected'])
})

testStores('other weights under the same name are another adapter to the engine', async (store) => {
  const registry = await AdapterRegistry.open(store, base)
  await registry.replace(entry('v1'))
  const before = registry.resolve('v1')!.adapter!.id
  await registry.replace(entry('v1', 'b'.repeat(64)))
  assert.notEqual(registry.resolve('v1')!.adapter!.id, before)
  assert.equal((await AdapterRegistry.open(store, base)).list().length, 1)
})
