import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdapterPool } from './adapter-pool.ts'
import type { AdapterRef } from './live-model.ts'
import type { PackedAdapter } from './packed-adapter.ts'

const ref = (id: string): AdapterRef => ({ id, directory: `/${id}` })
const packed = (id: string): PackedAdapter => ({ id, rank: 8, layers: 'all', values: new Map(), bytes: 10 })

/** A pool whose loads end when they are told to. */
function slowPool(most: number): { pool: AdapterPool; loads: Map<string, { finish: () => void; fail: (error: Error) => void }> } {
  const loads = new Map<string, { finish: () => void; fail: (error: Error) => void }>()
  const pool = new AdapterPool(({ id }) => new Promise((resolve, reject) => {
    loads.set(id, { finish: () => { resolve(packed(id)) }, fail: reject })
  }), most)
  return { pool, loads }
}

const quickPool = (most: number): AdapterPool => new AdapterPool(({ id }) => Promise.resolve(packed(id)), most)
const soon = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

test('whoever asks for an adapter while it is loaded waits for the same load', async () => {
  const { pool, loads } = slowPool(2)
  const waiting = [pool.acquire(ref('a')), pool.acquire(ref('a'))]
  loads.get('a')!.finish()
  assert.equal((await waiting[0])!, await waiting[1])
  assert.deepEqual([pool.loads, pool.bytes], [1, 10])
})

test('a load that fails tells all who wait for it, and the next one tries again', async () => {
  const { pool, loads } = slowPool(1)
  const waiting = [pool.acquire(ref('a')), pool.acquire(ref('a'))]
  const outcomes = Promise.allSettled(waiting)
  loads.get('a')!.fail(new Error('damaged'))
  assert.deepEqual((await outcomes).map(({ status }) => status), ['rejected', 'rejected'])
  assert.deepEqual(pool.ids, [])
  const again = pool.acquire(ref('a'))
  loads.get('a')!.finish()
  assert.equal((await again).id, 'a')
})

test('the least recently used goes; what is in use or pinned stays', async () => {
  const pool = quickPool(3)
  await pool.pin(ref('pinned'))
  for (const id of ['used', 'a']) await pool.acquire(ref(id))
  pool.release('a')
  await pool.acquire(ref('b'))
  assert.deepEqual(pool.ids, ['pinned', 'used', 'b'])
  assert.equal(pool.evictions, 1)
})

test('where all are in use, others wait their turn, and each gets its own', async () => {
  const pool = quickPool(1)
  await pool.acquire(ref('a'))
  const order: string[] = []
  const later = ['b', 'c', 'b'].map(async (id) => {
    const adapter = await pool.acquire(ref(id))
    order.push(adapter.id)
    await soon()
    pool.release(id)
  })
  await soon()
  assert.deepEqual(order, [])
  pool.release('a')
  await Promise.all(later)
  assert.deepEqual(order.toSorted(), ['b', 'b', 'c'])
  assert.equal(pool.ids.length, 1)
})

test('what waits for a place takes that of a load that failed', async () => {
  const { pool, loads } = slowPool(1)
  const failing = assert.rejects(pool.acquire(ref('a')))
  const waiting = pool.acquire(ref('b'))
  loads.get('a')!.fail(new Error('damaged'))
  await failing
  await soon()
  loads.get('b')!.finish()
  assert.equal((await waiting).id, 'b')
})

test('a dropped adapter goes when its last user has ended', async () => {
  const pool = quickPool(2)
  await pool.acquire(ref('a'))
  pool.drop('a')
  assert.deepEqual(pool.ids, ['a'])
  pool.release('a')
  assert.deepEqual(pool.ids, [])
})
