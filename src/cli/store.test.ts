import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openStore } from '../store/index.ts'
import { posttrain, tree } from './fixtures/command-line.ts'

const cwd = await mkdtemp(join(tmpdir(), 'posttrain-backup-'))
after(() => rm(cwd, { recursive: true, force: true }))

test('store backup copies a store in use; wrong usage copies nothing', async () => {
  await using store = await openStore({ directory: join(cwd, 'data'), exclusive: true })
  await store.write(store.db.insertInto('aliases').values({ name: 'bot', adapter_id: null, updated_at: 0 }))

  const done = await posttrain(['store', 'backup', 'copy', '--directory', 'data', '--json'], { cwd, env: {} })
  assert.deepEqual(done, { code: 0, out: '{"backup":"copy"}\n', log: '' })
  assert.deepEqual(Object.keys(tree(join(cwd, 'copy'))), ['store.sqlite'])

  const wrong: readonly [args: string[], message: RegExp][] = [
    [['backup', 'copy', '--directory', 'data'], /copy is not empty/],
    [['backup', 'other', '--directory', 'dat'], /dat has no store\.sqlite/],
    [['backup', 'other'], /--directory is missing/],
    [['backup', '--directory', 'data'], /into which folder/],
    [['restore', 'copy', '--directory', 'data'], /not understood: restore/],
    [[], /say what to do/],
  ]
  const before = tree(join(cwd, 'copy'))
  for (const [args, message] of wrong) {
    const { code, log } = await posttrain(['store', ...args], { cwd, env: {} })
    assert.equal(code, 2, args.join(' '))
    assert.match(log, message)
  }
  assert.deepEqual(tree(join(cwd, 'copy')), before)
  await assert.rejects(rm(join(cwd, 'other')), { code: 'ENOENT' })
})
