import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { UserError } from '../errors.ts'
import { checkUrl, isPublic, safeFetch, type Address } from './addresses.ts'

async function listen(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  const server: Server = createServer(answer)
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.after(() => { server.closeAllConnections(); server.close() })
  return (server.address() as AddressInfo).port
}

function isRefusal(error: unknown): boolean {
  return error instanceof UserError && error.exitCode === 2 && /not on the public internet/.test(error.message)
}

test('every form in which a closed address can be written is refused', () => {
  const hosts = [
    'localhost', 'LOCALHOST', 'localhost.', 'app.localhost', '127.0.0.1', '127.1', '127.255.255.255', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1',
    '017700000001', '0', '0.0.0.0', '10.1.2.3', '100.64.0.1', '169.254.169.254', '0xa9fea9fe', '172.16.0.1', '172.31.255.255', '192.168.1.1', '192.0.0.1',
    '198.18.0.1', '224.0.0.1', '255.255.255.255', '１２７.０.０.１', '127。0。0。1',
    '[::]', '[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::ffff:8.8.8.8]', '[::127.0.0.1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]',
    '[2001:0:7f00:1::]', '[fc00::1]', '[fd12:3456::1]', '[fe80::1]', '[ff02::1]', '[fec0::1]', '[2001:db8::1]',
  ]
  for (const host of hosts) assert.throws(() => checkUrl(`http://${host}:8080/x`), isRefusal, host)
})

test('public addresses are open, and names wait for their resolution', () => {
  for (const host of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '[2606:4700::1111]', 'example.com', 'localhost.example.com']) assert.equal(checkUrl(`https://${host}/`).protocol, 'https:')
  assert.equal(isPublic({ address: '1.1.1.1', family: 4 }), true)
})

test('what is no address of a web server is refused', () => {
  for (const text of ['', 'x', 'file:///etc/passwd', 'ftp://example.com', 'gopher://example.com', 'javascript:alert(1)', 'https://user:secret@example.com/', '//example.com']) {
    assert.throws(() => checkUrl(text), UserError, text)
  }
})

test('a name is resolved once, each of its addresses is checked, and the checked one is called whatever the name means by then', async (t) => {
  const seen: (string | undefined)[] = []
  const port = await listen(t, (request, response) => { seen.push(request.headers.host); response.end() })
  const answers: Address[][] = [[{ address: '127.0.0.1', family: 4 }], [{ address: '10.0.0.1', family: 4 }]]
  const status = await safeFetch(`http://hook.test:${port}/x`, { allow: ['127.0.0.0/8'], resolve: async () => answers.shift()!, body: '{}' })
  assert.deepEqual([status, seen, answers.length], [200, [`hook.test:${port}`], 1])

  const resolutions: readonly Address[][] = [
    [{ address: '127.0.0.1', family: 4 }],
    [{ address: '8.8.8.8', family: 4 }, { address: '192.168.0.1', family: 4 }],
    [{ address: '::ffff:127.0.0.1', family: 6 }],
  ]
  for (const addresses of resolutions) {
    await assert.rejects(safeFetch(`http://hook.test:${port}/x`, { resolve: async () => addresses }), isRefusal)
  }
  await assert.rejects(safeFetch('http://hook.test/', { resolve: async () => [] }), /has no address/)
  assert.equal(seen.length, 1)
})

test('a redirect is not followed, wherever it leads', async (t) => {
  let inside = 0
  const secret = await listen(t, (_request, response) => { inside += 1; response.end() })
  const port = await listen(t, (_request, response) => response.writeHead(302, { location: `http://127.0.0.1:${secret}/` }).end())
  assert.equal(await safeFetch(`http://127.0.0.1:${port}/`, { allow: [`127.0.0.1:${port}`] }), 302)
  assert.equal(inside, 0)
})

test('the operator permits a host, a host on one port, an address or a subnet, and nothing else with it', async (t) => {
  const port = await listen(t, (_request, response) => response.end())
  const url = `http://127.0.0.1:${port}/`
  for (const entry of ['127.0.0.1', `127.0.0.1:${port}`, '127.0.0.0/8']) assert.equal(await safeFetch(url, { allow: [entry] }), 200, entry)
  for (const entry of ['127.0.0.2', `127.0.0.1:${port + 1}`, '10.0.0.0/8', 'localhost', '']) await assert.rejects(safeFetch(url, { allow: [entry] }), isRefusal, entry)
})

test('a server that never answers, or never ends its answer, is waited for only so long', async (t) => {
  const silent = await listen(t, () => {})
  await assert.rejects(safeFetch(`http://127.0.0.1:${silent}/`, { allow: ['127.0.0.1'], timeout: 50 }), /did not answer within 0.05 s/)
  const endless = await listen(t, (_request, response) => { response.writeHead(200); response.write('x') })
  assert.equal(await safeFetch(`http://127.0.0.1:${endless}/`, { allow: ['127.0.0.1'] }), 200)
})
