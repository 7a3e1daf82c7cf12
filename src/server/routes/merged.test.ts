import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { loadModel } from '../../generate/model.ts'
import { serveFake, tinyModel, type TestServer } from '../fixtures/server.ts'
import type { WireMerge } from './adapters-wire.ts'

const adapter = join(tinyModel, 'adapter')

async function greedy(model: string, options: { readonly adapter?: string } = {}): Promise<string> {
  await using loaded = await loadModel(model, { ...options, threads: 1 })
  const prompt = loaded.tokenizer.encodeChat([{ role: 'user', content: 'Say hello' }], { generationPrompt: true })
  const [answer] = await loaded.generate([{ prompt, temperature: 0, maxTokens: 12 }])
  return answer!.text
}

async function mergeWhen({ fetch }: TestServer, name: string, wanted: (merge: WireMerge) => boolean): Promise<WireMerge> {
  for (;;) {
    const merge = await (await fetch(`/v1/merged/${name}`)).json() as WireMerge
    if (wanted(merge)) return merge
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'merged-'))
  t.after(() => rm(directory, { recursive: true }))
  return directory
}

describe('/v1/merged', () => {
  test('a GGUF is made while others are served, tells how far it is, and answers as base and adapter did', async (t) => {
    const api = await serveFake(t, { adapters: { first: adapter } })
    const begun = await api.post('/v1/adapters/first/merge', { format: 'gguf', dtype: 'f32', wait: false })
    assert.equal(begun.status, 202)
    assert.deepEqual((await begun.json() as WireMerge).name, 'first.gguf')
    assert.equal((await api.post('/v1/adapters/first/merge', { format: 'gguf' })).status, 409)
    const { status, error, bytes, progress, dtype, outdated } = await mergeWhen(api, 'first.gguf', (merge) => merge.status !== 'queued' && merge.status !== 'running')
    assert.deepEqual([status, error, progress, dtype, outdated], ['succeeded', null, { done: 1, total: 1 }, 'f32', false])
    const download = await api.fetch('/v1/merged/first.gguf/download')
    assert.equal(download.headers.get('content-length'), String(bytes))
    const path = join(await temporary(t), 'downloaded.gguf')
    await writeFile(path, new Uint8Array(await download.arrayBuffer()))
    assert.equal(await greedy(path), await greedy(tinyModel, { adapter }))
  })

  test('a directory is sent as a tar that unpacks to a model; it is listed and deleted', async (t) => {
    const api = await serveFake(t, { adapters: { first: adapter } })
    const merged = await (await api.post('/v1/adapters/first/merge', {})).json() as WireMerge
    assert.deepEqual([merged.status, merged.directory], ['succeeded', join(api.directory, 'merged', 'first')])
    const download = await api.fetch('/v1/merged/first/download')
    const tar = Buffer.from(await download.arrayBuffer())
    assert.equal(download.headers.get('content-length'), String(tar.length))
    const folder = await temporary(t)
    await unpack(tar, folder)
    assert.equal(await greedy(join(folder, 'first')), await greedy(tinyModel, { adapter }))
    const { data } = await (await api.fetch('/v1/merged')).json() as { data: WireMerge[] }
    assert.deepEqual(data.map(({ name, adapter, format }) => [name, adapter, format]), [['first', 'first', 'safetensors']])
    assert.equal((await api.fetch('/v1/merged/first', { method: 'DELETE', headers: { 'content-type': 'application/json' } })).status, 200)
    assert.equal((await api.fetch('/v1/merged/first/download')).status, 404)
  })

  test('an adapter whose weights changed is told from what was merged', async (t) => {
    const api = await serveFake(t, { adapters: { first: adapter } })
    await api.post('/v1/adapters/first/merge', {})
    await api.server.context.adapters.replace({ id: 'first', directory: adapter, facts: { rank: 8, bytes: 1, sha256: 'cd'.repeat(32) }, source: 'request' })
    assert.equal((await mergeWhen(api, 'first', () => true)).outdated, true)
  })

  test('a merge that fails says why, leaves nothing behind, and can be tried again', async (t) => {
    const api = await serveFake(t)
    const directory = join(await temporary(t), 'adapter')
    await api.server.context.adapters.add({ id: 'late', directory, facts: { rank: 8, bytes: 1, sha256: 'ab'.repeat(32) }, source: 'job' })
    assert.equal((await api.post('/v1/adapters/late/merge', {})).status, 422)
    const failed = await mergeWhen(api, 'late', () => true)
    assert.deepEqual([failed.status, failed.bytes], ['failed', null])
    assert.match(failed.error!, /There is no adapter at/)
    const download = await api.fetch('/v1/merged/late/download')
    assert.equal(download.status, 409)
    assert.match(await download.text(), /was not written: There is no adapter at/)
    assert.equal((await api.post('/v1/adapters/late/merge', {})).status, 422)
    assert.equal((await api.fetch('/v1/merged/late', { method: 'DELETE', headers: { 'content-type': 'application/json' } })).status, 200)
    assert.equal((await api.fetch('/v1/merged/late')).status, 404)
  })

  test('no name leads out of the folder', async (t) => {
    const api = await serveFake(t)
    await mkdir(join(api.directory, 'merged'))
    await writeFile(join(api.directory, 'secret.json'), '{"adapter":"x","format":"gguf","createdAt":1}')
    await writeFile(join(api.directory, 'secret'), 'secret')
    for (const name of ['..%2Fsecret', '%2e%2e%2fsecret', '..%5Csecret', '.', '%00', 'secret.json', encodeURIComponent(join(api.directory, 'secret'))]) {
      assert.equal((await api.fetch(`/v1/merged/${name}/download`)).status, 404, name)
    }
    assert.equal((await api.post('/v1/adapters/none/merge', {})).status, 404)
    assert.equal((await api.post('/v1/adapters/none/merge', { format: 'onnx' })).status, 404)
  })
})

/** The regular files of a tar as POSIX has it: name and prefix, size in octal. */
async function unpack(tar: Buffer, folder: string): Promise<void> {
  const text = (from: number, length: number): string => tar.toString('latin1', from, from + length).split('\0')[0]!
  for (let at = 0; text(at, 100) !== '';) {
    const header = tar.subarray(at, at + 512)
    const sum = header.reduce((all, byte, i) => all + (i >= 148 && i < 156 ? 32 : byte), 0)
    assert.equal(parseInt(text(at + 148, 8), 8), sum)
    const bytes = parseInt(text(at + 124, 12), 8)
    const path = join(folder, text(at + 345, 155), text(at, 100))
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, tar.subarray(at + 512, at + 512 + bytes))
    at += 512 + Math.ceil(bytes / 512) * 512
  }
}
