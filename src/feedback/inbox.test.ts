import assert from 'node:assert/strict'
import { CompiledQuery } from 'kysely'
import { testStores } from '../store/fixtures/stores.ts'
import type { Store } from '../store/index.ts'
import { Capture } from './capture.ts'
import { conditionsOf, type CompletionFilter } from './completion-filter.ts'
import { FeedbackLog } from './feedback.ts'
import { answered } from './fixtures/answered.ts'
import { storeMany } from './fixtures/many.ts'
import { countInbox, inboxFacets, mostCounted } from './inbox-counts.ts'
import { listInbox, mostSearched, pageQuery } from './inbox.ts'
import { feedbackBody } from './values.ts'

interface Inbox {
  readonly capture: Capture
  readonly say: (body: object) => Promise<unknown>
  readonly find: (filter: CompletionFilter) => Promise<string>
}

function inbox(store: Store): Inbox {
  const capture = new Capture(store)
  const log = new FeedbackLog(store, capture.redactor)
  return {
    capture,
    say: (body) => log.add(feedbackBody.parse(body)),
    find: async (filter) => {
      const { items } = await listInbox(store, capture.redactor, { filter, limit: 200 })
      return items.map(({ completion }) => completion.id).join(' ')
    },
  }
}

testStores('each filter lets its completions through, the newest first', async (store) => {
  const { capture, say, find } = inbox(store)
  const at = (id: string, minute: number, more: object) =>
    capture.record(answered({ id, createdAt: Date.UTC(2026, 0, 1, 0, minute), ...more }))
  await at('a', 1, { alias: 'bot', adapterId: 'v1', model: 'bot', user: 'u1', metadata: { team: 'billing' } })
  await at('b', 2, { model: 'base', source: 'logged', user: 'jane@example.com' })
  await at('c', 3, { alias: 'bot', adapterId: 'v2', model: 'bot', metadata: { team: 'returns' } })
  await say({ completion_id: 'a', name: 'thumbs', value: true })
  await say({ completion_id: 'a', name: 'thumbs', value: false })
  await say({ completion_id: 'b', name: 'rating', value: 2, tags: { topic: 'price' } })
  await say({ completion_id: 'b', name: 'comment', value: 'Too dear' })
  await say({ completion_id: 'later', name: 'thumbs', value: true })
  const cases: readonly [filter: CompletionFilter, found: string][] = [
    [{}, 'c b a'], [{ from: '2026-01-01T00:02:00Z' }, 'c b'], [{ to: '2026-01-01T00:02:00Z' }, 'a'], [{ alias: 'bot' }, 'c a'],
    [{ adapter: 'v1' }, 'a'], [{ adapter: null }, 'b'], [{ model: 'base' }, 'b'], [{ user: 'jane@example.com' }, 'b'], [{ source: 'logged' }, 'b'],
    [{ tags: { team: 'returns' } }, 'c'], [{ tags: { team: 'returns', page: 'x' } }, ''], [{ unlabelled: true }, 'c'], [{ unlabelled: false }, 'b a'],
    [{ has_comment: true }, 'b'], [{ has_comment: false }, 'c a'], [{ feedback: { name: 'thumbs' } }, 'a'],
    // The later thumb took the place of the first.
    [{ feedback: { name: 'thumbs', value: true } }, ''], [{ feedback: { name: 'thumbs', value: false } }, 'a'],
    [{ feedback: { name: 'rating', max: 2, tags: { topic: 'price' } } }, 'b'], [{ feedback: { name: 'rating', min: 3 } }, ''],
    [{ alias: 'bot', unlabelled: true, from: '2026-01-01' }, 'c'],
  ]
  for (const [filter, found] of cases) assert.equal(await find(filter), found, JSON.stringify(filter))
})

testStores('a text is found in what was asked, answered and said, as it is and nowhere else', async (store) => {
  const { capture, say, find } = inbox(store)
  await capture.record(answered({ id: 'a', createdAt: 1, messages: [{ role: 'user', content: 'Is "50%" of MY_PARCEL lost?\nReally?' }] }))
  await capture.record(answered({ id: 'b', createdAt: 2, choices: [{ message: { role: 'assistant', content: 'Größe und Menge: 50 Stück' }, finishReason: 'stop' }] }))
  await capture.record(answered({ id: 'c', createdAt: 3 }))
  await say({ completion_id: 'c', name: 'comment', value: 'Leaves out the Invoice' })
  await say({ completion_id: 'b', name: 'correction', value: 'It is a teapot.' })
  const cases: readonly [text: string, found: string][] = [
    ['my_parcel', 'a'], ['MY_PARCEL', 'a'], ['my parcel', ''], ['"50%"', 'a'], ['50', 'b a'], ['5%0', ''], ['lost?\nReally', 'a'], ['Größe', 'b'], ['invoice', 'c'],
    ['teapot', 'b'], ['\\', ''], ['!', ''],
    // Words of the form in which messages are stored.
    ['user', ''], ['assistant', ''], ['content', ''], ['role', ''],
  ]
  for (const [text, found] of cases) assert.equal(await find({ text }), found, text)
  const { redactor } = capture
  assert.equal((await countInbox(store, redactor, { text: '50' })).completions.count, 2)
  assert.equal((await countInbox(store, redactor, { text: '50' })).corrections.count, 1)
})

testStores('pages follow each other while completions arrive and go', async (store) => {
  const { capture } = inbox(store)
  const { redactor } = capture
  // Some at the same moment.
  for (let i = 0; i < 10; i++) await capture.record(answered({ id: `c${i}`, createdAt: 1000 + Math.floor(i / 3) }))
  const seen: string[] = []
  for (let after: string | undefined, page = 0; page < 10; page++) {
    const { items, next } = await listInbox(store, redactor, { filter: {}, after, limit: 3 })
    seen.push(...items.map(({ completion }) => completion.id))
    await capture.record(answered({ id: `new-${page}`, createdAt: 5000 + page }))
    // The row at which the page ended.
    await store.write(store.db.deleteFrom('completions').where('id', '=', seen.at(-1)!))
    if (next === null) break
    after = next
  }
  assert.deepEqual(seen, ['c9', 'c8', 'c7', 'c6', 'c5', 'c4', 'c3', 'c2', 'c1', 'c0'])
  await assert.rejects(listInbox(store, redactor, { filter: {}, after: 'c3', limit: 3 }), /after/)
})

testStores('of many completions nothing is counted, searched or scanned without bounds', async (store) => {
  const { capture: { redactor } } = inbox(store)
  const all = mostSearched + 100
  await storeMany(store, all)
  const counts = await countInbox(store, redactor, {})
  assert.deepEqual(counts.completions, { count: mostCounted, exact: false })
  assert.deepEqual(counts.thumbs_up, { count: all / 20, exact: true })
  assert.deepEqual((await countInbox(store, redactor, { model: 'odd' })).thumbs_down, { count: 0, exact: true })
  // 500 to 599 and 5000 to 5999; 5 and 50 to 59 are older than what is searched.
  assert.deepEqual((await countInbox(store, redactor, { text: 'question 5' })).completions, { count: 1100, exact: true })

  // The oldest one is beyond what one call searches: its page is empty, and says where the next one begins.
  const first = await listInbox(store, redactor, { filter: { text: 'Question 7"' }, limit: 10 })
  assert.deepEqual(first.items, [])
  const second = await listInbox(store, redactor, { filter: { text: 'Question 7' }, limit: 3, after: first.next! })
  assert.deepEqual(second.items.map(({ completion }) => completion.id), ['many-79', 'many-78', 'many-77'])

  const cursor = { created_at: 1_700_000_000_000 + 9_000_000, id: 'many-9000' }
  for (const filter of [{}, { model: 'even' }, { from: 1_700_000_500 }, { unlabelled: true }, { feedback: { name: 'thumbs', value: true } }] as const) {
    for (const at of [undefined, cursor]) {
      const plan = await planOf(store, pageQuery(store, conditionsOf(filter, redactor), at, 51).compile())
      assert.doesNotMatch(plan, /SCAN completions(?! USING)|Seq Scan on completions/, JSON.stringify(filter))
      // In the list's own order, or from the few that have such feedback.
      assert.match(plan, 'feedback' in filter ? /feedback_filter|completions_by_created_at/ : /completions_by_\w*created_at/, `${JSON.stringify(filter)} ${plan}`)
    }
  }
})

async function planOf({ db, dialect }: Store, { sql, parameters }: CompiledQuery): Promise<string> {
  const explain = dialect === 'sqlite' ? 'explain query plan' : 'explain'
  const { rows } = await db.executeQuery<Record<string, unknown>>(CompiledQuery.raw(`${explain} ${sql}`, [...parameters]))
  return rows.map((row) => String(row['detail'] ?? row['QUERY PLAN'])).join('\n')
}

testStores('what there is to filter by is counted among the newest', async (store) => {
  const { capture, say } = inbox(store)
  for (const [i, team] of ['billing', 'billing', 'returns'].entries()) {
    await capture.record(answered({ id: `c${i}`, alias: i === 0 ? 'bot' : null, metadata: { team, conversation_id: `k${i}` } }))
  }
  await say({ completion_id: 'c1', name: 'resolved', value: true })
  const { models, aliases, adapters, sources, feedback, tags } = await inboxFacets(store)
  assert.deepEqual({ models, aliases, adapters, sources, feedback, tags }, {
    models: [{ value: 'base', count: 3 }], aliases: [{ value: 'bot', count: 1 }], adapters: [], sources: [{ value: 'server', count: 3 }],
    feedback: [{ value: 'resolved', count: 1 }], tags: [{ key: 'team', values: [{ value: 'billing', count: 2 }, { value: 'returns', count: 1 }] }],
  })
})
