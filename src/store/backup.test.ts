import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { backUp, openStore } from './index.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-backup-'))
after(() => rm(root, { recursive: true, force: true }))

test('a backup of a store in use is a store', async () => {
  const [directory, target] = [join(root, 'store'), join(root, 'copy')]
  await using store = await openStore({ directory, exclusive: true })
  const insert = (name: string) => store.db.insertInto('aliases').values({ name, adapter_id: null, updated_at: 0 })
  await store.write(insert('before'))
  const sha256 = await store.blobs.put(Buffer.from('content'))
  const [, ...writes] = await Promise.all([backUp(directory, target), ...Array.from({ length: 50 }, (_, i) => store.write(insert(`beside-${i}`)))])
  assert.equal(writes.length, 50)
  await store.write(insert('after'))

  await using copy = await openStore({ directory: target, exclusive: true })
  const names = (await copy.db.selectFrom('aliases').select('name').execute()).map(({ name }) => name)
  assert.ok(names.includes('before') && !names.includes('after'))
  assert.equal((await buffer(copy.blobs.read(sha256))).toString(), 'content')
})

test('a backup takes no folder that has something in it, and needs a store', async () => {
  await assert.rejects(backUp(join(root, 'absent'), join(root, 'new')), { name: 'UserError', message: /absent has no store\.sqlite/ })
  const [directory, target] = [join(root, 'source'), join(root, 'taken')]
  await (await openStore({ directory })).close()
  await (await openStore({ directory: target })).close()
  await writeFile(join(target, 'mine'), '')
  await assert.rejects(backUp(directory, target), { name: 'UserError', message: /taken is not empty/ })
  assert.deepEqual((await readdir(target)).toSorted(), ['mine', 'store.sqlite'])
})
