import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { toFile } from 'openai'
import type { AnyRow } from '../../data/check-texts.ts'
import { dataKinds, type DataKind, type DataKindName } from '../../data/kinds.ts'
import { sequencesOf } from '../../data/tree.ts'
import { answered } from '../../feedback/fixtures/answered.ts'
import { openModel } from '../../models/open.ts'
import { labelRows, pairRows, promptRows, sftRows, upload } from '../fixtures/jobs.ts'
import { serveFake, tinyModel, type TestServer } from '../fixtures/server.ts'
import type { ErrorBody } from '../errors.ts'
import type {
  WireDataset, WireDrops, WireFileCheck, WireFileRowPage, WireLengths, WirePreview, WireRowPage, WireVersion,
} from './dataset-rows-wire.ts'

const { tokenizer, config } = await openModel(tinyModel)

async function get<Body>({ fetch }: TestServer, path: string): Promise<Body> {
  const response = await fetch(path)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return JSON.parse(text) as Body
}

async function problem(server: TestServer, path: string, body?: unknown): Promise<readonly [status: number, message: string]> {
  const response = body === undefined ? await server.fetch(path) : await server.post(path, body)
  const { error } = await response.json() as ErrorBody
  return [response.status, error.message]
}

/** A server with one conversation that was judged in each way. */
async function served(t: TestContext): Promise<TestServer> {
  const server = await serveFake(t)
  const { capture } = server.server.context
  const say = (id: string, name: string, value: unknown) => server.post('/v1/feedback', { completion_id: id, name, value })
  for (const [i, word] of ['one', 'two', 'three', 'four', 'five', 'six'].entries()) {
    await capture.record(answered({
      id: `c${i}`, user: `u${i}`, createdAt: 1000 + i, messages: [{ role: 'system', content: 'Count.' }, { role: 'user', content: `<b>say</b> ${word}` }],
      choices: [{ message: { role: 'assistant', content: word }, finishReason: i === 5 ? 'length' : 'stop' }, { message: { role: 'assistant', content: `${word}?` }, finishReason: 'stop' }],
    }))
    await say(`c${i}`, 'thumbs', i % 2 === 0)
    await say(`c${i}`, 'choice', { chosen: 0, rejected: 1 })
    await say(`c${i}`, 'correction', `${word}!`)
  }
  return server
}

async function make({ post }: TestServer, kind: DataKindName): Promise<WireDataset> {
  const response = await post('/v1/datasets', { name: kind, kind, eval_fraction: 0 })
  assert.equal(response.status, 201)
  return await response.json() as WireDataset
}

test('the tokens of rows are those that training makes of them, for every kind', async (t) => {
  const server = await served(t)
  for (const kind of ['sft', 'pairs', 'labelled', 'prompts'] as const) {
    await make(server, kind)
    const { data } = await get<WireRowPage>(server, `/v1/datasets/${kind}/rows?view=true&limit=100`)
    assert.ok(data.length >= 5, kind)
    for (const { row, view, problem } of data) {
      const trained = (dataKinds[kind] as DataKind<AnyRow>).render(row as AnyRow, tokenizer, { endTokenIds: config.eosTokenIds })
      const masks = sequencesOf(trained).map(({ mask }) => [...mask])
      const parts = view!.parts.map(({ runs }) => runs.flatMap(({ tokens, loss }) => new Array<number>(tokens).fill(Number(loss))))
      const [stem, ...branches] = kind === 'sft' ? [[], ...parts] : parts
      assert.deepEqual(branches.length === 0 ? [stem] : branches.map((branch) => [...stem!, ...branch]), masks)
      const text = sequencesOf(trained).map(({ ids }) => tokenizer.decode([...ids], { control: true }))[0]
      assert.equal(view!.parts.slice(0, 2).map(({ runs }) => runs.map((run) => run.text).join('')).join(''), text)
      assert.equal(problem, null)
    }
    const plain = await get<WireRowPage>(server, `/v1/datasets/${kind}/rows`)
    assert.ok(plain.data.every((row) => !('view' in row)))
  }
})

test('rows by place, side and text; what max_length does to them', async (t) => {
  const server = await served(t)
  await make(server, 'labelled')
  const rows = (query: string) => get<WireRowPage>(server, `/v1/datasets/labelled/versions/1/rows?${query}`)
  assert.deepEqual((await rows('from=2&limit=2')).data.map(({ position }) => position), [2, 3])
  assert.deepEqual((await rows('after=2&limit=1')).data.map(({ position }) => position), [3])
  const before = await rows('before=2&limit=1')
  assert.deepEqual([before.data.map(({ position }) => position), before.has_before, before.has_more], [[1], true, true])
  const found = await rows('search=THREE')
  assert.deepEqual([found.data.map(({ completion_id: id }) => id), found.searched_to], [['c2'], null])
  const [cut] = (await rows('view=true&max_length=4')).data
  assert.deepEqual([cut?.view?.dropped, cut?.view?.truncated, cut?.view?.loss], [true, true, 0])
  assert.ok(cut?.view?.parts.flatMap(({ runs }) => runs).some((run) => run.cut))
  for (const [query, message] of [
    ['from=1&before=2', /one of from, after and before/], ['view=true&limit=101', /at most 100/], ['limit=0', /limit/], ['from=x', /from/], ['split=test', /split/],
    ['search=', /search/], ['max_length=1', /max_length/], ['form=1', /did you mean from/],
  ] as const) {
    const [status, said] = await problem(server, `/v1/datasets/labelled/rows?${query}`)
    assert.equal(status, 400)
    assert.match(said, message)
  }
})

test('a row is seen as it would be, then saved; the versions say where they come from', async (t) => {
  const server = await served(t)
  await make(server, 'labelled')
  const base = '/v1/datasets/labelled/versions/1'
  const row = { prompt: 'now this', completion: [{ role: 'assistant', content: 'is learned' }], label: true }
  const response = await server.post(`${base}/preview`, {
    rows: [{ position: 1, row: { ...row, completion: 5 } }, { position: 0, row }, { position: 77, row }],
  })
  const { data } = await response.json() as { data: WirePreview[] }
  assert.deepEqual(data.map(({ position, problem }) => [position, problem === null]), [[1, false], [0, true], [77, false]])
  assert.match(data[0]!.problem!, /completion: must be a string or a list of messages/)
  assert.deepEqual(data[1]!.view!.parts.at(-1)!.runs.map(({ text, loss }) => [text, loss])[0], ['is learned', true])

  const edited = await server.post(`${base}/edits`, { changes: [{ position: 0, row }, { position: 1, label: true }, { position: 2, remove: true }], note: 'n' })
  assert.equal(edited.status, 201)
  const made = await edited.json() as WireDataset
  assert.deepEqual([made.reference, made.report.edits], ['dataset:labelled@2', { from: 'dataset:labelled@1', rewritten: 1, relabelled: 1, moved: 0, removed: 1 }])
  const versions = await get<{ data: WireVersion[] }>(server, '/v1/datasets/labelled/versions')
  assert.deepEqual(versions.data.map(({ version, edited_from, note }) => [version, edited_from, note]), [[2, 'dataset:labelled@1', 'n'], [1, null, null]])
  const latest = await get<{ data: WireDataset[] }>(server, '/v1/datasets?latest=true')
  assert.deepEqual(latest.data.map(({ reference }) => reference), ['dataset:labelled@2'])

  const cases: readonly [body: object, status: number, message: RegExp][] = [
    [{ changes: [{ position: 99, remove: true }] }, 422, /row 99: there is no such row/],
    [{ changes: [{ position: 0 }] }, 400, /must say what changes/], [{ changes: [] }, 400, /nothing to change/], [{}, 400, /changes is missing/],
  ]
  for (const [body, status, message] of cases) {
    const [was, said] = await problem(server, `${base}/edits`, body)
    assert.deepEqual([was, message.test(said)], [status, true], said)
  }
  assert.equal((await problem(server, '/v1/datasets/nothing/versions/1/edits', { changes: [{ position: 0, remove: true }] }))[0], 404)
})

test('lengths are those of all rows, and what was dropped is shown with examples', async (t) => {
  const server = await served(t)
  await make(server, 'labelled')
  const lengths = await get<WireLengths>(server, '/v1/datasets/labelled/lengths')
  assert.deepEqual([lengths.rows, lengths.measured, lengths.failed, lengths.dropped], [6, 6, 0, 0])
  assert.equal(lengths.tokens!.histogram.rows.reduce((sum, rows) => sum + rows, 0), 6)
  assert.equal((await get<WireLengths>(server, '/v1/datasets/labelled/lengths?max_length=4')).dropped, 6)

  await make(server, 'sft')
  await server.post('/v1/feedback', { completion_id: 'c5', name: 'thumbs', value: true })
  const { report } = await make(server, 'sft')
  const drops = await get<WireDrops>(server, '/v1/datasets/sft/dropped')
  assert.deepEqual(Object.fromEntries(drops.reasons.map(({ reason, rows }) => [reason, rows])), report.dropped)
  const cutOff = drops.reasons.find(({ reason }) => reason === 'cut_off')!
  assert.deepEqual(cutOff.examples.map(({ completion_id: id, question, answer }) => [id, question, answer]), [['c5', '<b>say</b> six', 'six']])
  await server.fetch('/v1/chat/completions/c5', { method: 'DELETE' })
  assert.deepEqual((await get<WireDrops>(server, '/v1/datasets/sft/dropped')).reasons.find(({ reason }) => reason === 'cut_off')!.examples, [])
})

test('uploaded files: rows of every kind, what is wrong by line, and searching them', async (t) => {
  const server = await serveFake(t)
  const { client } = server
  for (const [kind, rows] of [['sft', sftRows], ['pairs', pairRows], ['labelled', labelRows], ['prompts', promptRows]] as const) {
    const id = await upload(client, rows)
    const page = await get<WireFileRowPage>(server, `/v1/files/${id}/rows?limit=5&from=2`)
    assert.deepEqual([page.kind, page.total, page.has_before, page.has_more, page.data.length], [kind, rows.length, true, true, 5])
    assert.deepEqual(page.data.map(({ position, where, row, problem }) => [position, where, row, problem])[0], [2, 'rows.jsonl:3', rows[2], null])
    assert.ok(page.data.every(({ view }) => view !== null && view.length > 0))
    const check = await get<WireFileCheck>(server, `/v1/files/${id}/check`)
    assert.deepEqual([check.kind, check.usable, check.errors], [kind, rows.length, 0])
  }
  const bad = await client.files.create({
    file: await toFile(Buffer.from('{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n\n{"messages": [{"role": "robot", "content": "<i>x</i>"}]}\nnot json'), 'bad.jsonl'),
    purpose: 'fine-tune',
  })
  const check = await get<WireFileCheck>(server, `/v1/files/${bad.id}/check`)
  assert.deepEqual(check.findings.map(({ where, position, severity }) => [where, position, severity]), [['bad.jsonl:3', 1, 'error'], ['bad.jsonl:4', 2, 'error']])
  const rows = await get<WireFileRowPage>(server, `/v1/files/${bad.id}/rows`)
  assert.deepEqual(rows.data.map(({ problem }) => problem === null), [true, false, false])
  assert.match(rows.data[1]!.problem!, /unknown role "robot"/)
  const found = await get<WireFileRowPage>(server, `/v1/files/${bad.id}/rows?search=${encodeURIComponent('<I>X')}`)
  assert.deepEqual([found.data.map(({ position }) => position), found.has_more, found.searched_to], [[1], false, null])

  const csv = await client.files.create({ file: await toFile(Buffer.from('prompt,completion\na,b\n'), 'rows.csv'), purpose: 'fine-tune' })
  assert.equal((await get<WireFileRowPage>(server, `/v1/files/${csv.id}/rows`)).data[0]!.where, 'rows.csv:2')
  const binary = await client.files.create({ file: await toFile(Buffer.from([0x7b, 0xff, 0xfe, 0x0a]), 'x.jsonl'), purpose: 'fine-tune' })
  assert.deepEqual(await problem(server, `/v1/files/${binary.id}/check`), [400, 'x.jsonl:1: this line is not UTF-8. Save the file as UTF-8.'])
  const other = await client.files.create({ file: await toFile(Buffer.from('x'), 'x.txt'), purpose: 'user_data' })
  assert.deepEqual(await problem(server, `/v1/files/${other.id}/rows`), [400, `${other.id} is for user_data: only files for fine-tune have rows`])
  assert.equal((await problem(server, '/v1/files/file-unknown/rows'))[0], 404)
})

test('who may read rows may not edit them', async (t) => {
  const server = await served(t)
  await make(server, 'labelled')
  const { keys } = server.server.context
  const as = async (scope: 'feedback' | 'train' | 'infer') => {
    const { key } = await keys.create({ name: scope, scopes: [scope] })
    return { authorization: `Bearer ${key}` }
  }
  const read = async (scope: 'feedback' | 'train' | 'infer') => (await server.fetch('/v1/datasets/labelled/rows', { headers: await as(scope) })).status
  const edit = async (scope: 'feedback' | 'train' | 'infer') =>
    (await server.post('/v1/datasets/labelled/edits', { changes: [{ position: 0, remove: true }] }, await as(scope))).status
  assert.deepEqual([await read('feedback'), await read('infer'), await edit('feedback'), await edit('infer'), await edit('train')], [200, 403, 403, 403, 201])
})
