import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Capture } from '../../feedback/capture.ts'
import { answered } from '../../feedback/fixtures/answered.ts'
import { storeMany } from '../../feedback/fixtures/many.ts'
import { openStore } from '../../store/index.ts'
import { testDatabases, testStores } from '../../store/fixtures/stores.ts'
import type { Store } from '../../store/index.ts'
import type { ErrorBody } from '../errors.ts'
import { callRoutes, type Call } from '../fixtures/routes.ts'
import { needOf } from '../scopes.ts'
import { datasetRoutes } from './datasets.ts'
import { feedbackRoutes } from './feedback.ts'
import type {
  WireConversation, WireFeedbackBatch, WireInboxCounts, WireInboxItem, WireInboxPage, WireLabelled, WirePreview,
} from './inbox-wire.ts'
import { inboxRoutes } from './inbox.ts'

function session(store: Store): { readonly capture: Capture; readonly call: Call } {
  const capture = new Capture(store)
  return { capture, call: callRoutes([inboxRoutes, feedbackRoutes, datasetRoutes], { store, capture }) }
}

const user = (content: string) => ({ role: 'user', content })
const assistant = (content: string) => ({ role: 'assistant', content })
const choice = (content: string) => ({ message: assistant(content), finishReason: 'stop' })

test('the inbox is for those who may read feedback', () => {
  for (const [method, path] of [['GET', '/v1/inbox'], ['POST', '/v1/inbox/label'], ['GET', '/v1/inbox/conversations/c'], ['POST', '/v1/feedback/batch']]) {
    assert.equal(needOf(method!, path!), 'feedback')
  }
})

testStores('a filter may be a body or a query, and says what is wrong with it', async (store) => {
  const { capture, call } = session(store)
  await capture.record(answered({ id: 'c1', alias: 'bot' }))
  await capture.record(answered({ id: 'c2' }))
  const filter = { alias: 'bot' }
  const inAddress = `filter=${encodeURIComponent(JSON.stringify(filter))}`
  for (const page of [await call<WireInboxPage>('POST', '/v1/inbox', { filter }), await call<WireInboxPage>('GET', `/v1/inbox?${inAddress}&limit=7`)]) {
    assert.deepEqual([page.status, page.body.data.map(({ id }) => id), page.body.has_more, page.body.next], [200, ['c1'], false, null])
  }
  for (const counts of [await call<WireInboxCounts>('POST', '/v1/inbox/counts', { filter }), await call<WireInboxCounts>('GET', `/v1/inbox/counts?${inAddress}`)]) {
    assert.deepEqual(counts.body.completions, { count: 1, exact: true })
    assert.equal(counts.body.searched, null)
  }
  const wrong: readonly [method: string, path: string, body: unknown, param: string | null][] = [
    ['POST', '/v1/inbox', { filter: { alais: 'bot' } }, 'filter.alais'], ['POST', '/v1/inbox', { filter: { from: 'soon' } }, 'filter.from'],
    ['POST', '/v1/inbox', { filter: { text: '' } }, 'filter.text'], ['POST', '/v1/inbox', { limit: 1000 }, 'limit'], ['POST', '/v1/inbox', { after: 'c1' }, null],
    ['GET', '/v1/inbox?filter={', undefined, 'filter'], ['GET', '/v1/inbox?filter=[]', undefined, 'filter'], ['GET', '/v1/inbox?colour=red', undefined, 'colour'],
    ['GET', '/v1/inbox?limit=many', undefined, 'limit'],
  ]
  for (const [method, path, body, param] of wrong) {
    const { status, body: { error } } = await call<ErrorBody>(method, path, body)
    assert.deepEqual([status, error.param], [400, param], `${path} ${JSON.stringify(body)}: ${error.message}`)
  }
})

testStores('a list has the beginnings of long texts; an item by itself is whole', async (store) => {
  const { capture, call } = session(store)
  const long = 'word '.repeat(5000)
  const messages = Array.from({ length: 9 }, (_, i) => (i % 2 === 0 ? user(`question ${i}`) : assistant(`answer ${i}`)))
  await capture.record(answered({ id: 'c1', messages: [...messages.slice(0, 8), user(long)], choices: [choice(long)] }))
  const [listed] = (await call<WireInboxPage>('GET', '/v1/inbox')).body.data
  assert.deepEqual([listed!.cut, listed!.messages_before, listed!.messages.length], [true, 6, 3])
  assert.ok(JSON.stringify(listed).length < 6000)
  const { body: whole } = await call<WireInboxItem>('GET', '/v1/inbox/completions/c1')
  assert.deepEqual([whole.cut, whole.messages_before, whole.messages.length, whole.choices[0]!.message!.content], [false, 0, 9, long])
  assert.equal((await call('GET', '/v1/inbox/completions/none')).status, 404)
})

testStores('a conversation tells each message once, with what was said of each answer', async (store) => {
  const { capture, call } = session(store)
  const metadata = { conversation_id: 'k' }
  const record = (id: string, createdAt: number, messages: ReturnType<typeof user>[], answer: string) =>
    capture.record(answered({ id, createdAt, messages, choices: [choice(answer)], metadata }))
  await record('first', 1000, [user('Hi')], 'Hello')
  await record('again', 2000, [user('Hi')], 'Good day')
  await record('second', 3000, [user('Hi'), assistant('Hello'), user('And now?')], 'Now this')
  await record('edited', 4000, [user('Hi'), assistant('Something else'), user('And then?')], 'Then that')
  await record('fresh', 5000, [user('Another matter')], 'Yes')
  await call('POST', '/v1/feedback', { completion_id: 'second', name: 'comment', value: 'good' })
  const { body } = await call<WireConversation>('GET', '/v1/inbox/conversations/k')
  assert.deepEqual(body.turns.map(({ id, parent, messages_before: before, messages }) => [id, parent, before, messages.map(({ content }) => content)]), [
    ['first', null, 0, ['Hi']],
    ['again', null, 0, ['Hi']],
    ['second', 'first', 2, ['And now?']],
    ['edited', 'again', 1, ['Something else', 'And then?']],
    ['fresh', null, 0, ['Another matter']],
  ])
  assert.deepEqual(body.turns[2]!.feedback.map(({ value }) => value), ['good'])
  assert.deepEqual([body.has_earlier, body.has_later], [false, false])
  assert.equal((await call('GET', '/v1/inbox/conversations/k?around=first')).status, 200)
  assert.equal((await call('GET', '/v1/inbox/conversations/none')).status, 404)
  assert.equal((await call('GET', '/v1/inbox/conversations/k?around=none')).status, 404)
})

testStores('of a very long conversation the turns around one are read', async (store) => {
  const { call } = session(store)
  await storeMany(store, 300)
  await store.write(store.db.updateTable('completions').set({ conversation_id: 'everyone' }))
  const ids = async (query: string): Promise<readonly [string, string, boolean, boolean]> => {
    const { turns, has_earlier: earlier, has_later: later } = (await call<WireConversation>('GET', `/v1/inbox/conversations/everyone${query}`)).body
    return [turns[0]!.id, turns.at(-1)!.id, earlier, later]
  }
  assert.deepEqual(await ids(''), ['many-241', 'many-300', true, false])
  assert.deepEqual(await ids('?around=many-100'), ['many-41', 'many-120', true, true])
  assert.deepEqual(await ids('?around=many-10'), ['many-1', 'many-30', false, true])
})

testStores('all that match are labelled, once, and no more than were seen', async (store) => {
  const { capture, call } = session(store)
  for (let i = 0; i < 5; i++) await capture.record(answered({ id: `c${i}`, alias: i < 3 ? 'bot' : null, user: 'u1' }))
  await call('POST', '/v1/feedback', { completion_id: 'c0', name: 'thumbs', value: true })
  const say = { filter: { alias: 'bot' }, name: 'thumbs', value: 'down', user: 'studio', expected: 3, idempotency_key: 'k' }
  const label = (body: object) => call<WireLabelled>('POST', '/v1/inbox/label', body)
  assert.deepEqual((await label(say)).body, { object: 'inbox.labelled', matched: 3, created: 3, existing: 0 })
  assert.deepEqual((await label(say)).body, { object: 'inbox.labelled', matched: 3, created: 0, existing: 3 })
  const { body } = await call<WireInboxCounts>('POST', '/v1/inbox/counts', { filter: {} })
  // The user's own word still holds beside the label.
  assert.deepEqual([body.thumbs_up.count, body.thumbs_down.count], [1, 3])
  await capture.record(answered({ id: 'new', alias: 'bot' }))
  assert.equal((await label({ ...say, idempotency_key: 'k2' })).status, 422)
  assert.equal((await call<WireInboxCounts>('POST', '/v1/inbox/counts', {})).body.thumbs_down.count, 3)
  for (const [change, param] of [[{ name: 'correction', value: 'x' }, 'name'], [{ value: 'maybe' }, 'value'], [{ expected: 100_000 }, 'expected']] as const) {
    const wrong = await call<ErrorBody>('POST', '/v1/inbox/label', { ...say, ...change })
    assert.deepEqual([wrong.status, wrong.body.error.param], [400, param])
  }
})

testStores('more than may be labelled at once are not', async (store) => {
  const { call } = session(store)
  await storeMany(store, 10_001)
  const say = { filter: {}, name: 'comment', value: 'x', expected: 10_000, idempotency_key: 'k' }
  const { status, body } = await call<ErrorBody>('POST', '/v1/inbox/label', say)
  assert.deepEqual([status, /More than 10000/.test(body.error.message)], [422, true])
  assert.equal((await call<WireInboxCounts>('GET', '/v1/inbox/counts')).body.comments.count, 0)
})

testDatabases('a batch stores what is right in it, names what is wrong, and is there after a restart', async (options) => {
  const batch = [
    { completion_id: 'c1', name: 'thumbs', value: true, idempotency_key: 'one' },
    { completion_id: 'c1', name: 'thumbs', value: 'maybe' },
    { completion_id: 'c1', name: 'thumbs', value: false },
    { completion_id: 'c1', name: 'rating', value: 3, choice_index: 4 },
    'no feedback',
    { completion_id: 'c1', name: 'thumbs', value: true, idempotency_key: 'one' },
    { completion_id: 'c1', name: 'thumbs', value: false, idempotency_key: 'one' },
    { completion_id: 'later', name: 'comment', value: 'early' },
  ]
  {
    await using store = await openStore(options)
    const { capture, call } = session(store)
    await capture.record(answered({ id: 'c1' }))
    const { status, body } = await call<WireFeedbackBatch>('POST', '/v1/feedback/batch', { items: batch })
    assert.deepEqual([status, body.created, body.existing, body.failed], [200, 3, 1, 4])
    const told = body.results.map((result) => (result.status === 'failed' ? result.error.param ?? result.error.code : result.status))
    assert.deepEqual(told, ['created', 'value', 'created', 'choice_index', 'invalid_value', 'existing', 'conflict', 'created'])
    assert.deepEqual(body.results.map(({ index }) => index), [0, 1, 2, 3, 4, 5, 6, 7])
    const again = (await call<WireFeedbackBatch>('POST', '/v1/feedback/batch', { items: batch.slice(0, 1) })).body
    assert.deepEqual([again.created, again.existing], [0, 1])
    assert.equal((await call('POST', '/v1/feedback/batch', { items: [] })).status, 400)
    assert.equal((await call('POST', '/v1/feedback/batch', { items: Array.from({ length: 1001 }, () => batch[0]) })).status, 400)
  }
  await using store = await openStore(options)
  const rows = await store.db.selectFrom('feedback').select(['name', 'value_json', 'superseded']).orderBy('name').orderBy('superseded').execute()
  // The later thumb of the batch holds.
  assert.deepEqual(rows.map(({ name, value_json: value, superseded }) => [name, value, superseded]), [['comment', '"early"', 0], ['thumbs', 'false', 0], ['thumbs', 'true', 1]])
})

testStores('a thousand are stored in one call', async (store) => {
  const { call } = session(store)
  const items = Array.from({ length: 1000 }, (_, i) => ({ completion_id: `c${i}`, name: 'thumbs', value: i % 2 === 0, tags: { n: `${i}` } }))
  assert.equal((await call<WireFeedbackBatch>('POST', '/v1/feedback/batch', { items })).body.created, 1000)
  assert.equal((await store.db.selectFrom('feedback').select('id').execute()).length, 1000)
})

testStores('a preview says what the dataset will be', async (store) => {
  const { capture, call } = session(store)
  for (let i = 0; i < 12; i++) {
    await capture.record(answered({ id: `c${i}`, user: `u${i}`, alias: i < 10 ? 'bot' : null, choices: [{ message: assistant(`Answer ${i}`), finishReason: i === 3 ? 'length' : 'stop' }] }))
    await call('POST', '/v1/feedback', { completion_id: `c${i}`, name: 'thumbs', value: i % 2 === 1 })
  }
  await call('POST', '/v1/feedback', { completion_id: 'c1', name: 'thumbs', value: false, user: 'studio' })
  const spec = { kind: 'labelled', filter: { alias: 'bot' }, eval_fraction: 0.2 }
  const { body: preview } = await call<WirePreview>('POST', '/v1/inbox/preview', spec)
  assert.equal((await store.db.selectFrom('datasets').select('id').execute()).length, 0)
  const { report } = (await call<{ report: Record<string, unknown> }>('POST', '/v1/datasets', { name: 'd', ...spec })).body
  assert.deepEqual([preview.rows, preview.splits, preview.origins, preview.dropped, preview.duplicates, preview.warnings],
    [report['rows'], report['splits'], report['origins'], report['dropped'], report['duplicates'], report['warnings']])
  assert.deepEqual([preview.rows, preview.contradictions, preview.dropped['cut_off'], preview.complete], [8, 2, 1, true])
  assert.equal((await call<WirePreview>('POST', '/v1/inbox/preview', { kind: 'pairs' })).body.rows, 0)
})
