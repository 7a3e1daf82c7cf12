/** What is tried against a server with an engine behind it: names, paths, adapters and schemas. */
import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openModel } from '../models/open.ts'
import { saveAdapter } from '../models/peft.ts'
import { randomAdapter } from '../models/random-adapter.ts'
import { caller } from './fixtures/caller.ts'
import { tinyModel } from './fixtures/server.ts'
import { startServer, type RunningServer } from './serve.ts'

const chat = '/v1/chat/completions'
const ask = { model: 'tiny-llama', messages: [{ role: 'user' as const, content: 'Say hello' }], max_tokens: 2 }

describe('a server on a tiny model', () => {
  const weights = 'adapter_model.safetensors'
  const sound = join(tinyModel, 'adapter')
  let directory: string
  let roots: string
  let server: RunningServer
  const call = caller(() => server.url)
  const load = async (path: string, name = 'stray') => call('/v1/load_lora_adapter', { lora_name: name, lora_path: path })
  /** A sound adapter with a change, in a folder of the roots. */
  const changed = async (name: string, change: (folder: string) => Promise<unknown>): Promise<string> => {
    await cp(sound, join(roots, name), { recursive: true })
    await change(join(roots, name))
    return name
  }
  const names = (): string[] => server.context.adapters.list().map(({ id }) => id)

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'attacks-'))
    roots = join(directory, 'roots')
    await mkdir(roots)
    await changed('sound', async () => undefined)
    server = await startServer({ model: tinyModel, directory: join(directory, 'server'), port: 0, threads: 1, adapterRoots: [roots] })
  })
  after(async () => {
    await server.close()
    await rm(directory, { recursive: true })
  })

  test('paths with "..", absolute, with backslashes, encoded once and twice, through symbolic links', async () => {
    await symlink(sound, join(roots, 'link'))
    await changed('link-in-it', async (folder) => {
      await rm(join(folder, weights))
      await symlink(join(sound, weights), join(folder, weights))
    })
    const paths = [
      'link', 'link-in-it', '..', '.', '', '/', '/etc', '../sound', 'sound/../sound', `${roots}/../roots/sound`, sound, roots, '..\\sound', 'C:\\sound', '\\\\host\\sound',
      '%2e%2e/sound', '%252e%252e/sound', '..%2fsound', '%2fetc', 'sound\0', 'sound\n', 'nothing', '~', 'file:///etc', 'x'.repeat(5000),
    ]
    for (const path of paths) assert.equal((await load(path)).status, 400, JSON.stringify(path))
    assert.deepEqual(names(), [])
    assert.equal((await load(join(roots, 'sound'), 'inside')).status, 200)
    await server.context.adapters.remove('inside')
  })

  test('names with "..", absolute, with backslashes, encoded: of adapters, aliases, datasets, jobs', async () => {
    const wrong = ['..', '../x', 'a/../../x', '/x', '//x', 'a\\..\\x', 'C:x\\y', '%2e%2e', '%252e%252e', '..%2fx', 'a\0', 'a\nb', '.hidden', '-rf', ' ', '', 'ü', 'x'.repeat(201)]
    const before = await readdir(directory, { recursive: true })
    for (const name of wrong) {
      const alias = encodeURIComponent(name)
      const put = await fetch(`${server.url}/v1/aliases/${alias}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"adapter": null}' })
      assert.ok(put.status === 400 || put.status === 404, `alias ${JSON.stringify(name)}: ${put.status}`)
      assert.equal((await load('sound', name)).status, 400, name)
      assert.equal((await call('/v1/unload_lora_adapter', { lora_name: name })).status, 404, name)
      assert.equal((await call('/v1/datasets', { name, kind: 'sft' })).status, 400, name)
      assert.equal((await call(chat, { ...ask, model: name })).status, 404, name)
      assert.equal((await call('/v1/fine_tuning/jobs', { model: 'tiny-llama', training_file: name || 'none' })).status, 400, name)
    }
    assert.deepEqual(names(), [])
    const kept = (entry: string): boolean => !/store\.sqlite-(wal|shm)$/.test(entry)
    assert.deepEqual((await readdir(directory, { recursive: true })).filter(kept), before.filter(kept))
  })

  test('pickled weights, also under the name of others', async () => {
    const zipped = Buffer.from('504b03041400000000000000', 'hex')
    const pickled = Buffer.from('80028a0a6cfc9c46f9206aa850192e80', 'hex')
    await changed('bin', async (folder) => {
      await rm(join(folder, weights))
      await writeFile(join(folder, 'adapter_model.bin'), zipped)
      // The path has to lead to something for the server to look at it.
      await writeFile(join(folder, weights), zipped)
    })
    await changed('labelled', async (folder) => writeFile(join(folder, weights), pickled))
    for (const name of ['bin', 'labelled']) {
      const { status, message } = await load(name)
      assert.equal(status, 400)
      assert.match(message, /pickle/)
    }
    await changed('only-bin', async (folder) => {
      await rm(join(folder, weights))
      await writeFile(join(folder, 'adapter_model.bin'), zipped)
    })
    assert.equal((await load('only-bin')).status, 400)
    assert.deepEqual(names(), [])
  })

  test('an adapter of another base, one whose rank is too high, one whose rank lies', async () => {
    await cp(join(tinyModel, '../tiny-qwen2/adapter'), join(roots, 'foreign'), { recursive: true })
    const { config, close } = await openModel(tinyModel)
    close()
    await saveAdapter(join(roots, 'rank-72'), randomAdapter(config, { seed: 1, rank: 72, kinds: ['q_proj'] }), config, null)
    const withRank = (r: unknown) => async (folder: string) => {
      const path = join(folder, 'adapter_config.json')
      await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')) as object, r }))
    }
    const ranks = await Promise.all([0, -1, 1.5, 2 ** 40, 1e308, '8', null].map(async (rank, i) => changed(`rank-lies-${i}`, withRank(rank))))
    const expected: readonly (readonly [name: string, message: RegExp])[] = [
      ['foreign', /another base/], ['rank-72', /rank is 72, above the highest/], ...ranks.map((name) => [name, /rank|shape|adapter_config\.json/] as const),
    ]
    for (const [name, pattern] of expected) {
      const { status, message } = await load(name)
      assert.equal(status, 400, name)
      assert.match(message, pattern)
    }
    assert.deepEqual(names(), [])
  })

  test('headers that lie about lengths, places and shapes', async () => {
    const bytes = await readFile(join(sound, weights))
    const length = Number(bytes.readBigUInt64LE())
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, { shape: number[]; data_offsets: number[] }>
    const [first] = Object.keys(header).filter((name) => name !== '__metadata__')
    const rewritten = (entry: object): Buffer => {
      const json = Buffer.from(JSON.stringify({ ...header, [first!]: { ...header[first!], ...entry } }))
      const start = Buffer.alloc(8)
      start.writeBigUInt64LE(BigInt(json.length))
      return Buffer.concat([start, json, bytes.subarray(8 + length)])
    }
    const withLength = (claimed: bigint): Buffer => {
      const lying = Buffer.from(bytes)
      lying.writeBigUInt64LE(claimed)
      return lying
    }
    const lies = [
      withLength(2n ** 64n - 1n), withLength(2n ** 40n), withLength(100_000_001n), withLength(0n), withLength(BigInt(length) + 8n), bytes.subarray(0, 4), bytes.subarray(0, 2000),
      rewritten({ shape: [2 ** 40, 2 ** 40] }), rewritten({ shape: [-1, 4] }), rewritten({ data_offsets: [0, 2 ** 50] }), rewritten({ data_offsets: [64, 0] }),
      rewritten({ dtype: '__proto__' }), Buffer.alloc(0),
    ]
    for (const [i, content] of lies.entries()) {
      const name = await changed(`lie-${i}`, async (folder) => writeFile(join(folder, weights), content))
      const { status, message } = await load(name)
      assert.equal(status, 400, `lie ${i}`)
      assert.notEqual(message, '')
    }
    assert.deepEqual(names(), [])
    assert.equal((await call(chat, ask)).status, 200)
  })

  test('schemas and patterns that explode', async () => {
    const schemaFor = (schema: object) => ({ ...ask, response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } })
    const doubling = (levels: number, last: object, pair: (next: object) => object) => ({
      $ref: '#/$defs/d0',
      $defs: Object.fromEntries(Array.from({ length: levels }, (_, i) => [`d${i}`, i === levels - 1 ? last : pair({ $ref: `#/$defs/d${i + 1}` })])),
    })
    const patterns = ['^(a+)+$', '^((a|a)|(a|a))*b$', '^(a|b)*a(a|b){30}$', '^((((a{99}){99}){99}){99}){99}$', `^.{${1e9}}$`, `${'('.repeat(5000)}a${')'.repeat(5000)}`]
    const schemas: object[] = [
      ...patterns.map((pattern) => ({ type: 'string', pattern })),
      { type: 'string', maxLength: 1e15 }, { type: 'array', items: { type: 'array', items: {}, minItems: 1e9 }, minItems: 1e9 },
      { $ref: '#' }, { $ref: 'http://169.254.169.254/latest' }, { $ref: 'file:///etc/passwd' },
      doubling(40, { type: 'string' }, (next) => ({ allOf: [next, next] })), doubling(40, { type: 'string' }, (next) => ({ anyOf: [next, next] })),
      { enum: Array.from({ length: 50_000 }, (_, i) => `value ${i}`) },
    ]
    for (const schema of schemas) {
      const { status } = await call(chat, schemaFor(schema))
      assert.ok(status === 200 || status === 400, `${JSON.stringify(schema).slice(0, 100)}: ${status}`)
    }
  })
})
