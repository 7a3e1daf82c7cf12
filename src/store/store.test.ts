import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openStore } from './index.ts'

test('what was written is there after opening again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'store-'))
  try {
    {
      await using store = await openStore({ directory })
      const changes = await store.write(
        store.db.insertInto('aliases').values({ name: 'bot', adapter_id: null, updated_at: 5 }),
        store.db.updateTable('aliases').set({ adapter_id: 'v1' }),
      )
      assert.deepEqual(changes, [1, 1])
    }
    await using store = await openStore({ directory })
    const rows = await store.db.selectFrom('aliases').selectAll().execute()
    assert.deepEqual(rows.map((row) => ({ ...row })), [{ name: 'bot', adapter_id: 'v1', updated_at: 5 }])
  } finally {
    await rm(directory, { recursive: true })
  }
})
