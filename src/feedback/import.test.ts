import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { testStores } from '../store/fixtures/stores.ts'
import type { Store } from '../store/index.ts'
import { importLogs, readLogs, type ReadLogs } from './import.ts'
import type { ImportOptions } from './import-record.ts'
import { Redactor } from './redact.ts'

let directory = ''
before(async () => { directory = await mkdtemp(join(tmpdir(), 'posttrain-import-')) })
after(async () => { await rm(directory, { recursive: true }) })

async function read(name: string, content: unknown, options?: ImportOptions): Promise<ReadLogs> {
  const file = join(directory, name)
  await writeFile(file, typeof content === 'string' ? content : (content as unknown[]).map((line) => JSON.stringify(line)).join('\n'))
  return await readLogs([file], options)
}

/** What the store has, without what only tells one row from another. */
async function contents({ db }: Store) {
  const completions = await db.selectFrom('completions').selectAll().orderBy('prompt_json').execute()
  const choices = await db.selectFrom('choices').selectAll().orderBy('message_json').execute()
  const feedback = await db.selectFrom('feedback').selectAll().orderBy('name').orderBy('value_json').orderBy('completion_id').execute()
  return {
    completions: completions.map(({ id, prompt_json: prompt, user_id: user, model, created_at: time, conversation_id: conversation, source }) =>
      ({ id, prompt: JSON.parse(prompt!) as unknown, user, model, time, conversation, source })),
    answers: choices.map(({ message_json: message }) => (JSON.parse(message!) as { content: unknown }).content),
    feedback: feedback.map(({ completion_id: about, name, value_json: value, user_id: user, superseded, created_at: time }) =>
      ({ about, name, value: JSON.parse(value!) as unknown, user, superseded, time })),
  }
}

const redactor = new Redactor()
const user = (content: string) => ({ role: 'user', content })

testStores('our own lines: an answer and what was said of it, pairs, feedback by itself', async (store) => {
  const { records, problems, formats } = await read('own.jsonl', [
    { prompt: 'Q1', completion: 'A1', thumbs: 'up', rating: '4', comment: 'fine jane@example.com', correction: 'A1!', user: 'u', created_at: 1_700_000_000, model: 'm' },
    { messages: [user('Q2'), { role: 'assistant', content: 'A2' }], thumbs: false, created_at: '2026-01-31T00:00:00Z', conversation_id: 'v' },
    { system: 'S', prompt: 'Q3', response: 'A3', id: 'mine' },
    { prompt: [user('Q4')], chosen: 'good', rejected: 'bad', user: 'u' },
    { completion_id: 'mine', name: 'rating', value: 5, created_at: 1_700_000_000 },
  ])
  assert.deepEqual(problems, [])
  assert.deepEqual(formats, { simple: 3, pair: 1, feedback: 1 })
  const result = await importLogs(store, redactor, records)
  assert.deepEqual(result, { completions: { imported: 4, there: 0 }, feedback: { imported: 7, there: 0 } })
  const first = await contents(store)
  assert.deepEqual(first.answers, ['A1', 'A2', 'A3', 'bad', 'good'])
  assert.deepEqual(first.completions.map(({ prompt, user, model }) => [prompt, user, model]), [
    [[user('Q1')], 'u', 'm'], [[user('Q2')], null, 'unknown'], [[user('Q4')], 'u', 'unknown'], [[{ role: 'system', content: 'S' }, user('Q3')], null, 'unknown'],
  ].toSorted((a, b) => JSON.stringify(a[0]) < JSON.stringify(b[0]) ? -1 : 1))
  assert.deepEqual(first.completions.filter(({ conversation }) => conversation === 'v').map(({ time }) => time), [Date.parse('2026-01-31')])
  assert.deepEqual(first.feedback.map(({ name, value, user: by }) => [name, typeof value === 'object' ? Object.keys(value as object) : value, by]), [
    ['choice', ['chosen', 'rejected'], 'u'], ['comment', 'fine [EMAIL]', 'u'], ['correction', ['role', 'content'], 'u'],
    ['rating', 4, 'u'], ['rating', 5, null], ['thumbs', false, null], ['thumbs', true, 'u'],
  ])
  assert.deepEqual(await importLogs(store, redactor, records), { completions: { imported: 0, there: 4 }, feedback: { imported: 0, there: 7 } })
  assert.deepEqual(await contents(store), first)
})

testStores('OpenAI: stored completions, a page of them, requests with responses, batches', async (store) => {
  const response = (id: string) => ({
    id, object: 'chat.completion', created: 1_700_000_000, model: 'gpt-x', metadata: { page: 'p' }, usage: { prompt_tokens: 1, completion_tokens: 1 },
    choices: [{ index: 0, message: { role: 'assistant', content: `A ${id}`, refusal: null }, finish_reason: 'stop' }],
  })
  const { records, problems, formats } = await read('openai.jsonl', [
    { ...response('c1'), messages: [user('Q1')], input_user: 'u1' },
    { object: 'list', data: [{ ...response('c2'), messages: [user('Q2')] }, response('c3')] },
    { request: { model: 'gpt-x', messages: [user('Q4')], user: 'u4' }, response: response('c4') },
    { custom_id: 'r5', request: { messages: [user('Q5')] }, response: { status_code: 200, body: response('c5') } },
  ])
  assert.deepEqual(formats, { 'stored completion': 2, 'logged completion': 2 })
  assert.equal(problems.length, 1)
  assert.match(problems[0]!.where, /openai\.jsonl:2\[1\]$/)
  assert.match(problems[0]!.problem, /no "messages"/)
  await importLogs(store, redactor, records)
  const { completions } = await contents(store)
  assert.deepEqual(completions.map(({ id, user: by, source, time }) => [id, by, source, time]), [
    ['c1', 'u1', 'imported', 1_700_000_000_000], ['c2', null, 'imported', 1_700_000_000_000],
    ['c4', 'u4', 'imported', 1_700_000_000_000], ['c5', null, 'imported', 1_700_000_000_000],
  ])
})

testStores('Langfuse: traces with their scores, generations whose trace has no text, scores apart', async (store) => {
  const { records, problems, formats } = await read('langfuse.jsonl', [
    {
      id: 't1', timestamp: '2026-02-01T10:00:00.000Z', userId: 'u1', sessionId: 's1', tags: ['shop'], metadata: { page: 'p', deep: { a: 1 } },
      input: { messages: [user('Q1')] }, output: { role: 'assistant', content: 'A1' }, observations: ['o1'],
      scores: [{ id: 'sc1', traceId: 't1', name: 'user-feedback', value: 1, dataType: 'NUMERIC', comment: 'thanks', timestamp: '2026-02-01T10:01:00.000Z' }],
    },
    { id: 't2', timestamp: '2026-02-01T11:00:00.000Z', sessionId: null, userId: 'u2', input: null, output: null, observations: [
      { id: 'o2', traceId: 't2', type: 'SPAN', input: 'x', output: 'y' },
      { id: 'o3', traceId: 't2', type: 'GENERATION', startTime: '2026-02-01T11:00:01.000Z', model: 'gpt', input: [user('Q2')], output: 'A2' },
    ] },
    { id: 'o9', traceId: 't9', type: 'GENERATION', startTime: '2026-02-02', input: '[{"role":"user","content":"Q9"}]', output: '"A9"' },
    { id: 'sc2', traceId: 't2', name: 'quality', value: 0.5, dataType: 'NUMERIC' },
    { id: 'sc3', traceId: 't9', observationId: 'o9', name: 'tone', stringValue: 'polite', dataType: 'CATEGORICAL' },
    { id: 'sc4', traceId: 't9', name: 'thumbs', value: 0, stringValue: 'False', dataType: 'BOOLEAN' },
    { id: 'sc5', traceId: 't9', name: 'stars', value: 5, dataType: 'NUMERIC' },
  ], { names: { stars: 'rating' } })
  assert.deepEqual(problems, [])
  assert.deepEqual(formats, { 'Langfuse trace': 2, 'Langfuse observation': 1, 'Langfuse score': 4 })
  await importLogs(store, redactor, records)
  const { completions, answers, feedback } = await contents(store)
  assert.deepEqual(completions.map(({ id, user: by, conversation }) => [id, by, conversation]), [['t1', 'u1', 's1'], ['o3', 'u2', 't2'], ['o9', null, 't9']])
  assert.deepEqual(answers, ['A1', 'A2', 'A9'])
  assert.deepEqual(feedback.map(({ about, name, value }) => [about, name, value]), [
    ['t1', 'comment', 'thanks'], ['o3', 'quality', 0.5], ['o9', 'rating', 5], ['o9', 'thumbs', false], ['t1', 'thumbs', true], ['o9', 'tone', 'polite'],
  ])
})

testStores('a table; an older log does not take the place of what was said since', async (store) => {
  const { records, problems } = await read('log.csv', [
    'id,prompt,completion,thumbs,user,created_at,metadata',
    'a,"Q, with ""quotes""",A,👍,u,1700000000,"{""page"": ""help""}"',
    'b,Q2,A2,,,,',
    'b2,Q3,A3,no,u,1700000001,',
  ].join('\n'))
  assert.deepEqual(problems, [])
  const later = await read('later.jsonl', [{ completion_id: 'a', name: 'thumbs', value: false, user: 'u', created_at: 1_800_000_000 }])
  await importLogs(store, redactor, later.records)
  await importLogs(store, redactor, records)
  const { feedback, completions } = await contents(store)
  assert.equal(completions.length, 3)
  assert.deepEqual(feedback.map(({ about, value, superseded }) => [about, value, superseded]), [['a', false, 0], ['b2', false, 0], ['a', true, 1]])
  assert.equal((await store.db.selectFrom('tags').selectAll().where('key', '=', 'page').execute()).length, 1)
})

describe('lines that cannot be read are named', () => {
  const cases: readonly [line: unknown, problem: RegExp][] = [
    [{ prompt: 'Q' }, /no answer/],
    [{ prompt: 'Q', completion: 'A', thumbs: 'maybe' }, /value: must be true or false/],
    [{ prompt: 'Q', completion: 'A', rating: 9 }, /value/],
    [{ prompt: 'Q', completion: 'A', created_at: 'yesterday' }, /time "yesterday"/],
    [{ prompt: 'Q', completion: 'A', colour: 1 }, /colour/i],
    [{ colour: 1 }, /the fields colour: known are/],
    [{ request: {}, response: {} }, /messages/],
    [{ id: 's', traceId: 't', name: 'x', value: {}, dataType: 'NUMERIC' }, /value/],
  ]
  for (const [line, problem] of cases) {
    test(JSON.stringify(line), async () => {
      const { records, problems } = await read('bad.jsonl', [{ prompt: 'Q', completion: 'A' }, line])
      assert.equal(records.length, 1)
      assert.equal(problems.length, 1)
      assert.match(problems[0]!.where, /bad\.jsonl:2$/)
      assert.match(problems[0]!.problem, problem)
    })
  }

  test('what is no JSON', async () => {
    const { problems } = await read('broken.jsonl', '{"prompt": "Q", "completion": "A"}\n{oops\n')
    assert.match(problems[0]!.where, /broken\.jsonl:2$/)
  })
})
