import assert from 'node:assert/strict'
import { Capture } from '../../feedback/capture.ts'
import { answered } from '../../feedback/fixtures/answered.ts'
import { testStores } from '../../store/fixtures/stores.ts'
import type { Store } from '../../store/index.ts'
import type { ErrorBody } from '../errors.ts'
import { callRoutes, type Call } from '../fixtures/routes.ts'
import { feedbackRoutes } from './feedback.ts'

interface Feedback {
  readonly id: string
  readonly completion_id: string
  readonly choice_index: number
  readonly name: string
  readonly value: unknown
  readonly tags: Readonly<Record<string, string>>
  readonly user: string | null
  readonly superseded: boolean
  readonly completion: 'known' | 'unknown'
}

interface Session {
  readonly capture: Capture
  readonly call: Call
  readonly send: (body: unknown, headers?: Record<string, string>) => Promise<{ status: number; body: Feedback }>
  readonly all: (query?: string) => Promise<readonly Feedback[]>
}

function session(store: Store): Session {
  const capture = new Capture(store)
  const call = callRoutes([feedbackRoutes], { store, capture })
  return {
    capture,
    call,
    send: (body, headers) => call<Feedback>('POST', '/v1/feedback', body, headers),
    all: async (query = '') => (await call<{ data: Feedback[] }>('GET', `/v1/feedback?order=asc&${query}`)).body.data,
  }
}

const two = [1, 2].map((n) => ({ message: { role: 'assistant', content: `answer ${n}` }, finishReason: 'stop' }))

testStores('each kind of feedback is stored in one form', async (store) => {
  const { capture, send } = session(store)
  await capture.record(answered({ id: 'c1', choices: two }))
  await capture.record(answered({ id: 'c2', messages: [{ role: 'user', content: 'What is c1?' }] }))
  const cases: readonly [name: string, value: unknown, stored: unknown][] = [
    ['thumbs', 'up', true], ['thumbs', 0, false], ['thumbs', true, true], ['rating', 4.5, 4.5], ['comment', 'fine <b>', 'fine <b>'],
    ['correction', 'Better', { role: 'assistant', content: 'Better' }],
    ['correction', { content: [{ type: 'text', text: 'x' }], role: 'assistant' }, undefined],
    ['choice', { chosen: 1, rejected: 0 }, { chosen: { completion_id: 'c1', choice_index: 1 }, rejected: { completion_id: 'c1', choice_index: 0 } }],
    ['choice', { chosen: 'c2', rejected: { completion_id: 'c1', choice_index: 1 } },
      { chosen: { completion_id: 'c2', choice_index: 0 }, rejected: { completion_id: 'c1', choice_index: 1 } }],
    ['resolved', true, true], ['minutes', 12.5, 12.5], ['topic', 'billing', 'billing'],
  ]
  for (const [name, value, stored] of cases) {
    const { status, body } = await send({ completion_id: 'c1', name, value })
    if (stored === undefined) assert.equal(status, 400)
    else {
      assert.equal(status, 201, JSON.stringify(body))
      assert.deepEqual(body.value, stored)
      assert.equal(body.completion, 'known')
    }
  }
  const numbers = await store.db.selectFrom('feedback').select(['name', 'number']).where('number', 'is not', null).orderBy('id').execute()
  assert.deepEqual(numbers.map(({ name, number }) => [name, number]), [
    ['thumbs', 1], ['thumbs', 0], ['thumbs', 1], ['rating', 4.5], ['resolved', 1], ['minutes', 12.5],
  ])
})

testStores('what is wrong is named', async (store) => {
  const { capture, call } = session(store)
  await capture.record(answered({ id: 'c1', choices: two }))
  await capture.record(answered({ id: 'other' }))
  await capture.record(answered({ id: 'hers', user: 'u2', messages: [{ role: 'user', content: 'What is c1?' }] }))
  const cases: readonly [body: Record<string, unknown>, param: string][] = [
    [{ name: 'thumbs', value: true, completion_id: 7 }, 'completion_id'],
    [{ name: 'thumbs', value: 'maybe' }, 'value'], [{ name: 'rating', value: 6 }, 'value'], [{ name: 'rating', value: '5' }, 'value'],
    [{ name: 'comment', value: '' }, 'value'], [{ name: 'correction', value: { role: 'user', content: 'x' } }, 'value.role'],
    [{ name: 'thumbs' }, 'value'], [{ name: 'a\nb', value: true }, 'name'], [{ name: 'own', value: {} }, 'value'],
    [{ name: 'thumbs', value: true, choice_index: 2 }, 'choice_index'], [{ name: 'thumbs', value: true, choice_index: -1 }, 'choice_index'],
    [{ name: 'choice', value: { chosen: 1, rejected: 1 } }, 'value'], [{ name: 'choice', value: { chosen: 1, rejected: 5 } }, 'value.rejected'],
    [{ name: 'choice', value: { chosen: 'other', rejected: 0 } }, 'value'], [{ name: 'choice', value: { chosen: 'hers', rejected: 0 } }, 'value'],
    [{ name: 'choice', value: { chosen: 'other', rejected: 'hers' } }, 'value'],
    [{ name: 'thumbs', value: true, tags: { a: 1 } }, 'tags.a'], [{ name: 'thumbs', value: true, colour: 1 }, 'colour'],
  ]
  for (const [body, param] of cases) {
    const answer = await call<ErrorBody>('POST', '/v1/feedback', { completion_id: 'c1', ...body })
    assert.deepEqual([answer.status, answer.body.error.param], [400, param], `${JSON.stringify(body)}: ${answer.body.error.message}`)
  }
  assert.equal((await store.db.selectFrom('feedback').select('id').execute()).length, 0)
})

testStores('feedback before its completion waits for it, and takes any completion id', async (store) => {
  const { capture, send, all } = session(store)
  const early = await send({ completion_id: 'chatcmpl-later', name: 'thumbs', value: true })
  assert.deepEqual([early.status, early.body.completion], [201, 'unknown'])
  await capture.record(answered({ id: 'chatcmpl-later' }))
  const late = await send({ completion_id: 'chatcmpl-later', name: 'comment', value: 'late' })
  assert.deepEqual([late.status, late.body.completion], [201, 'known'])
  assert.equal((await all('completion_id=chatcmpl-later')).length, 2)
})

testStores('the same idempotency key again is the same feedback; with another body a conflict', async (store) => {
  const { send, all } = session(store)
  const body = { completion_id: 'c', name: 'thumbs', value: true, tags: ['a'], idempotency_key: 'k1' }
  const [first, ...again] = await Promise.all([send(body), send(body), send(body)])
  const ids = new Set([first, ...again].map(({ body: { id } }) => id))
  assert.equal(ids.size, 1)
  assert.deepEqual([first, ...again].map(({ status }) => status).toSorted(), [200, 200, 201])
  assert.equal((await send({ ...body, value: false })).status, 409)
  assert.equal((await send({ completion_id: 'c', name: 'thumbs', value: false }, { 'Idempotency-Key': 'k1' })).status, 409)
  const stored = await all()
  assert.equal(stored.length, 1)
  assert.deepEqual(stored[0]!.tags, { a: '' })
  assert.equal((await store.db.selectFrom('tags').selectAll().execute()).length, 1)
})

testStores('the latest word of a user counts; comments and other users stand', async (store) => {
  const { capture, send, all } = session(store)
  await capture.record(answered({ id: 'c1', choices: two, user: 'u1' }))
  const say = (name: string, value: unknown, more = {}) => send({ completion_id: 'c1', name, value, ...more })
  await say('thumbs', true)
  await say('thumbs', false, { user: 'u1' })
  await say('thumbs', true, { user: 'u2' })
  await say('thumbs', true, { choice_index: 1 })
  await say('comment', 'a')
  await say('comment', 'b')
  await say('choice', { chosen: 0, rejected: 1 })
  await say('choice', { chosen: 1, rejected: 0 })
  await say('correction', 'x')
  await say('correction', 'y')
  const standing = (await all()).filter(({ superseded }) => !superseded)
  const told = standing.map(({ name, value, user, choice_index: index }) => `${name} ${user} ${index} ${JSON.stringify(value)}`)
  assert.deepEqual(told.toSorted(), [
    'choice u1 1 {"chosen":{"completion_id":"c1","choice_index":1},"rejected":{"completion_id":"c1","choice_index":0}}',
    'comment u1 0 "a"', 'comment u1 0 "b"', 'correction u1 0 {"role":"assistant","content":"y"}',
    'thumbs u1 0 false', 'thumbs u1 1 true', 'thumbs u2 0 true',
  ])
})

testStores('what users write is redacted, and their texts are nothing but texts', async (store) => {
  const { send, all, call } = session(store)
  const attack = `'; DELETE FROM feedback; -- <script>alert("x")</script>`
  await send({ completion_id: attack, name: attack, value: `${attack} jane@example.com`, tags: { mail: 'jane@example.com' }, user: 'jane@example.com' })
  await send({ completion_id: 'c', name: 'correction', value: 'Write to jane@example.com' })
  const [first, second] = await all()
  assert.equal(first!.value, `${attack} [EMAIL]`)
  assert.equal(first!.name, attack)
  assert.deepEqual(second!.value, { role: 'assistant', content: 'Write to [EMAIL]' })
  const raw = JSON.stringify([await store.db.selectFrom('feedback').selectAll().execute(), await store.db.selectFrom('tags').selectAll().execute()])
  assert.doesNotMatch(raw, /jane@/)
  assert.deepEqual((await all('user=jane@example.com')).map(({ id }) => id), [first!.id])
  assert.equal((await call('GET', '/v1/feedback?after=nothing')).status, 400)
})

testStores('feedback is listed page by page, read and withdrawn', async (store) => {
  const { send, call } = session(store)
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.push((await send({ completion_id: 'c', name: 'comment', value: `${i}`, tags: { n: `${i}` } })).body.id)
  const seen: string[] = []
  for (let after = '', more = true; more;) {
    const page = (await call<{ data: Feedback[]; has_more: boolean; last_id: string }>('GET', `/v1/feedback?limit=2&order=desc${after}`)).body
    seen.push(...page.data.map(({ id }) => id))
    after = `&after=${page.last_id}`
    more = page.has_more
  }
  assert.deepEqual(seen.toSorted(), ids.toSorted())
  assert.equal(seen.length, 5)
  assert.equal((await call('DELETE', `/v1/feedback/${ids[0]!}`)).status, 200)
  assert.equal((await call('DELETE', `/v1/feedback/${ids[0]!}`)).status, 404)
  assert.equal((await call('GET', `/v1/feedback/${ids[0]!}`)).status, 404)
  assert.equal((await call('GET', `/v1/feedback/${ids[1]!}`)).status, 200)
  assert.equal((await store.db.selectFrom('tags').selectAll().execute()).length, 4)
})

testStores("another provider's completion is logged once", async (store) => {
  const { call, send } = session(store)
  const request = { model: 'gpt-x', messages: [{ role: 'user', content: 'Hi, I am jane@example.com' }], temperature: 0.5, user: 'u7', metadata: { page: 'p' } }
  const response = {
    id: 'chatcmpl-abc', object: 'chat.completion', created: 1_700_000_000, model: 'gpt-x-2026', usage: { prompt_tokens: 3, completion_tokens: 2 },
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello', refusal: null }, finish_reason: 'stop', logprobs: null }],
  }
  const log = (body: unknown) => call<{ id: string; created: boolean }>('POST', '/v1/completions/log', body)
  assert.deepEqual(await log({ request, response }), { status: 201, body: { id: 'chatcmpl-abc', object: 'completion.logged', created: true } })
  assert.equal((await log({ request, response })).status, 200)
  assert.equal((await log({ request: { ...request, messages: [{ role: 'user', content: 'Other' }] }, response })).status, 409)
  const { id: _, ...anonymous } = response
  const keyed = await log({ request, response: anonymous, idempotency_key: 'k' })
  assert.equal((await log({ request, response: anonymous, idempotency_key: 'k' })).body.id, keyed.body.id)
  const row = (await store.db.selectFrom('completions').selectAll().where('id', '=', 'chatcmpl-abc').execute())[0]!
  assert.deepEqual([row.source, row.model, row.user_id, row.created_at, row.parameters_json, row.adapter_id], [
    'logged', 'gpt-x-2026', 'u7', 1_700_000_000_000, '{"temperature":0.5}', null,
  ])
  assert.equal(row.prompt_json, '[{"role":"user","content":"Hi, I am [EMAIL]"}]')
  assert.equal((await send({ completion_id: 'chatcmpl-abc', name: 'thumbs', value: 1 })).body.completion, 'known')
  const bad = await call<ErrorBody>('POST', '/v1/completions/log', { request: { messages: [] }, response })
  assert.deepEqual([bad.status, bad.body.error.param], [400, 'request.messages'])
})
