import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Hono } from 'hono'
import OpenAI, { toFile } from 'openai'
import { Files } from '../../registry/files.ts'
import { openStore, type Store } from '../../store/index.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { asApiError } from '../errors.ts'
import { fileRoutes } from './files.ts'

const limit = 200_000

interface Served {
  readonly client: OpenAI
  readonly store: Store
  /** Names of all contents on the disk. */
  contents(): Promise<string[]>
  request(path: string, init?: RequestInit): Promise<Response>
}

async function serveFiles(t: TestContext): Promise<Served> {
  const directory = await mkdtemp(join(tmpdir(), 'files-'))
  const store = await openStore({ directory })
  t.after(async () => {
    await store.close()
    await rm(directory, { recursive: true })
  })
  const app = new Hono<RequestVariables>()
  app.route('/', fileRoutes({ store, jobs: { files: await Files.open(store) } as ServerContext['jobs'] }, limit))
  app.onError((error, c) => {
    const { body, status } = asApiError(error)
    return c.json(body, status)
  })
  const fetchApp = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => app.request(input instanceof URL ? input.href : input, init)
  return {
    store,
    client: new OpenAI({ apiKey: 'none', baseURL: 'http://localhost/v1', fetch: fetchApp, maxRetries: 0 }),
    contents: async () => (await readdir(join(directory, 'blobs'), { recursive: true, withFileTypes: true }).catch(() => [])).filter((entry) => entry.isFile()).map(({ name }) => name),
    request: async (path, init) => app.request(path, init),
  }
}

/** A form with one file, as browsers write it. */
function form(filename: string, content: string, fields: Readonly<Record<string, string>> = { purpose: 'fine-tune' }): RequestInit {
  const disposition = (name: string): string => `--b\r\nContent-Disposition: form-data; name="${name}"`
  const file = `${disposition('file')}; filename="${filename}"\r\nContent-Type: text/plain\r\n\r\n${content}\r\n`
  const rest = Object.entries(fields).map(([name, value]) => `${disposition(name)}\r\n\r\n${value}\r\n`).join('')
  return { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' }, body: `${file}${rest}--b--\r\n` }
}

test('a file by OpenAI\'s client: up, listed, down, gone', async (t) => {
  const { client, contents } = await serveFiles(t)
  const content = Buffer.alloc(150_000, 'a line of text\n')
  const file = await client.files.create({ file: await toFile(content, 'rows.jsonl'), purpose: 'fine-tune' })
  assert.match(file.id, /^file-[0-9a-f]{36}$/)
  assert.deepEqual([file.object, file.bytes, file.filename, file.purpose, file.status], ['file', content.length, 'rows.jsonl', 'fine-tune', 'processed'])
  assert.deepEqual(await client.files.retrieve(file.id), file)
  // Ids sort by the millisecond of their making.
  await new Promise((resolve) => setTimeout(resolve, 2))
  const second = await client.files.create({ file: await toFile(Buffer.from('other'), 'b.txt'), purpose: 'user_data' })
  assert.deepEqual((await client.files.list()).data.map(({ id }) => id), [second.id, file.id])
  assert.deepEqual((await client.files.list({ order: 'asc', limit: 1 })).data.map(({ id }) => id), [file.id])
  assert.deepEqual((await client.files.list({ purpose: 'user_data' })).data.map(({ id }) => id), [second.id])
  const all = []
  for await (const { id } of client.files.list({ limit: 1 })) all.push(id)
  assert.deepEqual(all, [second.id, file.id])
  const response = await client.files.content(file.id)
  assert.deepEqual([response.headers.get('content-disposition'), response.headers.get('x-content-type-options')], ['attachment', 'nosniff'])
  assert.ok(Buffer.from(await response.arrayBuffer()).equals(content))
  assert.deepEqual(await client.files.delete(file.id), { id: file.id, object: 'file', deleted: true })
  for (const action of ['retrieve', 'content', 'delete'] as const) await assert.rejects(async () => client.files[action](file.id), OpenAI.NotFoundError, action)
  assert.equal((await contents()).length, 1)
})

test('content that two files share goes with the last of them', async (t) => {
  const { client, contents } = await serveFiles(t)
  const add = async () => client.files.create({ file: await toFile(Buffer.from('the same'), 'x.jsonl'), purpose: 'fine-tune' })
  const [a, b] = await Promise.all([add(), add()])
  assert.equal((await contents()).length, 1)
  await client.files.delete(a.id)
  assert.equal(await (await client.files.content(b.id)).text(), 'the same')
  await client.files.delete(b.id)
  assert.deepEqual(await contents(), [])
})

test('whatever a file calls itself is text and no place', async (t) => {
  const { request, contents } = await serveFiles(t)
  const names = ['../../etc/passwd', '/etc/passwd', '..%2f..%2fx', 'C:\\\\x\\\\y', '<script>alert(1)</script>', '\'; drop table files; --', 'x'.repeat(3000), '']
  for (const name of names) {
    const response = await request('/v1/files', form(name, name))
    assert.equal(response.status, 200, name)
    assert.ok(((await response.json()) as { filename: string }).filename.length <= 255)
  }
  for (const name of await contents()) assert.match(name, /^[0-9a-f]{64}$/)
})

test('what is wrong with an upload is said, and nothing of it is kept', async (t) => {
  const { request, contents, store } = await serveFiles(t)
  const whole = form('a.jsonl', 'content')
  const broken = { ...whole, body: String(whole.body).slice(0, 120) }
  const cases: readonly (readonly [RequestInit, number, string | null])[] = [
    [form('a.jsonl', 'content', {}), 400, 'purpose'],
    [form('a.jsonl', 'content', { purpose: 'fine-tune-results' }), 400, 'purpose'],
    [form('a.jsonl', 'content', { purpose: 'fine-tune', 'expires_after[anchor]': 'created_at' }), 400, 'expires_after'],
    [{ ...whole, body: '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--b--\r\n' }, 400, 'file'],
    [form('a.jsonl', 'x'.repeat(limit + 1)), 413, 'file'],
    [broken, 400, null],
    [{ ...whole, body: '' }, 400, null],
    [{ ...whole, headers: { 'content-type': 'application/json' } }, 415, null],
    [{ ...whole, headers: { 'content-type': 'multipart/form-data' } }, 415, null],
  ]
  for (const [init, status, param] of cases) {
    const response = await request('/v1/files', init)
    const { error } = await response.json() as { error: { param: string | null; message: string } }
    assert.deepEqual([response.status, error.param], [status, param], error.message)
  }
  assert.deepEqual(await contents(), [])
  assert.deepEqual(await store.db.selectFrom('files').selectAll().execute(), [])
})

test('an upload that is broken off leaves nothing, and its server goes on', { timeout: 20_000 }, async (t) => {
  const { request, contents } = await serveFiles(t)
  const init = form('a.jsonl', 'x'.repeat(50_000))
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from(String(init.body).slice(0, 20_000)))
      setTimeout(() => { controller.error(new Error('the client is gone')) }, 20)
    },
  })
  const response = await request('/v1/files', { ...init, body, duplex: 'half' } as RequestInit)
  assert.equal(response.status, 400)
  assert.deepEqual(await contents(), [])
  assert.equal((await request('/v1/files', init)).status, 200)
})
