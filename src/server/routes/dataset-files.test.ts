/** Datasets made of uploaded files: held out, versioned and edited like those that are made of feedback. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toFile } from 'openai'
import { labelRows, pairRows, promptRows, sftRows, upload } from '../fixtures/jobs.ts'
import { serveFake, type TestServer } from '../fixtures/server.ts'
import type { ErrorBody } from '../errors.ts'
import type { WireDataset } from './dataset-rows-wire.ts'

async function make({ post }: TestServer, body: object): Promise<WireDataset> {
  const response = await post('/v1/datasets', { name: 'd', ...body })
  const text = await response.text()
  assert.equal(response.status, 201, text)
  return JSON.parse(text) as WireDataset
}

async function refused({ post, fetch }: TestServer, body: object): Promise<readonly [status: number, message: string]> {
  const response = await post('/v1/datasets', { name: 'refused', ...body })
  const { error } = await response.json() as ErrorBody
  assert.equal((await fetch('/v1/datasets/refused')).status, 404)
  return [response.status, error.message]
}

async function lines({ fetch }: TestServer, { name, version }: WireDataset, split: 'train' | 'eval'): Promise<Record<string, unknown>[]> {
  const text = await (await fetch(`/v1/datasets/${name}/versions/${version}/export?split=${split}`)).text()
  return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('rows of each kind become a dataset, of which a part is held out', async (t) => {
  const server = await serveFake(t)
  for (const [kind, rows] of Object.entries({ sft: sftRows, pairs: pairRows, labelled: labelRows, prompts: promptRows })) {
    const file = await upload(server.client, rows, `${kind}.jsonl`)
    const dataset = await make(server, { name: kind, kind, file, eval_fraction: 0.25 })
    assert.equal(dataset.spec.file, file)
    assert.deepEqual([dataset.report.rows, dataset.report.splits, dataset.report.origins], [12, { train: 9, eval: 3 }, { file: 12 }], kind)
    const [train, held] = [await lines(server, dataset, 'train'), await lines(server, dataset, 'eval')]
    const words = [...train, ...held].map((row) => /say (\w+)/.exec(JSON.stringify(row))![1])
    assert.deepEqual(words.toSorted(), rows.map((row) => /say (\w+)/.exec(JSON.stringify(row))![1]).toSorted())
    // What training reads a row as is what a version keeps.
    assert.ok([...train, ...held].every((row) => ('messages' in row) === (kind === 'sft')), kind)
  }
})

test('the same prompt is on one side of the split; what says the same is one row, contradictions are named by their lines', async (t) => {
  const server = await serveFake(t)
  const ask = (i: number) => `Question ${['apple', 'bridge', 'candle', 'dragon', 'engine', 'forest', 'guitar', 'hammer'][i]!.repeat(3)}?`
  const rows = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => [
    { prompt: ask(i), completion: 'yes', label: true }, { prompt: ask(i), completion: 'no', label: false },
  ])
  const file = await upload(server.client, [...rows, rows[0]!, { ...rows[3]!, label: true }], 'thumbs.jsonl')
  const dataset = await make(server, { kind: 'labelled', file, eval_fraction: 0.3 })
  const { duplicates, conflicts, splits } = dataset.report
  assert.deepEqual([duplicates, conflicts], [1, { rows: 2, contradictions: 1, first: [{ completions: [], feedback: [], places: ['thumbs.jsonl:4', 'thumbs.jsonl:18'] }] }])
  const prompts = async (split: 'train' | 'eval') => new Set((await lines(server, dataset, split)).map(({ prompt }) => prompt))
  assert.ok(splits.eval >= 2)
  assert.deepEqual([...(await prompts('train')).intersection(await prompts('eval'))], [])
  assert.deepEqual((await (await server.fetch('/v1/datasets/d/dropped')).json() as { conflicts: unknown }).conflicts, [])
  // More of the same data: what was held out stays so.
  const again = await make(server, { kind: 'labelled', file, eval_fraction: 0.3 })
  assert.deepEqual([again.version, await lines(server, again, 'eval')], [2, await lines(server, dataset, 'eval')])
})

test('rows of a file are edited, and a job takes what came of it', async (t) => {
  const server = await serveFake(t)
  await make(server, { kind: 'labelled', file: await upload(server.client, labelRows), eval_fraction: 0 })
  const response = await server.post('/v1/datasets/d/edits', { changes: [
    { position: 0, label: false }, { position: 1, remove: true }, { position: 2, row: { ...labelRows[2], completion: 'drei' } }, { position: 3, split: 'eval' },
  ] })
  assert.equal(response.status, 201)
  const edited = await response.json() as WireDataset
  assert.deepEqual([edited.version, edited.report.splits, edited.report.origins], [2, { train: 10, eval: 1 }, { file: 11 }])
  const [first, second] = await lines(server, edited, 'train')
  assert.deepEqual([first, second], [{ ...labelRows[0], label: false }, { ...labelRows[2], completion: 'drei' }])
  const job = await server.client.fineTuning.jobs.create({ model: server.server.context.settings.modelName, training_file: 'dataset:d', method: { type: 'kto' } as never })
  assert.deepEqual([job.training_file, job.validation_file], ['dataset:d@2', 'dataset:d@2'])
  await server.client.fineTuning.jobs.cancel(job.id)
})

test('a file that cannot be used makes nothing, and each of its lines is named', async (t) => {
  const server = await serveFake(t)
  const { client } = server
  const file = await upload(client, [labelRows[0]!, { ...labelRows[1]!, label: 'yes' }, labelRows[2]!, { prompt: 'a' }], 'bad.jsonl')
  const [status, message] = await refused(server, { kind: 'labelled', file })
  assert.equal(status, 422)
  assert.match(message, /^bad\.jsonl:2: label: must be true .*\nbad\.jsonl:4: /u)
  const good = await upload(client, labelRows, 'good.jsonl')
  assert.deepEqual(await refused(server, { kind: 'pairs', file: good }), [422, 'good.jsonl: its rows are labelled, not pairs'])
  assert.deepEqual(await refused(server, { kind: 'labelled', file: good, options: { limit: 11 } }), [422, 'good.jsonl has 12 rows, and options.limit allows 11'])
  assert.deepEqual(await refused(server, { kind: 'labelled', file: await upload(client, [], 'empty.jsonl') }), [422, 'empty.jsonl: there are no rows in it.'])
  assert.deepEqual(await refused(server, { kind: 'labelled', file: 'file-none' }), [404, 'No such File object: file-none'])
  const latin = await client.files.create({ file: await toFile(Buffer.from('{"prompt": "caf\xe9", "completion": "a", "label": true}\n', 'latin1'), 'latin.jsonl'), purpose: 'fine-tune' })
  assert.deepEqual(await refused(server, { kind: 'labelled', file: latin.id }), [422, 'latin.jsonl:1: this line is not UTF-8; save the file as UTF-8'])
  const other = await client.files.create({ file: await toFile(Buffer.from('{}'), 'x.jsonl'), purpose: 'user_data' })
  assert.equal((await refused(server, { kind: 'labelled', file: other.id }))[0], 400)
  assert.match((await refused(server, { kind: 'labelled', file: good, filter: { unlabelled: true } }))[1], /filter.*all rows of a file are taken/)
  assert.match((await refused(server, { kind: 'labelled', file: good, dry_run: true }))[1], /dry_run.*\/v1\/files\/ID\/check/)
})

test('rows of a file are redacted like all that the store has', async (t) => {
  const server = await serveFake(t, { redact: true })
  const file = await upload(server.client, [{ prompt: 'Write to ada@example.com', completion: 'Done', label: true }, { prompt: 'b', completion: 'c', label: false }])
  const dataset = await make(server, { kind: 'labelled', file, eval_fraction: 0 })
  assert.doesNotMatch(JSON.stringify(await lines(server, dataset, 'train')), /ada@/)
})
