import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { Random } from '../random.ts'
import { testStores } from '../store/fixtures/stores.ts'
import type { Store } from '../store/index.ts'
import { Capture } from './capture.ts'
import { answered } from './fixtures/answered.ts'

const rowsOf = async (store: Store) => ({
  completions: (await store.db.selectFrom('completions').selectAll().orderBy('id').execute()).map((row) => ({ ...row })),
  choices: (await store.db.selectFrom('choices').selectAll().orderBy('completion_id').orderBy('position').execute()).map((row) => ({ ...row })),
  tags: (await store.db.selectFrom('tags').selectAll().orderBy('completion_id').orderBy('key').execute()).map((row) => ({ ...row })),
})

describe('capture', () => {
  testStores('a completion is stored with its answers and tags, redacted', async (store) => {
    const capture = new Capture(store, { retentionDays: 2 })
    await capture.record(answered({
      id: 'chatcmpl-1',
      createdAt: 1000,
      user: 'jane@example.com',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'I am ' }, { type: 'text', text: 'jane@example.com' }] }],
      choices: [{ message: { role: 'assistant', content: 'Hello, jane@example.com', refusal: null }, finishReason: 'stop' }],
      parameters: { temperature: 0, stop: ['jane@example.com'] },
      metadata: { page: 'help', mail: 'jane@example.com' },
    }))
    const { completions, choices, tags } = await rowsOf(store)
    assert.equal(completions.length, 1)
    const [row] = completions
    assert.equal(row!.prompt_json, '[{"role":"user","content":"I am [EMAIL]"}]')
    assert.equal(row!.parameters_json, '{"temperature":0,"stop":["[EMAIL]"]}')
    assert.match(row!.user_id!, /^sha256-/)
    assert.equal(row!.expires_at, 1000 + 2 * 86_400_000)
    assert.deepEqual(choices.map(({ message_json: message }) => message), ['{"role":"assistant","content":"Hello, [EMAIL]"}'])
    assert.deepEqual(tags.map(({ key, value }) => [key, value]), [['mail', '[EMAIL]'], ['page', 'help']])
    assert.doesNotMatch(JSON.stringify([completions, choices, tags]), /jane@/)
  })

  testStores('later turns of a conversation have its id; another user has another', async (store) => {
    const capture = new Capture(store)
    const first = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hi' }]
    const later = [...first, { role: 'assistant', content: 'Hello' }, { role: 'user', content: 'Bye' }]
    await capture.record(answered({ id: 'a', user: 'u1', messages: first }))
    await capture.record(answered({ id: 'b', user: 'u1', messages: later }))
    await capture.record(answered({ id: 'c', user: 'u2', messages: first }))
    await capture.record(answered({ id: 'd', user: 'u2', messages: first, metadata: { conversation_id: 'mine' } }))
    const ids = (await rowsOf(store)).completions.map(({ conversation_id: id }) => id)
    assert.equal(ids[0], ids[1])
    assert.notEqual(ids[0], ids[2])
    assert.equal(ids[3], 'mine')
  })

  testStores('the same id again changes nothing', async (store) => {
    const capture = new Capture(store)
    await capture.record(answered({ id: 'a', metadata: { k: '1' } }))
    const before = await rowsOf(store)
    await capture.record(answered({ id: 'a', metadata: { k: '2' }, messages: [{ role: 'user', content: 'other' }] }))
    assert.deepEqual(await rowsOf(store), before)
    assert.deepEqual(capture.counts, { recorded: 2, failed: 0 })
  })

  testStores('SQL, HTML and any character are texts', async (store) => {
    const text = `'); DROP TABLE completions; -- "x" <script>alert(1)</script> \u{1F600} \u0000 \ud800 \u202e`
    await new Capture(store).record(answered({ id: 'a', messages: [{ role: 'user', content: text }], metadata: { [text.slice(0, 20)]: '<b>' } }))
    const [row] = (await rowsOf(store)).completions
    assert.deepEqual(JSON.parse(row!.prompt_json!), [{ role: 'user', content: text }])
  })

  testStores('the longest texts that can be searched by fit the indexes', async (store) => {
    const random = new Random(5)
    const long = (length: number): string => Array.from({ length }, () => String.fromCharCode(0x4e00 + random.below(20_000))).join('')
    const capture = new Capture(store, { redaction: { enabled: false } })
    const metadata = Object.fromEntries(Array.from({ length: 16 }, () => [long(64), long(512)]))
    await capture.record(answered({ id: long(200), user: long(512), model: long(200), alias: long(200), adapterId: long(200), metadata: { ...metadata, conversation_id: long(512) } }))
    assert.deepEqual(capture.counts, { recorded: 1, failed: 0 })
    assert.equal((await rowsOf(store)).tags.length, 17)
  })

  testStores('what cannot be stored is counted and logged, and fails no answer', async (store) => {
    const messages: string[] = []
    const capture = new Capture({ ...store, write: () => Promise.reject(new Error('disk full')) }, { log: (message) => messages.push(message) })
    await capture.record(answered({ id: 'a' }))
    assert.deepEqual(capture.counts, { recorded: 0, failed: 1 })
    assert.deepEqual(messages, ['completion a was not stored: disk full'])
  })

  testStores('store: false opts out, the setting turns all off', async (store) => {
    const on = new Capture(store)
    assert.deepEqual([on.wants(undefined), on.wants(null), on.wants(true), on.wants(false)], [true, true, true, false])
    assert.equal(new Capture(store, { enabled: false }).wants(true), false)
  })
})
