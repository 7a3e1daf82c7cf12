/** What every database must do alike. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import { testDatabases, testStores } from './fixtures/stores.ts'
import { isUniqueViolation, newId, openStore, StoreError, type NewRow, type Store } from './index.ts'

function feedback(values: Partial<NewRow<'feedback'>> = {}): NewRow<'feedback'> {
  return {
    id: newId('fb_'), created_at: 1, completion_id: 'c', position: 0, name: 'thumbs', value_json: 'true', number: 1,
    tags_json: '{}', user_id: null, idempotency_key: null, superseded: 0, ...values,
  }
}

function alias(name: string, updatedAt = 0): NewRow<'aliases'> {
  return { name, adapter_id: null, updated_at: updatedAt }
}

async function aliasNames({ db }: Store): Promise<string[]> {
  return (await db.selectFrom('aliases').select('name').orderBy('name').execute()).map(({ name }) => name)
}

const texts: Readonly<Record<string, string>> = {
  empty: '',
  blank: ' \t\r\n ',
  SQL: '\'; drop table feedback; -- " ` $1 ? :name @x \\\' %_',
  HTML: '<script>alert(1)</script>&amp;<img src=x onerror=alert(1)>',
  unicode: 'Grüße, 你好, عربى, 👩‍👩‍👧, e\u0301, \u202e, \ufeff, \u{10ffff}',
  controls: Array.from({ length: 31 }, (_, i) => String.fromCharCode(i + 1)).join('') + '\u007f\u0085\u2028',
  'a megabyte': '🙂x'.repeat(2 ** 18),
}

testStores('a text comes back as it was, and is found by itself', async (store) => {
  for (const [what, text] of Object.entries(texts)) {
    const row = feedback({ tags_json: text, value_json: JSON.stringify(text) })
    await store.write(store.db.insertInto('feedback').values(row))
    const found = await store.db.selectFrom('feedback').selectAll().where('id', '=', row.id).where('tags_json', '=', text).executeTakeFirst()
    assert.ok(found !== undefined, what)
    assert.equal(sha256(found.tags_json), sha256(text), what)
    assert.equal(sha256(JSON.parse(found.value_json!) as string), sha256(text), what)
  }
})

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf16le').digest('hex')
}

testStores('NUL and lone surrogates become U+FFFD, in what is looked for too; JSON keeps them', async ({ db, write }) => {
  const text = 'a\0b\ud800c\udc00'
  await write(db.insertInto('feedback').values(feedback({ user_id: text, value_json: JSON.stringify(text) })))
  const row = await db.selectFrom('feedback').selectAll().where('user_id', '=', text).executeTakeFirstOrThrow()
  assert.equal(row.user_id, 'a\ufffdb\ufffdc\ufffd')
  assert.equal(JSON.parse(row.value_json!), text)
})

testStores('numbers come back as they were', async ({ db, write }) => {
  const times = [0, 1, -1, 2 ** 31, 2 ** 32 + 1, 8.64e15, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
  const numbers = [0, 0.1, -0.1, 1 / 3, 1e308, -1e308, 5e-324, 4, null]
  for (const created_at of times) {
    for (const number of numbers) {
      const row = feedback({ created_at, number })
      await write(db.insertInto('feedback').values(row))
      assert.deepEqual(await db.selectFrom('feedback').selectAll().where('id', '=', row.id).executeTakeFirst(), row)
    }
  }
})

testStores('counts, sums and means are numbers', async ({ db, write }) => {
  await write(...[1, 2, 4].map((number) => db.insertInto('feedback').values(feedback({ number, created_at: 2 ** 40 + number }))))
  const row = await db.selectFrom('feedback').select(({ fn }) => [
    fn.countAll<number>().as('count'), fn.sum<number>('created_at').as('sum'), fn.avg<number>('number').as('mean'), fn.max('created_at').as('last'),
  ]).executeTakeFirst()
  assert.deepEqual(row, { count: 3, sum: 3 * 2 ** 40 + 7, mean: 7 / 3, last: 2 ** 40 + 4 })
})

testStores('texts are ordered by their bytes', async (store) => {
  const names = ['Z', '_', 'a', 'ab', 'b', 'ä', '🙂']
  await store.write(...names.toReversed().map((name) => store.db.insertInto('aliases').values(alias(name))))
  assert.deepEqual(await aliasNames(store), names)
})

testStores('what no database can hold is refused, and only its own write', async (store) => {
  for (const value of [NaN, Infinity, -Infinity, true, new Date(0), {}, ['a'], Symbol.iterator]) {
    const refused = store.write(
      store.db.insertInto('aliases').values(alias('before')),
      store.db.insertInto('aliases').values({ ...alias('wrong'), updated_at: value as number }),
    )
    await Promise.all([
      assert.rejects(refused, { name: 'TypeError', message: /cannot be stored/ }),
      store.write(store.db.insertInto('aliases').values(alias('beside')).onConflict((conflict) => conflict.doNothing())),
    ])
  }
  assert.deepEqual(await aliasNames(store), ['beside'])
})

testStores('a write says how many rows each of its statements changed, and needs none', async ({ db, write }) => {
  const changes = await write(
    db.insertInto('aliases').values([alias('a'), alias('b'), alias('c')]),
    db.updateTable('aliases').set({ updated_at: 7 }).where('name', '>', 'a'),
    db.insertInto('aliases').values(alias('a')).onConflict((conflict) => conflict.doNothing()),
    db.insertInto('aliases').values(alias('d')).returning('name'),
    db.deleteFrom('aliases'),
  )
  assert.deepEqual(changes, [3, 2, 0, 1, 4])
  assert.deepEqual(await write(), [])
})

testStores('all of a write is done or nothing; others of the same moment are not touched by its failure', async (store) => {
  const { db } = store
  await store.write(db.insertInto('aliases').values(alias('taken')))
  const settled = await Promise.allSettled(Array.from({ length: 60 }, (_, i) => store.write(
    db.insertInto('aliases').values(alias(`first-${i}`)),
    db.insertInto('aliases').values(alias(i % 7 === 3 ? 'taken' : `second-${i}`)),
  )))
  for (const [i, result] of settled.entries()) {
    assert.equal(result.status, i % 7 === 3 ? 'rejected' : 'fulfilled', String(i))
    if (result.status === 'rejected') assert.ok(isUniqueViolation(result.reason))
  }
  const expected = settled.flatMap(({ status }, i) => (status === 'fulfilled' ? [`first-${i}`, `second-${i}`] : []))
  assert.deepEqual(await aliasNames(store), ['taken', ...expected].toSorted())
})

testStores('writes are done in the order of their calls', async ({ db, write }) => {
  const move = (i: number) => db.insertInto('alias_moves')
    .values({ alias: 'bot', adapter_id: null, previous_id: null, created_at: i, reason: '' })
  await Promise.all(Array.from({ length: 1200 }, (_, i) => write(move(i))))
  const rows = await db.selectFrom('alias_moves').select('created_at').orderBy('sequence').execute()
  assert.ok(rows.every(({ created_at }, i) => created_at === i))
  assert.equal(rows.length, 1200)
})

testStores('a violation of uniqueness is known from other errors, wherever it happens', async ({ db, write }) => {
  const insert = (id: string, key: string | null) => db.insertInto('feedback').values(feedback({ id, idempotency_key: key }))
  await write(insert('one', 'key'), insert('two', null), insert('three', null))
  const violations = [
    () => write(insert('one', 'other')),
    () => write(insert('four', 'key')),
    () => insert('one', 'other').execute(),
    () => db.transaction().execute((transaction) => transaction.insertInto('feedback').values(feedback({ id: 'one' })).execute()),
  ]
  for (const violation of violations) {
    await assert.rejects(violation(), (error) => isUniqueViolation(error) && !(error instanceof StoreError))
  }
  const others = [
    () => write(db.insertInto('feedback').values({ ...feedback(), name: null as never })),
    () => sql`select * from no_such_table`.execute(db),
  ]
  for (const other of others) await assert.rejects(other(), (error) => !isUniqueViolation(error) && !(error instanceof StoreError))
})

testStores('transactions are one after another, so that what they read holds', async ({ db, write }) => {
  await write(db.insertInto('aliases').values(alias('counter', 0)))
  const increments = Array.from({ length: 20 }, () => db.transaction().execute(async (transaction) => {
    const { updated_at } = await transaction.selectFrom('aliases').selectAll().where('name', '=', 'counter').executeTakeFirstOrThrow()
    await transaction.updateTable('aliases').set({ updated_at: updated_at + 1 }).execute()
  }))
  const writes = Array.from({ length: 20 }, () => write(db.updateTable('aliases').set(({ eb }) => ({ updated_at: eb('updated_at', '+', 100) }))))
  await Promise.all([...increments, ...writes])
  assert.equal((await db.selectFrom('aliases').select('updated_at').executeTakeFirstOrThrow()).updated_at, 2020)
})

testStores('a transaction that throws leaves nothing, and is not seen before its end', async (store) => {
  const { db } = store
  const thrown = new Error('thought better of it')
  await assert.rejects(db.transaction().execute(async (transaction) => {
    await transaction.insertInto('aliases').values(alias('a')).execute()
    assert.deepEqual(await transaction.selectFrom('aliases').select('name').execute(), [{ name: 'a' }])
    assert.deepEqual(await aliasNames(store), [])
    throw thrown
  }), thrown)
  assert.deepEqual(await aliasNames(store), [])
  await store.write(db.insertInto('aliases').values(alias('b')))
  assert.deepEqual(await aliasNames(store), ['b'])
})

testStores('where a statement of a transaction fails, nothing of it is done, also if its failure is caught', async (store) => {
  const { db } = store
  await store.write(db.insertInto('aliases').values(alias('taken')))
  await assert.rejects(db.transaction().execute(async (transaction) => {
    await transaction.insertInto('aliases').values(alias('before')).execute()
    await transaction.insertInto('aliases').values(alias('taken')).execute().catch(() => undefined)
  }), /a statement of it has failed/)
  await assert.rejects(db.transaction().execute(async (transaction) => {
    await transaction.insertInto('aliases').values(alias('taken')).execute().catch(() => undefined)
    await transaction.insertInto('aliases').values(alias('afterwards')).execute()
  }), /a statement of it has failed/)
  assert.deepEqual(await aliasNames(store), ['taken'])
})

testStores('a transaction that only reads sees one moment, and can write nothing', async (store) => {
  const { db } = store
  await db.transaction().setAccessMode('read only').execute(async (transaction) => {
    assert.deepEqual(await transaction.selectFrom('aliases').selectAll().execute(), [])
    await store.write(db.insertInto('aliases').values(alias('meanwhile')))
    assert.deepEqual(await transaction.selectFrom('aliases').selectAll().execute(), [])
  })
  assert.deepEqual(await aliasNames(store), ['meanwhile'])
  await assert.rejects(db.transaction().setAccessMode('read only')
    .execute((transaction) => transaction.deleteFrom('aliases').execute()), /read-?\s?only/)
  assert.deepEqual(await aliasNames(store), ['meanwhile'])
})

testStores('many reads and read-only transactions at once all come to an end', async (store) => {
  const { db } = store
  await store.write(db.insertInto('aliases').values(alias('a')))
  const all = await Promise.all(Array.from({ length: 60 }, (_, i) => i % 2 === 0
    ? aliasNames(store)
    : db.transaction().setAccessMode('read only').execute(async (transaction) => (
      (await transaction.selectFrom('aliases').select('name').execute()).map(({ name }) => name)
    ))))
  assert.ok(all.every((names) => names.join() === 'a'))
})

testDatabases('a transaction that waits for a write outside of itself is undone, and the write is done', async (options) => {
  await using store = await openStore({ ...options, idleMilliseconds: 50 })
  await assert.rejects(store.db.transaction().execute(async (transaction) => {
    await transaction.insertInto('aliases').values(alias('inside')).execute()
    await store.write(store.db.insertInto('aliases').values(alias('outside')))
    await transaction.insertInto('aliases').values(alias('inside again')).execute()
  }), { name: 'UserError', message: /wait for a write outside of itself/ })
  assert.deepEqual(await aliasNames(store), ['outside'])
})

testDatabases('a store that is closed has done what was begun, and refuses more', async (options) => {
  const store = await openStore(options)
  const writes = Array.from({ length: 30 }, (_, i) => store.write(store.db.insertInto('aliases').values(alias(`a${i}`))))
  await store.close()
  await Promise.all(writes)
  await assert.rejects(store.write(store.db.deleteFrom('aliases')))
  await using again = await openStore(options)
  assert.equal((await aliasNames(again)).length, 30)
})
