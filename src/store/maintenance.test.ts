import assert from 'node:assert/strict'
import { testStores } from './fixtures/stores.ts'
import { maintain, removeExpired, type NewRow, type Store } from './index.ts'

async function record({ db, write }: Store, id: string, expires_at: number | null): Promise<void> {
  const completion: NewRow<'completions'> = {
    id, created_at: 1, source: 'server', kind: 'chat', model: 'm', adapter_id: null, alias: null, user_id: 'u', conversation_id: 'c',
    prompt_json: '[]', prompt_hash: '', parameters_json: '{}', metadata_json: '{}', prompt_tokens: 1, completion_tokens: 1, expires_at,
  }
  const feedback: NewRow<'feedback'> = {
    id: `fb-${id}`, created_at: 1, completion_id: id, position: 0, name: 'thumbs', value_json: 'true', number: 1, tags_json: '{}',
    user_id: null, idempotency_key: null, superseded: 0,
  }
  await write(
    db.insertInto('completions').values(completion),
    db.insertInto('choices').values({ completion_id: id, position: 0, message_json: '{}', message_hash: '', finish_reason: 'stop' }),
    db.insertInto('feedback').values(feedback),
    db.insertInto('tags').values([
      { completion_id: id, feedback_id: '', key: 'a', value: '', created_at: 1 },
      { completion_id: id, feedback_id: `fb-${id}`, key: 'b', value: '', created_at: 1 },
    ]),
  )
}

async function remaining({ db }: Store): Promise<string[][]> {
  const [completions, ...others] = await Promise.all([
    db.selectFrom('completions').select('id as id').orderBy('id').execute(),
    ...(['choices', 'feedback', 'tags'] as const).map((table) => (
      db.selectFrom(table).select('completion_id as id').distinct().orderBy('completion_id').execute()
    )),
  ])
  return [completions, ...others].map((rows) => rows.map(({ id }) => id))
}

testStores('what has expired is forgotten with all that belongs to it, and nothing else', async (store) => {
  await record(store, 'for ever', null)
  await record(store, 'later', 1001)
  await Promise.all(Array.from({ length: 450 }, (_, i) => record(store, `old-${i}`, 1000 - i)))
  assert.equal(await removeExpired(store, 1000), 450)
  assert.deepEqual(await remaining(store), Array.from({ length: 4 }, () => ['for ever', 'later']))
  assert.equal(await removeExpired(store, 1000), 0)
})

testStores('maintenance begins at once, and has ended when it is stopped', async (store) => {
  await record(store, 'old', 1)
  await record(store, 'for ever', null)
  await maintain(store, (error) => { throw error }).stop()
  assert.deepEqual((await remaining(store))[0], ['for ever'])
})

testStores('a failure of maintenance is told, and thrown at no one', async (store) => {
  const failures: unknown[] = []
  const broken = { ...store, write: () => Promise.reject(new Error('no room')) }
  await record(store, 'old', 1)
  await maintain(broken, (error) => { failures.push(error) }).stop()
  assert.deepEqual(failures.map(String), ['Error: no room'])
})
