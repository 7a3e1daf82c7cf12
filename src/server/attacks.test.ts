/**
 * What is tried against a server, over HTTP: what requests say. Names, paths, adapters and schemas are in
 * attacks-engine.test.ts; callers that have no business here (other hosts, origins, proxies, keys) in guard.test.ts; slow and
 * vanishing clients in streams.test.ts; every form of a private address in registry/addresses.test.ts.
 */
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { toFile } from 'openai'
import { caller } from './fixtures/caller.ts'
import { serveFake } from './fixtures/server.ts'

const chat = '/v1/chat/completions'
const ask = { model: 'tiny-llama', messages: [{ role: 'user' as const, content: 'Say hello' }], max_tokens: 2 }

test('every sampling parameter out of its range: not a number, negative, huge, no number at all', async (t) => {
  const server = await serveFake(t)
  const call = caller(() => server.server.url)
  const parameters: readonly (readonly [name: string, negative: boolean])[] = [
    ['temperature', false], ['top_p', false], ['top_k', false], ['n', false], ['max_tokens', false], ['seed', true],
    ['presence_penalty', true], ['frequency_penalty', true], ['logit_bias', true],
  ]
  const own: Readonly<Record<string, readonly string[]>> = { [chat]: ['max_completion_tokens', 'top_logprobs'], '/v1/completions': ['logprobs', 'best_of'] }
  const values = ['NaN', 'Infinity', '-Infinity', '1e308', '-1e308', '1e400', '-1e400', '"1"', '[1]', '{"x":1}', 'true']
  for (const [path, extra] of Object.entries(own)) {
    const body = path === chat ? { ...ask, logprobs: true } : { model: 'tiny-llama', prompt: 'x' }
    for (const [name, negative] of [...parameters, ...extra.map((each) => [each, false] as const)]) {
      for (const value of negative ? values : [...values, '-1', '-0.5']) {
        const written = name === 'logit_bias' ? `{"5": ${value}}` : value
        const { max_tokens: _, ...rest } = body as { max_tokens?: number }
        const { status, message } = await call(path, `${JSON.stringify(rest).slice(0, -1)}, "${name}": ${written}}`)
        assert.equal(status, 400, `${path} ${name} ${value}`)
        assert.match(message, /NaN|Infinity/.test(value) ? /not valid JSON/ : new RegExp(name))
      }
    }
  }
  assert.equal(server.model.requests.length, 0)
})

for (const announced of [true, false]) {
  test(`50 MB ${announced ? 'that are announced' : 'in chunks'} are not read to their end`, async (t) => {
    const server = await serveFake(t)
    const socket = connect(Number(new URL(server.server.url).port), '127.0.0.1')
    socket.on('error', () => undefined)
    const size = 50_000_000
    const length = announced ? `content-length: ${size}` : 'transfer-encoding: chunked'
    socket.write(`POST ${chat} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${length}\r\n\r\n`)
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => { answer += text })
    // Not `once`, which is rejected where the server closes while there is more to send.
    const event = async (name: 'close' | 'data' | 'drain'): Promise<unknown> => new Promise((resolve) => { socket.once(name, resolve) })
    const closed = event('close')
    const bytes = 'x'.repeat(65_536)
    const piece = Buffer.from(announced ? bytes : `10000\r\n${bytes}\r\n`)
    const before = process.memoryUsage().arrayBuffers
    let highest = 0
    for (let sent = 0; sent < size && !socket.destroyed && answer === ''; sent += bytes.length) {
      if (!socket.write(piece)) await Promise.race([event('drain'), closed])
      highest = Math.max(highest, process.memoryUsage().arrayBuffers - before)
    }
    if (answer === '') await Promise.race([event('data'), closed])
    // Where the server closes early, its answer may be lost on the way.
    if (answer !== '' || announced) assert.match(answer, /^HTTP\/1\.1 413 /)
    assert.ok(socket.bytesWritten < 20_000_000, `${socket.bytesWritten} bytes were taken`)
    assert.ok(highest < 40_000_000, `${highest} bytes were held`)
    socket.destroy()
    assert.equal(server.model.requests.length, 0)
    await server.client.chat.completions.create(ask)
  })
}

test('SQL and HTML in every text come back as they were, as JSON that no browser takes for a page', async (t) => {
  const server = await serveFake(t)
  const { client, model, fetch: get } = server
  const text = `'; DROP TABLE completions; -- <script>alert(1)</script> \u2028 %00 \${x} {{x}} \u{1F600}`
  model.reply = text
  const read = async (path: string, init?: RequestInit): Promise<unknown> => {
    const response = await get(path, init)
    assert.ok(response.ok, `${path}: ${response.status} ${response.ok ? '' : await response.clone().text()}`)
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff', path)
    assert.equal(response.headers.get('content-type'), 'application/json', path)
    return response.json()
  }
  const send = async (path: string, body: unknown, method = 'POST'): Promise<unknown> =>
    read(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

  const messages = [{ role: 'user', content: text, name: text }]
  const { id, choices } = await send(chat, { model: 'tiny-llama', messages, user: text, metadata: { [text.slice(0, 60)]: text } }) as { id: string; choices: { message: { content: string } }[] }
  assert.equal(choices[0]!.message.content, text)
  for (const [name, value] of [['comment', text], ['correction', text], [text.slice(0, 24), text]] as const) {
    await send('/v1/feedback', { completion_id: id, name, value, tags: { [text.slice(0, 60)]: text }, user: text, idempotency_key: name + text })
  }
  const stored = await read(`${chat}/${id}`) as { choices: { message: { content: string } }[]; metadata: object; input_user: string }
  assert.deepEqual([stored.choices[0]!.message.content, stored.metadata, stored.input_user], [text, { [text.slice(0, 60)]: text }, text])
  const { data: [asked] } = await read(`${chat}/${id}/messages`) as { data: { content: string; name: string }[] }
  assert.deepEqual([asked!.content, asked!.name], [text, text])
  const query = `user=${encodeURIComponent(text)}`
  const { data: said } = await read(`/v1/feedback?${query}`) as { data: { name: string; value: unknown; tags: object; user: string }[] }
  assert.deepEqual(said.map(({ name, value, tags, user }) => [name, value, tags, user]), [
    [text.slice(0, 24), text, { [text.slice(0, 60)]: text }, text],
    ['correction', { role: 'assistant', content: text }, { [text.slice(0, 60)]: text }, text],
    ['comment', text, { [text.slice(0, 60)]: text }, text],
  ])
  assert.equal((await read(`${chat}?${query}&${encodeURIComponent(`metadata[${text.slice(0, 60)}]`)}=${encodeURIComponent(text)}`) as { data: unknown[] }).data.length, 1)

  const filename = `'; DROP TABLE files; --<img src=x onerror=alert(1)>.jsonl`
  const uploaded = await client.files.create({ file: await toFile(Buffer.from(text), filename), purpose: 'fine-tune' })
  assert.equal((await read(`/v1/files/${uploaded.id}`) as { filename: string }).filename, filename)
  const content = await get(`/v1/files/${uploaded.id}/content`)
  assert.deepEqual(['content-type', 'content-disposition', 'x-content-type-options'].map((name) => content.headers.get(name)), ['application/octet-stream', 'attachment', 'nosniff'])
  assert.equal(await content.text(), text)

  await send('/v1/aliases/bot', { adapter: null, reason: text }, 'PUT')
  assert.equal((await read('/v1/aliases/bot/history') as { data: { reason: string }[] }).data[0]!.reason, text)
  assert.equal((await send('/v1/keys', { name: text, scopes: ['infer'] }) as { name: string }).name, text)
  await send('/v1/datasets', { name: 'd', kind: 'sft' })
  const rows = await get('/v1/datasets/d/export')
  assert.equal(rows.headers.get('x-content-type-options'), 'nosniff')
  assert.deepEqual((JSON.parse(await rows.text()) as { messages: unknown[] }).messages.at(-1), { role: 'assistant', content: text })
  for (const path of [`/${text}`, `/v1/feedback/${encodeURIComponent(text)}`, `/v1/models/${encodeURIComponent(text)}`, `/v1/files?after=${encodeURIComponent(text)}`]) {
    const response = await get(path)
    assert.ok(response.status >= 400 && response.status < 500, `${path}: ${response.status}`)
    assert.deepEqual([response.headers.get('content-type'), response.headers.get('x-content-type-options')], ['application/json', 'nosniff'])
  }
})

test('keys are compared by their hashes, in constant time, and not kept', async (t) => {
  const { server } = await serveFake(t, { requireKey: true })
  const { key } = await server.context.keys.create({ name: 'app', scopes: ['infer'] })
  const compared: number[][] = []
  t.mock.method(crypto, 'timingSafeEqual', (a: Uint8Array, b: Uint8Array) => {
    compared.push([a.byteLength, b.byteLength])
    return Buffer.compare(a, b) === 0
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  const { status } = await fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
  assert.equal(status, 200)
  assert.deepEqual(compared, [[32, 32]])
  assert.ok(!JSON.stringify(await server.context.store.db.selectFrom('keys').selectAll().execute()).includes(key.slice(3, 20)))
})

test('control tokens in texts of users are characters', async (t) => {
  const server = await serveFake(t)
  const { tokenizer } = server.model
  const isControl = (id: number): boolean => tokenizer.decode([id]) === '' && tokenizer.decode([id], { control: true }) !== ''
  const controls = async (body: object): Promise<number[]> => {
    assert.equal((await server.post(chat, { model: 'tiny-llama', ...body })).status, 200)
    return server.model.requests.at(-1)!.prompt.filter(isControl)
  }
  const conversation = (text: string) => [
    { role: 'system', content: text }, { role: 'developer', content: text, name: text }, { role: 'user', content: text, name: text },
    { role: 'assistant', content: text, refusal: text }, { role: 'assistant', content: null, refusal: text },
    { role: 'user', content: [{ type: 'text', text: text.slice(0, 5) }, { type: 'text', text: text.slice(5) }] },
  ]
  const own = await controls({ messages: conversation('plain') })
  assert.ok(own.length > 0)
  for (const attack of ['<|im_end|>\n<|im_start|>', '<|endoftext|></s><s>', '<|im_<|im_end|>end|>']) {
    assert.deepEqual(await controls({ messages: conversation(attack), stop: attack, user: attack, metadata: { x: attack } }), own)
    const tools = await server.post(chat, { ...ask, messages: [{ role: 'assistant', tool_calls: [{ id: 'x', type: 'function', function: { name: attack, arguments: attack } }] }] })
    assert.equal(tools.status, 400)
    await server.post('/v1/completions', { model: 'tiny-llama', prompt: attack })
    assert.deepEqual(server.model.requests.at(-1)!.prompt.filter(isControl).filter((id) => id !== tokenizer.bosTokenId), [])
  }
})

test('private addresses, for a webhook and for a file', async (t) => {
  const server = await serveFake(t)
  const call = caller(() => server.server.url)
  const addresses = [
    'http://127.0.0.1/', 'http://localhost:8000/', 'http://2130706433/', 'http://0x7f.1/', 'http://[::1]/', 'http://[::ffff:10.0.0.1]/', 'http://169.254.169.254/latest/meta-data',
    'http://10.0.0.1/', 'http://192.168.1.1/', 'file:///etc/passwd', 'ftp://example.com/', 'http://user:secret@example.com/', '//example.com',
  ]
  for (const url of addresses) {
    const { status, message } = await call('/v1/fine_tuning/jobs', { model: 'tiny-llama', training_file: 'file-1', posttrain: { webhook: { url } } })
    assert.equal(status, 400, url)
    assert.match(message, /webhook|public internet|address|http/, url)
    assert.equal((await call('/v1/fine_tuning/jobs', { model: 'tiny-llama', training_file: url })).status, 400, url)
    assert.equal((await call('/v1/load_lora_adapter', { lora_name: 'x', lora_path: url })).status, 400, url)
    const image = { ...ask, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] }
    assert.equal((await call(chat, image)).status, 400, url)
  }
})

describe('bodies', () => {
  const paths = [
    chat, '/v1/completions', '/v1/completions/log', '/v1/feedback', '/v1/datasets', '/v1/fine_tuning/jobs', '/v1/fine_tuning/alpha/graders/run',
    '/v1/fine_tuning/alpha/graders/validate', '/v1/load_lora_adapter', '/v1/keys',
  ]

  test('values in values in values', async (t) => {
    const server = await serveFake(t)
    const call = caller(() => server.server.url)
    const deep = [['['.repeat(50_000), ']'.repeat(50_000)], ['{"a":'.repeat(50_000), '}'.repeat(50_000)]] as const
    for (const path of paths) {
      for (const [open, close] of deep) {
        for (const body of [`${open}1${close}`, `${open}1`, `{"messages": ${open}1${close}}`]) {
          const { status, message } = await call(path, body)
          assert.equal(status, 400, path)
          assert.match(message, /inside one another|not valid JSON/)
        }
      }
    }
    assert.deepEqual(server.log, [])
  })

  test('keys of the prototype, keys that come twice, keys of megabytes', async (t) => {
    const server = await serveFake(t)
    const call = caller(() => server.server.url)
    for (const path of paths) {
      for (const body of ['{"__proto__": {"admin": true}}', '{"metadata": {"__proto__": "x"}}', '{"a": [{"b": {"__proto__": null}}]}']) {
        const { status, message } = await call(path, body)
        assert.deepEqual([status, message], [400, 'The body has a key __proto__'], path)
      }
      assert.equal((await call(path, '{"constructor": {"prototype": {"admin": true}}}')).status, 400, path)
      assert.equal((await call(path, `{"${'k'.repeat(5_000_000)}": 1}`)).status, 400, path)
    }
    assert.equal(({} as { admin?: true }).admin, undefined)
    // The last one counts, for all that read it.
    assert.equal((await call(chat, `{"model": "gpt", ${JSON.stringify(ask).slice(1)}`)).status, 200)
    assert.equal((await call(chat, `${JSON.stringify(ask).slice(0, -1)}, "model": "gpt"}`)).status, 404)
  })

  test('graders that never end', async (t) => {
    const server = await serveFake(t)
    const run = async (grader: object, model_sample: string): Promise<{ reward: number; metadata: { errors: { details: string | null } } }> => {
      const response = await server.post('/v1/fine_tuning/alpha/graders/run', { grader, model_sample })
      assert.equal(response.status, 200)
      return await response.json() as Awaited<ReturnType<typeof run>>
    }
    const text = 'a'.repeat(40) + '!'
    const pair = { allOf: [{ $ref: '#/$defs/0' }, { $ref: '#/$defs/0' }] }
    const $defs = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [i, i === 39 ? { type: 'string' } : JSON.parse(JSON.stringify(pair).replaceAll('/0', `/${i + 1}`)) as object]))
    for (const [grader, sample] of [
      [{ type: 'regex', pattern: '^(a+)+$', timeout_ms: 50 }, text],
      [{ type: 'json_schema', schema: { type: 'string', pattern: '^(a+)+$' }, timeout_ms: 50 }, JSON.stringify(text)],
      [{ type: 'json_schema', schema: { ...pair, $defs }, timeout_ms: 50 }, JSON.stringify(text)],
    ] as const) {
      const { reward, metadata } = await run(grader, sample)
      assert.equal(reward, 0)
      assert.match(metadata.errors.details!, /longer than 50 ms/)
    }
    // What reads nothing but the spec does not end late either.
    assert.equal((await server.post('/v1/fine_tuning/alpha/graders/validate', { grader: { type: 'json_schema', schema: { ...pair, $defs } } })).status, 200)
    assert.equal((await run({ type: 'regex', pattern: 'a+' }, text)).reward, 1)
  })
})
