import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkData } from '../../data/check.ts'
import { Capture } from '../../feedback/capture.ts'
import { answered } from '../../feedback/fixtures/answered.ts'
import { sha256, type AnsweredRequest } from '../../feedback/record.ts'
import { testStores } from '../../store/fixtures/stores.ts'
import type { Store } from '../../store/index.ts'
import type { ErrorBody } from '../errors.ts'
import { callRoutes, type Answer } from '../fixtures/routes.ts'
import { datasetRowRoutes } from './dataset-rows.ts'
import { datasetRoutes } from './datasets.ts'
import { feedbackRoutes } from './feedback.ts'

interface DatasetBody {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly reference: string
  readonly report: {
    readonly rows: number
    readonly splits: { readonly train: number; readonly eval: number }
    readonly origins: Readonly<Record<string, number>>
    readonly dropped: Readonly<Record<string, number>>
    readonly conflicts: { readonly rows: number; readonly contradictions: number }
    readonly duplicates: number
    readonly labels?: unknown
    readonly users: number
    readonly warnings: readonly string[]
  }
}

function session(store: Store) {
  const capture = new Capture(store)
  const call = callRoutes([feedbackRoutes, datasetRoutes, datasetRowRoutes], { store, capture })
  return {
    call,
    record: (of: Partial<AnsweredRequest> & { readonly id: string }) => capture.record(answered(of)),
    say: (id: string, name: string, value: unknown, more: object = {}) => call('POST', '/v1/feedback', { completion_id: id, name, value, ...more }),
    make: (body: object): Promise<Answer<DatasetBody>> => call<DatasetBody>('POST', '/v1/datasets', { name: 'd', eval_fraction: 0, ...body }),
    lines: async (path: string): Promise<unknown[]> =>
      (await call<string>('GET', path)).body.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as unknown),
  }
}

const user = (content: string) => ({ role: 'user', content })
const assistant = (content: string) => ({ role: 'assistant', content })
const choice = (content: string, finishReason = 'stop') => ({ message: assistant(content), finishReason })

testStores('thumbs become labelled rows; contradictions and duplicates are reported', async (store) => {
  const { record, say, make, lines } = session(store)
  for (const id of ['a', 'b', 'c', 'd', 'e']) await record({ id, messages: [user(`Question ${id}`)], choices: [choice(`Answer ${id}`)], user: `u-${id}` })
  await record({ id: 'b2', messages: [user('Question b')], choices: [choice('Answer b')], user: 'u-b2' })
  await record({ id: 'c2', messages: [user('Question c')], choices: [choice('Answer c')], user: 'u-c2' })
  await record({ id: 'cut', choices: [choice('half an', 'length')] })
  await record({ id: 'tool', choices: [{ message: { role: 'assistant', content: null, tool_calls: [{ id: '1' }] }, finishReason: 'tool_calls' }] })
  await record({ id: 'text', kind: 'text' })
  await say('a', 'thumbs', true)
  await say('b', 'thumbs', true)
  await say('b2', 'thumbs', false)
  await say('c', 'thumbs', false)
  await say('c2', 'thumbs', false)
  await say('d', 'thumbs', true)
  await say('d', 'thumbs', false)
  await say('e', 'rating', 5)
  for (const id of ['cut', 'tool', 'text', 'not-stored']) await say(id, 'thumbs', true)
  const { status, body: { report, reference, version } } = await make({ kind: 'labelled' })
  assert.equal(status, 201)
  assert.deepEqual([reference, version], ['dataset:d@1', 1])
  assert.deepEqual(await lines('/v1/datasets/d/export'), [
    { prompt: [user('Question a')], completion: [assistant('Answer a')], label: true },
    { prompt: [user('Question c')], completion: [assistant('Answer c')], label: false },
    { prompt: [user('Question d')], completion: [assistant('Answer d')], label: false },
  ])
  assert.deepEqual([report.rows, report.duplicates, report.conflicts.rows, report.conflicts.contradictions], [3, 1, 2, 1])
  assert.deepEqual(report.dropped, { cut_off: 1, not_text: 1, text_completion: 1, completion_not_stored: 1 })
  assert.deepEqual(report.labels, { train: { up: 1, down: 2 }, eval: { up: 0, down: 0 } })

  const rated = await make({ kind: 'labelled', options: { rating_up: 4, rating_down: 2 } })
  assert.deepEqual([rated.body.version, rated.body.report.rows, rated.body.report.origins], [2, 4, { thumbs: 3, rating: 1 }])
})

testStores('choices and corrections become pairs', async (store) => {
  const { record, say, make, lines } = session(store)
  await record({ id: 'a', messages: [user('Q')], choices: [choice('good'), choice('bad')] })
  await record({ id: 'b', messages: [user('Q')], choices: [choice('better')] })
  await record({ id: 'c', messages: [user('R')], choices: [choice('wrong')] })
  await record({ id: 'later', messages: [user('other')], choices: [choice('x')] })
  await say('a', 'choice', { chosen: 0, rejected: 1 })
  await say('b', 'choice', { chosen: 'b', rejected: { completion_id: 'a', choice_index: 0 } })
  await say('c', 'correction', 'right')
  await say('later', 'correction', 'x ')
  await say('unknown', 'choice', { chosen: 'unknown', rejected: 'a' })
  await say('a', 'choice', { chosen: 'a', rejected: 'missing' })
  const { body: { report } } = await make({ kind: 'pairs' })
  assert.deepEqual(await lines('/v1/datasets/d/versions/1/export?split=train'), [
    { prompt: [user('Q')], chosen: [assistant('good')], rejected: [assistant('bad')] },
    { prompt: [user('Q')], chosen: [assistant('better')], rejected: [assistant('good')] },
    { prompt: [user('R')], chosen: [assistant('right')], rejected: [assistant('wrong')] },
  ])
  assert.deepEqual(report.origins, { choice: 2, correction: 1 })
  assert.deepEqual(report.dropped, { correction_changes_nothing: 1, choice_not_stored: 1, completion_not_stored: 1 })
})

testStores('corrections and starred answers become conversations in which only the judged turn carries loss', async (store) => {
  const { record, say, make, lines } = session(store)
  await record({ id: 'a', messages: [{ role: 'system', content: 'S' }, user('Q1'), assistant('A1'), user('Q2')], choices: [choice('A2')] })
  await record({ id: 'b', choices: [choice('liked')] })
  await record({ id: 'c', choices: [choice('so so')] })
  await record({ id: 'd', choices: [choice('great')] })
  await say('a', 'correction', 'A2, corrected')
  await say('b', 'thumbs', 'up')
  await say('c', 'rating', 3)
  await say('d', 'rating', 4)
  await say('c', 'thumbs', 'down')
  await record({ id: 'e', choices: [choice('one likes it'), choice('nobody minds')] })
  for (const index of [0, 1]) await say('e', 'thumbs', 'up', { user: 'customer', choice_index: index })
  await say('e', 'thumbs', 'down', { user: 'studio', choice_index: 0 })
  await record({ id: 'f', choices: [choice('made better')] })
  await say('f', 'thumbs', 'down')
  await say('f', 'correction', 'better')
  const { body: { report } } = await make({ kind: 'sft' })
  assert.deepEqual((await lines('/v1/datasets/d/export'))[0], {
    messages: [{ role: 'system', content: 'S' }, user('Q1'), { ...assistant('A1'), weight: 0 }, user('Q2'), assistant('A2, corrected')],
  })
  assert.deepEqual(report.origins, { correction: 2, thumbs: 2, rating: 1 })
  assert.deepEqual(report.dropped, { neutral_rating: 4, disputed: 1 })
  const strict = await make({ kind: 'sft', options: { thumbs_up: false, min_rating: null } })
  assert.deepEqual(strict.body.report.origins, { correction: 2 })
})

testStores('prompts, with fields of their metadata', async (store) => {
  const { record, make, lines } = session(store)
  await record({ id: 'a', messages: [user('2+2')], metadata: { answer: '4', page: 'x' } })
  await record({ id: 'b', messages: [user('2+2')], metadata: { answer: '4' } })
  await record({ id: 'c', messages: [user('3+3')] })
  const { body: { report } } = await make({ kind: 'prompts', options: { fields: ['answer'] } })
  assert.deepEqual((await lines('/v1/datasets/d/export')).toSorted((x, y) => JSON.stringify(x) < JSON.stringify(y) ? -1 : 1), [
    { prompt: [user('2+2')], answer: '4' }, { prompt: [user('3+3')] },
  ])
  assert.equal(report.duplicates, 1)
})

testStores('the filter: time, tags, alias, adapter, model, user, source, feedback; a dry run counts', async (store) => {
  const { record, say, call } = session(store)
  const day = Date.parse('2026-03-01T00:00:00Z')
  await record({ id: 'a', createdAt: day, alias: 'bot', adapterId: 'v1', model: 'bot', user: 'jane@example.com', metadata: { page: 'help' } })
  await record({ id: 'b', createdAt: day + 86_400_000, alias: 'bot', adapterId: 'v2', model: 'bot', metadata: { page: `'; --` } })
  await record({ id: 'c', createdAt: day + 2 * 86_400_000, source: 'logged', model: 'gpt' })
  for (const id of ['a', 'b', 'c']) await say(id, 'thumbs', id !== 'b', { tags: { where: id } })
  await say('a', 'rating', 2)
  await say('c', 'rating', 5)
  await say('c', 'topic', 'billing')
  const count = async (filter: object): Promise<unknown> => {
    const { status, body } = await call('POST', '/v1/datasets', { name: 'd', kind: 'labelled', filter, dry_run: true })
    return status === 200 ? [body['completions'], body['feedback']] : body
  }
  const up = { thumbs_up: 1 }
  const down = { thumbs_down: 1 }
  const cases: readonly [filter: object, completions: number, feedback: object][] = [
    [{}, 3, { thumbs_up: 2, thumbs_down: 1 }],
    [{ from: '2026-03-02' }, 2, { ...up, ...down }], [{ to: '2026-03-02T00:00:00Z' }, 1, up], [{ from: day / 1000, to: day / 1000 + 1 }, 1, up],
    [{ tags: { page: 'help' } }, 1, up], [{ tags: { page: `'; --` } }, 1, down], [{ tags: { page: 'help', other: '1' } }, 0, {}],
    [{ alias: 'bot' }, 2, { ...up, ...down }], [{ adapter: 'v2' }, 1, down], [{ adapter: null }, 1, up], [{ model: 'gpt' }, 1, up],
    [{ user: 'jane@example.com' }, 1, up], [{ source: 'logged' }, 1, up],
    [{ feedback: { name: 'rating' } }, 2, { thumbs_up: 2 }], [{ feedback: { name: 'rating', min: 4 } }, 1, up], [{ feedback: { name: 'rating', max: 2 } }, 1, up],
    [{ feedback: { name: 'thumbs', value: false } }, 1, down], [{ feedback: { name: 'topic', value: 'billing' } }, 1, up],
    [{ feedback: { name: 'thumbs', tags: { where: 'b' } } }, 1, down],
  ]
  for (const [filter, completions, feedback] of cases) assert.deepEqual(await count(filter), [completions, feedback], JSON.stringify(filter))
  assert.deepEqual((await call<{ data: unknown[] }>('GET', '/v1/datasets')).body.data, [])
  for (const [body, param] of [
    [{ filter: { form: 1 } }, 'filter.form'], [{ filter: { from: 'yesterday' } }, 'filter.from'], [{ kind: 'kto' }, 'kind'], [{ name: '../d' }, 'name'],
    [{ eval_fraction: 1 }, 'eval_fraction'], [{ options: { fields: ['prompt'] } }, 'options.fields[0]'],
  ] as const) {
    const answer = await call<ErrorBody>('POST', '/v1/datasets', { name: 'd', kind: 'labelled', ...body })
    assert.deepEqual([answer.status, answer.body.error.param], [400, param], answer.body.error.message)
  }
})

testStores('versions do not change, rows come page by page, and the split is of conversations', async (store) => {
  const { record, say, make, call } = session(store)
  for (let i = 0; i < 40; i++) {
    await record({ id: `c${i}`, messages: [user(sha256(String(i)))], metadata: { conversation_id: `v${Math.floor(i / 2)}` } })
    await say(`c${i}`, 'thumbs', i % 3 > 0)
  }
  const first = await make({ kind: 'labelled', eval_fraction: 0.25, seed: 3 })
  assert.deepEqual(first.body.report.splits, { train: 30, eval: 10 })
  interface RowBody { readonly position: number; readonly split: string; readonly completion_id: string; readonly row: { readonly label: boolean } }
  const read = async (): Promise<RowBody[]> => {
    const rows: RowBody[] = []
    for (let after = '', more = true; more;) {
      const { body } = await call<{ data: RowBody[]; has_more: boolean; last_position: number }>('GET', `/v1/datasets/d/versions/1/rows?limit=7${after}`)
      rows.push(...body.data)
      after = `&after=${body.last_position}`
      more = body.has_more
    }
    return rows
  }
  const rows = await read()
  assert.deepEqual(rows.map(({ position }) => position), rows.map((_, i) => i))
  const sides = Map.groupBy(rows, ({ completion_id: id }) => Math.floor(Number(id.slice(1)) / 2))
  for (const side of sides.values()) assert.equal(new Set(side.map(({ split }) => split)).size, 1)
  await say('c0', 'thumbs', true)
  assert.equal((await make({ kind: 'labelled' })).body.version, 2)
  assert.deepEqual(await read(), rows)
  const { body } = await call<{ versions: number[]; version: number; sizes: object }>('GET', '/v1/datasets/d')
  assert.deepEqual([body.versions, body.version, body.sizes], [[2, 1], 2, { train: 40, eval: 0, deleted: 0 }])
  assert.equal((await call('GET', '/v1/datasets/d/versions/9')).status, 404)
  assert.equal((await call('GET', '/v1/datasets/nothing/rows')).status, 404)
})

testStores('without rows there is no dataset, and what was left out is said', async (store) => {
  const { record, say, make, call } = session(store)
  await record({ id: 'a', choices: [choice('half', 'length')] })
  await say('a', 'thumbs', true)
  const { status, body } = await make({ kind: 'labelled' })
  assert.equal(status, 422)
  assert.match((body as unknown as ErrorBody).error.message, /cut_off 1/)
  assert.deepEqual((await call<{ data: unknown[] }>('GET', '/v1/datasets')).body.data, [])
  assert.equal((await store.db.selectFrom('dataset_rows').selectAll().execute()).length, 0)
})

testStores('what is exported is a data file that training takes', async (store) => {
  const { record, say, make, call } = session(store)
  const text = `<script>alert(1)</script> "; DROP TABLE datasets; -- \u2028 \u0000 \u{1F600}`
  for (let i = 0; i < 4; i++) {
    await record({ id: `c${i}`, messages: [user(`${i} ${text}`)], choices: [choice(`${text} one ${i}`), choice(`${text} two ${i}`)] })
    await say(`c${i}`, 'thumbs', i % 2 === 0)
    await say(`c${i}`, 'choice', { chosen: 0, rejected: 1 })
    await say(`c${i}`, 'correction', `${text} corrected ${i}`, { choice_index: 1 })
  }
  const directory = await mkdtemp(join(tmpdir(), 'posttrain-datasets-'))
  try {
    for (const [kind, rows] of [['labelled', 4], ['pairs', 8], ['sft', 6], ['prompts', 4]] as const) {
      assert.equal((await make({ name: kind, kind })).status, 201)
      const file = join(directory, `${kind}.jsonl`)
      await writeFile(file, (await call<string>('GET', `/v1/datasets/${kind}/export`)).body)
      const report = await checkData(file, undefined, {})
      assert.deepEqual([report.data, report.usable, report.findings.length], [kind, rows, 0], JSON.stringify(report.findings))
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})
