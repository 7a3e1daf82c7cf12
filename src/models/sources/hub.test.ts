import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cp, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { cacheDirectory, listModels, removeModel } from './cache.ts'
import { isHubId } from './hub.ts'
import { openModel } from '../open.ts'
import { resolveFirst, resolveModel } from './source.ts'

const fixtures = join(import.meta.dirname, '../fixtures')
const root = await mkdtemp(join(tmpdir(), 'posttrain-hub-'))
const userError = (message: RegExp) => ({ name: 'UserError', message })

/** A hub with what the tests put on it, at the addresses of the real one. */
const hub = {
  files: new Map<string, Buffer>(),
  /** What is sent instead of the file that is listed. */
  damaged: new Map<string, Buffer>(),
  requests: [] as { url: string; authorization: string | undefined }[],
  status: 200,
}
const server = createServer((request, response) => {
  const url = request.url!
  hub.requests.push({ url, authorization: request.headers.authorization })
  if (hub.status !== 200) return response.writeHead(hub.status).end()
  if (url.startsWith('/api/models/owner/tiny/')) {
    const siblings = [...hub.files].map(([rfilename, content]) => {
      const sha256 = createHash('sha256').update(content).digest('hex')
      return { rfilename, size: content.length, lfs: rfilename.endsWith('.safetensors') ? { sha256 } : null }
    })
    return response.end(JSON.stringify({ sha: 'abcdef0123', siblings }))
  }
  const name = url.replace('/owner/tiny/resolve/abcdef0123/', '')
  const content = hub.damaged.get(name) ?? hub.files.get(name)
  return content === undefined ? response.writeHead(404).end() : response.end(content)
})

await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
const environment = { ...process.env }
after(async () => {
  process.env = environment
  server.close()
  await rm(root, { recursive: true, force: true })
})

beforeEach(async () => {
  process.env.POSTTRAIN_CACHE = await mkdtemp(join(root, 'cache-'))
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  delete process.env.HF_TOKEN
  hub.requests.length = 0
  hub.status = 200
  hub.damaged.clear()
  hub.files = new Map()
  await serve('tiny-qwen3')
})

async function serve(fixture: string): Promise<void> {
  for (const name of await readdir(join(fixtures, fixture))) {
    if (name !== 'adapter') hub.files.set(name, await readFile(join(fixtures, fixture, name)))
  }
}

async function leftovers(): Promise<string[]> {
  return (await readdir(cacheDirectory(), { recursive: true })).filter(name => name.includes('partial'))
}

test('downloads what a model needs and nothing else, once', async () => {
  hub.files.set('pytorch_model.bin', Buffer.from('pickle'))
  hub.files.set('modeling_custom.py', Buffer.from('code'))
  hub.files.set('../escape.json', Buffer.from('{}'))
  process.env.HF_TOKEN = 'hf_secret'
  const progress: number[] = []
  const path = await resolveModel('owner/tiny', { onProgress: ({ received }) => progress.push(received) })
  const expected = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json',
    'model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json']
  assert.deepEqual((await readdir(path)).sort(), expected.sort())
  const total = expected.reduce((sum, name) => sum + hub.files.get(name)!.length, 0)
  assert.equal(progress.at(-1), total)
  assert.ok(hub.requests.every(({ authorization }) => authorization === 'Bearer hf_secret'))
  const model = await openModel(path)
  assert.equal(model.config.architecture, 'qwen3')
  model.close()

  const requests = hub.requests.length
  assert.equal(await resolveModel('owner/tiny'), path)
  assert.equal(hub.requests.length, requests, 'the second time nothing is asked')
  assert.deepEqual(listModels(), [{ ref: 'owner/tiny', path, bytes: total }])
  await assert.rejects(removeModel('owner/tny'), /not in the cache .*did you mean "owner\/tiny"/)
  await removeModel('owner/tiny')
  assert.deepEqual(listModels(), [])
})

test('a file that is not what the hub lists leaves nothing', async () => {
  const shard = 'model-00002-of-00002.safetensors'
  hub.damaged.set(shard, Buffer.alloc(hub.files.get(shard)!.length))
  await assert.rejects(resolveModel('owner/tiny'), userError(/00002-of-00002\.safetensors does not have the SHA-256/))
  hub.damaged.set(shard, hub.files.get(shard)!.subarray(100))
  await assert.rejects(resolveModel('owner/tiny'), userError(/ended after \d+ of \d+ bytes/))
  assert.deepEqual(listModels(), [])
  assert.deepEqual(await leftovers(), [])
})

test('what the hub refuses is explained', async () => {
  const answers = [[401, /set HF_TOKEN/], [403, /accept the model's terms/], [404, /check the name/], [500, /answered 500/]] as const
  for (const [status, expected] of answers) {
    hub.status = status
    await assert.rejects(resolveModel('owner/tiny'), { name: 'UserError', message: expected })
  }
})

test('models without safetensors are refused before anything is fetched', async () => {
  hub.files = new Map([['config.json', Buffer.from('{}')], ['pytorch_model.bin', Buffer.from('x')]])
  await assert.rejects(resolveModel('owner/tiny'), userError(/no safetensors.*Pickled weights/))
  hub.files.set('tiny.Q8_0.gguf', Buffer.from('x'))
  await assert.rejects(resolveModel('owner/tiny'), userError(/tiny\.Q8_0\.gguf: download that file/))
  hub.files = new Map([['model.safetensors', Buffer.from('x')]])
  await assert.rejects(resolveModel('owner/tiny'), userError(/no config\.json/))
  assert.equal(hub.requests.length, 3)
})

test('a hub that cannot be reached', async () => {
  process.env.HF_ENDPOINT = 'http://127.0.0.1:9'
  await assert.rejects(resolveModel('owner/tiny'), userError(/127\.0\.0\.1:9.* cannot be reached/))
  await assert.rejects(resolveFirst(['owner/tiny', './none.gguf']), (error: Error) => {
    assert.match(error.message, /owner\/tiny: .*cannot be reached/)
    assert.match(error.message, /\.\/none\.gguf: There is no model at/)
    return true
  })
  const local = join(fixtures, 'tiny-llama')
  assert.deepEqual(await resolveFirst(['owner/tiny', local]), { ref: local, path: local })
})

test('offline, only the disk counts', async () => {
  await assert.rejects(resolveModel('owner/tiny', { offline: true }), /not in the cache/)
  assert.equal(hub.requests.length, 0)
  const directory = join(root, 'copied')
  await cp(join(fixtures, 'tiny-llama'), directory, { recursive: true })
  assert.equal(await resolveModel(directory, { offline: true }), directory)
})

test('only owner/name is an id of the hub', async () => {
  for (const ref of ['owner/tiny', 'HuggingFaceTB/SmolLM2-135M-Instruct', 'a/b.c_d--e']) assert.ok(isHubId(ref), ref)
  const others = ['tiny', '../tiny', 'owner/../x', 'owner/tiny/x', '/none/x', 'a\\b', 'a/b%2f..', 'owner/', '~/x', 'a/..', 'a b/c']
  for (const ref of others) {
    assert.ok(!isHubId(ref), ref)
    await assert.rejects(resolveModel(ref), userError(/There is no model at/))
  }
  assert.equal(hub.requests.length, 0)
})

test('the cache is where the environment says', () => {
  process.env.POSTTRAIN_CACHE = join(root, 'own')
  assert.equal(cacheDirectory(), join(root, 'own'))
  delete process.env.POSTTRAIN_CACHE
  process.env.XDG_CACHE_HOME = join(root, 'xdg')
  assert.equal(cacheDirectory(), join(root, 'xdg', 'posttrain'))
  delete process.env.XDG_CACHE_HOME
  assert.match(cacheDirectory(), /[\\/]\.cache[\\/]posttrain$/)
})
