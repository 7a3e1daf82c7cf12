import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { testDatabases } from './fixtures/stores.ts'
import { openStore, type Store, type StoreOptions } from './index.ts'

const writer = join(import.meta.dirname, 'fixtures/writer.ts')

/** Lets a process write and kills it `milliseconds` after it has opened the store. @returns the writes that it was told are done */
async function writeUntilKilled(options: StoreOptions, first: number, milliseconds: number): Promise<number[]> {
  const child = spawn(process.execPath, [writer, JSON.stringify(options), String(first)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged: number[] = []
  let killed: Promise<void> | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== 'open') acknowledged.push(Number(line))
    killed ??= sleep(milliseconds).then(() => { child.kill('SIGKILL') })
  }
  await killed
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return acknowledged
}

async function numbers(store: Store, table: 'tags' | 'choices'): Promise<Set<number>> {
  const rows = await store.db.selectFrom(table).select('completion_id').execute()
  return new Set(rows.map(({ completion_id }) => Number(completion_id)))
}

testDatabases('kill -9 at any moment: every acknowledged write is there, and none is half done', async (options) => {
  {
    await using store = await openStore(options)
    await store.write(store.db.insertInto('aliases').values({ name: 'count', adapter_id: null, updated_at: 0 }))
  }
  const acknowledged: number[] = []
  for (let round = 0; round < 6; round++) {
    acknowledged.push(...await writeUntilKilled(options, round * 1_000_000, Math.random() * 300))
    await using store = await openStore(options)
    const [tags, choices] = [await numbers(store, 'tags'), await numbers(store, 'choices')]
    assert.deepEqual(acknowledged.filter((n) => !tags.has(n)), [], 'acknowledged and lost')
    assert.equal(choices.symmetricDifference(tags).size, 0, 'half done')
    const { updated_at } = await store.db.selectFrom('aliases').select('updated_at').where('name', '=', 'count').executeTakeFirstOrThrow()
    assert.equal(updated_at, tags.size)
  }
  assert.ok(acknowledged.length > 0, 'the writers wrote something')
})
