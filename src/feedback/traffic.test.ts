import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { testStores } from '../store/fixtures/stores.ts'
import { newId, type NewRow } from '../store/index.ts'
import { millisecondsPerHour as hour, trafficBetween } from './traffic.ts'

function completion(createdAt: number, values: Partial<NewRow<'completions'>> = {}): NewRow<'completions'> {
  return {
    id: newId('chatcmpl-'), created_at: createdAt, source: 'server', kind: 'chat', model: 'm', adapter_id: null, alias: null, user_id: null,
    conversation_id: 'c', prompt_json: '[]', prompt_hash: 'h', parameters_json: '{}', metadata_json: '{}', prompt_tokens: 7, completion_tokens: 3,
    expires_at: null, ...values,
  }
}

testStores('requests and tokens by hour, adapter and alias; what others answered is not counted', async (store) => {
  const from = 500_000 * hour
  const rows = [
    completion(from - 1), completion(from), completion(from + hour - 1), completion(from + hour, { adapter_id: 'a', alias: 'bot' }),
    completion(from + hour + 1, { adapter_id: 'a' }), completion(from + hour + 2, { source: 'logged' }), completion(from + 2 * hour),
  ]
  await store.write(store.db.insertInto('completions').values(rows))
  const traffic = await trafficBetween(store, from, 2)
  assert.deepEqual(traffic.toSorted((a, b) => a.start - b.start || String(a.alias).localeCompare(String(b.alias))), [
    { start: from, adapterId: null, alias: null, requests: 2, promptTokens: 14, completionTokens: 6 },
    { start: from + hour, adapterId: 'a', alias: 'bot', requests: 1, promptTokens: 7, completionTokens: 3 },
    { start: from + hour, adapterId: 'a', alias: null, requests: 1, promptTokens: 7, completionTokens: 3 },
  ])
})

testStores('counted without reading completions themselves', async (store) => {
  if (store.dialect !== 'sqlite') return
  const plan = await sql<{ detail: string }>`explain query plan select adapter_id, alias, count(*), sum(prompt_tokens), sum(completion_tokens)
    from completions indexed by completions_traffic where created_at >= 1 and source = 'server' group by adapter_id, alias`.execute(store.db)
  assert.match(plan.rows[0]!.detail, /COVERING INDEX completions_traffic/)
})
