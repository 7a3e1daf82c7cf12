import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { unzipSync } from 'fflate'
import { openModel } from '../../models/open.ts'
import { loadAdapter } from '../../models/peft.ts'
import type { Row } from '../../store/index.ts'
import { serveFake, tinyModel, type TestServer } from '../fixtures/server.ts'
import type { WireAdapter, WireAdapterPage, WireLineage, WireTraffic } from './adapters-wire.ts'

const facts = { rank: 8, bytes: 100, sha256: 'ab'.repeat(32) }

async function get<Body>({ fetch }: TestServer, path: string): Promise<Body> {
  const response = await fetch(path)
  assert.equal(response.status, 200, path)
  return await response.json() as Body
}

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'adapters-'))
  t.after(() => rm(directory, { recursive: true }))
  return directory
}

describe('/v1/adapters', () => {
  test('is listed from either end, by a part of the id, without checkpoints, page by page', async (t) => {
    const api = await serveFake(t)
    const { adapters } = api.server.context
    for (const id of ['a', 'B-one', 'b-two', 'b-three']) await adapters.add({ id, directory: '/x', facts, source: id === 'b-two' ? 'checkpoint' : 'job' })
    await adapters.aliases.move('bot', 'a', 'test')
    const ids = async (query: string): Promise<readonly string[]> => (await get<WireAdapterPage>(api, `/v1/adapters${query}`)).data.map(({ id }) => id)
    assert.deepEqual(await ids(''), ['a', 'B-one', 'b-two', 'b-three'])
    assert.deepEqual(await ids('?order=desc&limit=2'), ['b-three', 'b-two'])
    assert.deepEqual(await ids('?order=desc&after=b-two'), ['B-one', 'a'])
    assert.deepEqual(await ids('?search=b-&checkpoints=false'), ['B-one', 'b-three'])
    assert.deepEqual(await ids('?search=b-&checkpoints=false&after=B-one'), ['b-three'])
    // The page before may have ended with one that does not fit any more.
    assert.deepEqual(await ids('?checkpoints=false&after=b-two'), ['b-three'])
    const page = await get<WireAdapterPage>(api, '/v1/adapters?limit=1')
    assert.deepEqual([page.has_more, page.total, page.data[0]!.aliases, page.data[0]!.in_memory], [true, 4, ['bot'], false])
    assert.equal((await api.fetch('/v1/adapters?after=none')).status, 404)
    assert.equal((await api.fetch('/v1/adapters?order=up')).status, 400)
  })

  test('traffic counts what the server answered, by hour or day, adapter and alias', async (t) => {
    const api = await serveFake(t)
    const { store } = api.server.context
    const hour = 3_600_000
    const now = Math.floor(Date.now() / hour) * hour
    const rows: [age: number, adapter: string | null, alias: string | null, source?: 'logged'][] = [
      [0, 'x', 'bot'], [0, 'x', null], [1, 'x', 'bot'], [23, null, 'bot'], [24, 'x', null], [6 * 24, 'y', null], [7 * 24, 'y', null], [0, 'x', 'bot', 'logged'],
    ]
    for (const [i, [age, adapter, alias, source = 'server']] of rows.entries()) await store.write(store.db.insertInto('completions').values(completion(`c${i}`, now - age * hour, adapter, alias, source)))
    const day = await get<WireTraffic>(api, '/v1/adapters/traffic')
    assert.deepEqual([day.start, day.span], [(now - 23 * hour) / 1000, 3600])
    assert.deepEqual(day.adapters.map(({ adapter, total }) => [adapter, total]), [['x', 3], [null, 1]])
    assert.deepEqual(day.adapters[0]!.requests, [...Array<number>(22).fill(0), 1, 2])
    assert.deepEqual([day.adapters[0]!.prompt_tokens, day.adapters[0]!.completion_tokens], [30, 15])
    assert.deepEqual(day.aliases.map(({ alias, total, requests }) => [alias, total, requests[0]]), [['bot', 3, 1]])
    const week = await get<WireTraffic>(api, '/v1/adapters/traffic?period=7d')
    assert.deepEqual(week.adapters.map(({ adapter, requests }) => [adapter, requests]), [
      ['x', [0, 0, 0, 0, 0, 1, 3]], ['y', [1, 0, 0, 0, 0, 0, 0]], [null, [0, 0, 0, 0, 0, 0, 1]],
    ])
    assert.equal((await api.fetch('/v1/adapters/traffic?period=1y')).status, 400)
  })

  test('lineage goes from the data through runs and removed ancestors to the aliases', async (t) => {
    const api = await serveFake(t)
    const { adapters, store } = api.server.context
    await store.write(
      store.db.insertInto('datasets').values({ id: 'd', created_at: 1, name: 'support', version: 2, kind: 'pairs', filter_json: '{}', report_json: '{"rows":40}' }),
      store.db.insertInto('jobs').values(job('ftjob-1', 'first', 'file-gone', { method: 'sft' })),
      store.db.insertInto('jobs').values(job('ftjob-2', 'second', 'dataset:support@2', { method: 'dpo', adapter: { init: 'first' } })),
      store.db.updateTable('jobs').set({ promotion_json: JSON.stringify({ alias: 'bot', promote: true, reason: 'better', comparison: {} }) }).where('id', '=', 'ftjob-2'),
    )
    const entry = { directory: '/x', facts, source: 'job' } as const
    await adapters.add({ ...entry, id: 'first', jobId: 'ftjob-1' })
    await adapters.add({ ...entry, id: 'second', jobId: 'ftjob-2', parentId: 'first' })
    await adapters.add({ ...entry, id: 'second:ckpt', jobId: 'ftjob-2', parentId: 'first', source: 'checkpoint' })
    await adapters.add({ ...entry, id: 'third', parentId: 'second' })
    await adapters.aliases.move('bot', 'second', 'job ftjob-2: better')
    await adapters.remove('first')
    const { steps, aliases, children, siblings } = await get<WireLineage>(api, '/v1/adapters/second/lineage')
    assert.deepEqual(steps.map(({ adapter, source, run, data }) => [adapter, source, run?.id, run?.method, data]), [
      ['first', null, 'ftjob-1', 'sft', { reference: 'file-gone', dataset: null, filename: null }],
      ['second', 'job', 'ftjob-2', 'dpo', { reference: 'dataset:support@2', dataset: { name: 'support', version: 2, kind: 'pairs', rows: 40 }, filename: null }],
    ])
    assert.deepEqual(steps[1]!.run!.promotion, { alias: 'bot', promote: true, reason: 'better' })
    assert.deepEqual(aliases.map(({ name, reason }) => [name, reason]), [['bot', 'job ftjob-2: better']])
    assert.deepEqual([children, siblings.map(({ id }) => id)], [['third'], ['second:ckpt']])
    const third = await get<WireLineage>(api, '/v1/adapters/third/lineage')
    assert.deepEqual(third.steps.map(({ adapter, run }) => [adapter, run?.id]), [['first', 'ftjob-1'], ['second', 'ftjob-2'], ['third', undefined]])
    assert.equal((await api.fetch('/v1/adapters/first/lineage')).status, 404)
  })

  test('an ancestry that leads round ends', async (t) => {
    const api = await serveFake(t)
    const { adapters } = api.server.context
    await adapters.add({ id: 'a', directory: '/x', facts, source: 'job', parentId: 'b' })
    await adapters.add({ id: 'b', directory: '/x', facts, source: 'job', parentId: 'a' })
    assert.deepEqual((await get<WireLineage>(api, '/v1/adapters/b/lineage')).steps.map(({ adapter }) => adapter), ['a', 'b'])
  })

  test('is downloaded as a zip that loads as the adapter it is', async (t) => {
    const source = join(tinyModel, 'adapter')
    const api = await serveFake(t, { adapters: { 'team/polite': source } })
    const response = await api.fetch('/v1/adapters/team%2Fpolite/download')
    assert.equal(response.status, 200)
    assert.match(response.headers.get('content-disposition')!, /^attachment; filename="team-polite-[0-9a-f]{8}\.zip"$/)
    const files = unzipSync(new Uint8Array(await response.arrayBuffer()))
    assert.deepEqual(Object.keys(files).filter((name) => name !== 'posttrain.json'), ['adapter_config.json', 'adapter_model.safetensors'])
    const unpacked = await temporary(t)
    for (const [name, content] of Object.entries(files)) await writeFile(join(unpacked, name), content)
    const { config, close } = await openModel(tinyModel)
    close()
    const [sent, kept] = [loadAdapter(unpacked, config), loadAdapter(source, config)]
    assert.deepEqual(sent.config, kept.config)
    for (const [name, values] of kept.parameters) assert.ok(Buffer.from(values.buffer).equals(Buffer.from(sent.parameters.get(name)!.buffer)), name)
  })

  test('what is not there any more, or leads elsewhere by now, is not sent', async (t) => {
    const elsewhere = await temporary(t)
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) await writeFile(join(elsewhere, name), 'secret')
    const api = await serveFake(t)
    const { adapters } = api.server.context
    await adapters.add({ id: 'moved', directory: elsewhere, facts, source: 'request' })
    await adapters.add({ id: 'gone', directory: join(elsewhere, 'gone'), facts, source: 'job' })
    const refused = await api.fetch('/v1/adapters/moved/download')
    assert.equal(refused.status, 400)
    assert.ok(!(await refused.text()).includes('secret'))
    assert.equal((await api.fetch('/v1/adapters/gone/download')).status, 422)
    assert.equal((await api.fetch('/v1/adapters/none/download')).status, 404)
  })

  test('needs the scope train', async (t) => {
    const api = await serveFake(t, { requireKey: true })
    await mkdir(join(api.directory, 'merged'), { recursive: true })
    const { key } = await api.server.context.keys.create({ name: 'app', scopes: ['infer', 'feedback'] })
    for (const path of ['/v1/adapters', '/v1/adapters/traffic', '/v1/adapters/x/lineage', '/v1/adapters/x/download', '/v1/merged', '/v1/merged/x/download']) {
      assert.equal((await api.fetch(path)).status, 401, path)
      assert.equal((await api.fetch(path, { headers: { authorization: `Bearer ${key}` } })).status, 403, path)
    }
  })

  test('pinning says so', async (t) => {
    const api = await serveFake(t, { adapters: { a: join(tinyModel, 'adapter') } })
    const pin = async (action: string): Promise<WireAdapter> => await (await api.post(`/v1/adapters/a/${action}`, {})).json() as WireAdapter
    assert.equal((await pin('pin')).pinned, true)
    assert.equal(api.model.pinned.size, 1)
    assert.equal((await pin('unpin')).pinned, false)
  })
})

function completion(id: string, createdAt: number, adapterId: string | null, alias: string | null, source: 'server' | 'logged'): Row<'completions'> {
  return {
    id, created_at: createdAt, source, kind: 'chat', model: alias ?? adapterId ?? 'tiny-llama', adapter_id: adapterId, alias, user_id: null,
    conversation_id: 'c', prompt_json: '[]', prompt_hash: 'h', parameters_json: '{}', metadata_json: '{}', prompt_tokens: 10, completion_tokens: 5, expires_at: null,
  }
}

function job(id: string, adapter: string, file: string, recipe: object): Row<'jobs'> {
  return {
    id, created_at: 1, started_at: 1, finished_at: 2, status: 'succeeded', model: 'tiny-llama', request_json: '{}', recipe_json: JSON.stringify(recipe),
    training_file: file, validation_file: null, fine_tuned_model: adapter, trained_tokens: 1, estimated_finish: null, error_json: null, promotion_json: null,
    metadata_json: '{}', pid: null, finish_requested_at: null,
  }
}
