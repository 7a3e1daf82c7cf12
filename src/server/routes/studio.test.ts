import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { ApiError } from '../errors.ts'
import { serveFake } from '../fixtures/server.ts'
import { studioRoutes } from './studio.ts'

const page = '<!doctype html><script type="module" src="/assets/index-abc.js"></script>'
const script = `console.log(${JSON.stringify('x'.repeat(2000))})`

/** The routes over a Studio of two files, and a file beside it that is nobody's business. */
async function built(t: TestContext): Promise<(path: string, headers?: Record<string, string>) => Promise<Response>> {
  const folder = await mkdtemp(join(tmpdir(), 'studio-'))
  t.after(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'dist', 'assets'), { recursive: true })
  await writeFile(join(folder, 'dist', 'index.html'), page)
  await writeFile(join(folder, 'dist', 'assets', 'index-abc.js'), script)
  await writeFile(join(folder, 'secret.html'), 'hidden words')
  return requests(join(folder, 'dist'))
}

function requests(directory: string): (path: string, headers?: Record<string, string>) => Promise<Response> {
  const app = new Hono().route('/', studioRoutes(undefined, directory))
  app.onError((error, c) => (error instanceof ApiError ? c.json(error.body, error.status) : c.text(String(error), 500)))
  return async (path, headers = {}) => app.request(path, { headers })
}

test('the page lets nothing foreign in and is asked for anew; its scripts are kept for good', async (t) => {
  const get = await built(t)
  const root = await get('/')
  assert.equal(root.status, 200)
  assert.equal(await root.text(), page)
  assert.match(root.headers.get('content-type') ?? '', /^text\/html/)
  assert.equal(root.headers.get('cache-control'), 'no-cache')
  const policy = root.headers.get('content-security-policy') ?? ''
  for (const part of ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) assert.ok(policy.includes(part), part)
  assert.ok(!policy.includes('unsafe'))
  const asset = await get('/assets/index-abc.js')
  assert.equal(await asset.text(), script)
  assert.match(asset.headers.get('content-type') ?? '', /^text\/javascript/)
  assert.match(asset.headers.get('cache-control') ?? '', /immutable/)
})

test('files travel compressed where the browser can read it, and not again where it has them', async (t) => {
  const get = await built(t)
  const brotli = await get('/assets/index-abc.js', { 'accept-encoding': 'gzip, deflate, br' })
  assert.equal(brotli.headers.get('content-encoding'), 'br')
  assert.equal(brotliDecompressSync(await brotli.bytes()).toString(), script)
  const zipped = await get('/assets/index-abc.js', { 'accept-encoding': 'gzip;q=0.5' })
  assert.equal(gunzipSync(await zipped.bytes()).toString(), script)
  const again = await get('/assets/index-abc.js', { 'if-none-match': brotli.headers.get('etag')! })
  assert.equal(again.status, 304)
})

test('nothing but the built files can be had', async (t) => {
  const get = await built(t)
  for (const path of ['/assets/..%2f..%2fsecret.html', '/assets/%2e%2e/secret.html', '/assets/..%5c..%5csecret.html', '/secret.html', '/index.html', '/assets/none.js']) {
    const response = await get(path)
    assert.equal(response.status, 404, path)
    assert.ok(!(await response.text()).includes('hidden words'), path)
  }
})

test('where it is not built, the server says how', async () => {
  const response = await requests(join(tmpdir(), 'no-such-studio'))('/')
  assert.equal(response.status, 404)
  assert.match(((await response.json()) as { error: { message: string } }).error.message, /npm run build:studio/)
})

test('the page comes without a key where the API asks for one: it holds no data, and asks for the key itself', async (t) => {
  const { fetch } = await serveFake(t, { requireKey: true })
  assert.notEqual((await fetch('/')).status, 401)
  assert.notEqual((await fetch('/assets/none.js')).status, 401)
  assert.equal((await fetch('/v1/models')).status, 401)
})
