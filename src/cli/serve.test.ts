/** `posttrain serve` as a process: what it prints, what it refuses, how it ends. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

const main = join(import.meta.dirname, 'main.ts')
const tiny = join(import.meta.dirname, '../models/fixtures/tiny-llama')

interface Serving {
  readonly child: ChildProcess
  readonly directory: string
  /** What it wrote so far. */
  readonly written: { out: string; log: string }
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>
  /** Resolves with its address. */
  ready(): Promise<string>
}

async function serve(t: TestContext, ...args: string[]): Promise<Serving> {
  const directory = await mkdtemp(join(tmpdir(), 'serve-'))
  const child = spawn(process.execPath, [main, 'serve', '--model', tiny, '--threads', '1', '--directory', directory, ...args], {
    env: { ...process.env, POSTTRAIN_CACHE: join(directory, 'cache') },
  })
  const written = { out: '', log: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => { written.out += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { written.log += text })
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null)
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
    await rm(directory, { recursive: true })
  })
  const ready = async (): Promise<string> => {
    while (!written.out.includes('\n')) {
      const over = await Promise.race([once(child.stdout, 'data').then(() => false), ended.then(() => true)])
      if (over) assert.fail(written.log)
    }
    return /http:\/\/[^\s"]+/.exec(written.out)![0]
  }
  return { child, directory, written, ended, ready }
}

const ask = async (url: string, body: object): Promise<Response> => fetch(`${url}/chat/completions`, {
  method: 'POST', headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'tiny-llama', messages: [{ role: 'user', content: 'x' }], ...body }),
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends it well: the answer that runs is sent, and the exit code is 0`, async (t) => {
    const { child, ended, ready, written } = await serve(t, '--port', '0', '--adapter', `polite=${join(tiny, 'adapter')}`)
    const url = await ready()
    assert.equal(written.out, `serving tiny-llama at ${url}\nthe Studio is at ${url.replace(/v1$/, '')}\n`)
    const running = await ask(url, { model: 'polite', stream: true, max_tokens: 300, logit_bias: { 2: -100 } })
    child.kill(signal)
    const text = await running.text()
    assert.ok(text.endsWith('data: [DONE]\n\n'), text.slice(-300))
    assert.equal(await ended, 0)
    await assert.rejects(ask(url, {}))
  })
}

test('the second Ctrl-C does not wait', async (t) => {
  const { child, ended, ready, written } = await serve(t, '--port', '0')
  const running = ready().then(async (url) => ask(url, { stream: true, max_tokens: 490, n: 64, logit_bias: { 2: -100 } }))
  await running
  child.kill('SIGINT')
  while (!written.log.includes('Stopping')) await once(child.stderr!, 'data')
  child.kill('SIGINT')
  assert.ok([0, 'SIGINT'].includes((await ended)!))
})

test('what stands in its way is said at once', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => { other.close() })
  const { port } = other.address() as AddressInfo
  const cases: [args: string[], code: number, says: RegExp][] = [
    [['--port', String(port)], 1, new RegExp(`^Port ${port} of 127\\.0\\.0\\.1 is in use`, 'm')],
    [['--port', '70000'], 2, /--port must be a whole number from 0 to 65535/],
    [['--host', '203.0.113.7', '--port', '0'], 1, /no address 203\.0\.113\.7/],
    [['--adapter', 'polite'], 2, /NAME=DIR/],
    [['--adapter', 'polite=nowhere', '--port', '0'], 1, /no adapter at .*nowhere/],
    [['--adapter', `../x=${join(tiny, 'adapter')}`, '--port', '0'], 2, /adapter name "\.\.\/x" is not allowed/],
    [['--allow-address', '10.0.0.0/99', '--port', '0'], 2, /--allow-address 10\.0\.0\.0\/99/],
    [['--precision', 'f8'], 2, /--precision/],
    [['--database', 'mysql://x', '--port', '0'], 2, /postgres/],
  ]
  for (const [args, code, says] of cases) {
    const { child, ended, written } = await serve(t, ...args)
    // One that serves would go on for ever.
    child.stdout!.once('data', () => child.kill('SIGKILL'))
    assert.equal(await ended, code, `${args.join(' ')}: ${written.log}`)
    assert.match(written.log, says)
    assert.equal(written.out, '')
  }
})

test('a folder has one server at a time', async (t) => {
  const first = await serve(t, '--port', '0')
  await first.ready()
  const second = await serve(t, '--port', '0', '--directory', first.directory)
  assert.equal(await second.ended, 1)
  assert.match(second.written.log, new RegExp(String(first.child.pid)))
})
