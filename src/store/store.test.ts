import assert from 'node:assert/strict'
import { openStore } from './index.ts'
import { testDatabases } from './fixtures/stores.ts'

testDatabases('what was written is there after opening again', async (options) => {
  {
    await using store = await openStore(options)
    const changes = await store.write(
      store.db.insertInto('aliases').values({ name: 'bot', adapter_id: null, updated_at: 5 }),
      store.db.updateTable('aliases').set({ adapter_id: 'v1' }),
    )
    assert.deepEqual(changes, [1, 1])
  }
  await using store = await openStore(options)
  const rows = await store.db.selectFrom('aliases').selectAll().execute()
  assert.deepEqual(rows, [{ name: 'bot', adapter_id: 'v1', updated_at: 5 }])
})
