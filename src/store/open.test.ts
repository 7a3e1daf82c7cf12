import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { sql } from 'kysely'
import { testDatabases } from './fixtures/stores.ts'
import { migrations } from './migrations.ts'
import { newId, openStore, StoreError, type StoreOptions } from './index.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-open-'))
after(() => rm(root, { recursive: true, force: true }))

const all = migrations.map(({ name }) => ({ name })).toSorted((a, b) => (a.name < b.name ? -1 : 1))

async function migrationsOf(options: StoreOptions): Promise<unknown[]> {
  await using store = await openStore(options)
  await store.write(store.db.insertInto('aliases').values({ name: newId('a'), adapter_id: null, updated_at: 0 }))
  return (await sql`select name from migrations order by name`.execute(store.db)).rows
}

testDatabases('an empty database gets its tables, an existing one keeps them', async (options) => {
  assert.deepEqual(await migrationsOf(options), all)
  assert.deepEqual(await migrationsOf(options), all)
  await using store = await openStore(options)
  assert.equal((await store.db.selectFrom('aliases').selectAll().execute()).length, 2)
})

testDatabases('several processes may open a new database at once', async (options) => {
  const program = join(import.meta.dirname, 'fixtures/open.ts')
  const children = [1, 2, 3].map(() => spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'inherit'] }))
  assert.deepEqual(await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number)), [0, 0, 0])
  assert.deepEqual(await migrationsOf(options), all)
})

testDatabases('a database that a later version has changed is left alone', async (options) => {
  {
    await using store = await openStore(options)
    await store.write({ compile: () => sql`insert into migrations (name) values ('999-later')`.compile(store.db) })
  }
  await assert.rejects(openStore(options), (error) => error instanceof StoreError && /later version of posttrain \(999-later\)/.test(error.message))
})

testDatabases('a folder has one server; commands may go beside it', async (options) => {
  const server = await openStore({ ...options, exclusive: true })
  await assert.rejects(openStore({ ...options, exclusive: true }), { name: 'UserError', message: new RegExp(`Process ${process.pid} on`) })
  await using beside = await openStore(options)
  await beside.write(beside.db.insertInto('aliases').values({ name: 'a', adapter_id: null, updated_at: 0 }))
  assert.equal((await server.db.selectFrom('aliases').selectAll().execute()).length, 1)
  await server.close()
  await (await openStore({ ...options, exclusive: true })).close()
})

test('a file that is no database of ours is named, and left as it is', async () => {
  const directory = join(root, 'other')
  await (await openStore({ directory })).close()
  await writeFile(join(directory, 'store.sqlite'), 'This is a letter to my aunt, and no database.'.repeat(100))
  await assert.rejects(openStore({ directory }), storeError(/store\.sqlite: this file is no SQLite database/))
})

test('a database that another process holds for too long is said to be busy', async () => {
  const directory = join(root, 'busy')
  await using store = await openStore({ directory, busyMilliseconds: 20 })
  const other = new DatabaseSync(join(directory, 'store.sqlite'))
  other.exec('begin immediate')
  const insert = store.db.insertInto('aliases').values({ name: 'a', adapter_id: null, updated_at: 0 })
  await assert.rejects(store.write(insert), storeError(/another process has been writing/))
  other.exec('rollback')
  other.close()
  await store.write(insert)
})

test('a full disk fails the writes that find no room, says so, and loses nothing else', async () => {
  const directory = join(root, 'full')
  await using store = await openStore({ directory })
  const pages = await sql<{ page_count: number }>`select page_count from pragma_page_count`.execute(store.db)
  await store.write({ compile: () => sql`pragma max_page_count = ${sql.lit(pages.rows[0]!.page_count + 8)}`.compile(store.db) })
  const insert = (name: string) => store.db.insertInto('aliases').values({ name, adapter_id: null, updated_at: 0 })
  const settled = await Promise.allSettled([
    store.write(insert('small')),
    store.write(insert('large'), insert('x'.repeat(100_000))),
  ])
  for (const result of settled) {
    if (result.status === 'rejected') assert.throws(() => { throw result.reason }, storeError(/the disk is full/))
  }
  assert.equal(settled[1].status, 'rejected')
  await store.write(insert('afterwards'))
  const names = (await store.db.selectFrom('aliases').select('name').orderBy('name').execute()).map(({ name }) => name)
  assert.deepEqual(names, settled[0].status === 'fulfilled' ? ['afterwards', 'small'] : ['afterwards'])
})

test('what cannot be opened is named', async () => {
  const directory = join(root, 'folder')
  await mkdir(join(directory, 'store.sqlite'), { recursive: true })
  await assert.rejects(openStore({ directory }), storeError(/store\.sqlite: it cannot be opened/))
  await writeFile(join(root, 'file'), '')
  await assert.rejects(openStore({ directory: join(root, 'file/store') }), { name: 'UserError', message: /file\/store: a part of this path is a file/ })
})

testDatabases('what is wrong with the address of a database is said without the password', async ({ directory, url }) => {
  if (url === undefined) {
    for (const wrong of ['mysql://user:secret@localhost/db', 'postgres://user:secret@ho st:port/db', 'secret', '']) {
      await assert.rejects(openStore({ directory, url: wrong }), (error) => isUsable(error) && /must be of the form postgres:/.test(error.message))
    }
    await assert.rejects(openStore({ directory, url: 'postgres://user:secret@127.0.0.1:1/db' }), storeError(/nothing listens there/))
    await assert.rejects(openStore({ directory, url: 'postgres://user:secret@no.such.host.invalid/db' }), storeError(/host/))
    return
  }
  const altered = (change: (url: URL) => void): StoreOptions => {
    const other = new URL(url)
    change(other)
    return { directory, url: other.href }
  }
  await assert.rejects(openStore(altered((other) => { other.password = 'secret' })), storeError(/user or password are wrong.*28P01/))
  await assert.rejects(openStore(altered((other) => { other.pathname = '/nowhere' })), storeError(/nowhere of posttrain at .*there is no such database/))
})

function storeError(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StoreError, String(error))
    assert.match(error.message, message)
    return isUsable(error)
  }
}

function isUsable(error: unknown): error is Error {
  assert.ok(error instanceof Error)
  assert.doesNotMatch(error.message, /secret|p%40ss|p@ss/)
  return true
}
