/** The server on the real engine, with tiny models. */
import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import OpenAI from 'openai'
import { loadModel } from '../generate/model.ts'
import { openModel } from '../models/open.ts'
import { startServer, type RunningServer } from './serve.ts'
import { tinyModel } from './fixtures/server.ts'

const messages = [{ role: 'user' as const, content: 'Say hello' }]
const greedy = { messages, temperature: 0, max_tokens: 12 }

describe('a server on a tiny model', () => {
  let directory: string
  let roots: string
  let server: RunningServer
  let client: OpenAI
  const call = async (method: string, path: string, body?: unknown): Promise<Response> => fetch(`${server.url}${path}`, {
    method, ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const answer = async (model: string): Promise<string> => (await client.chat.completions.create({ ...greedy, model })).choices[0]!.message.content!

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'serve-'))
    roots = await mkdtemp(join(tmpdir(), 'serve-roots-'))
    await cp(join(tinyModel, 'adapter'), join(roots, 'polite'), { recursive: true })
    server = await startServer({
      model: tinyModel, directory, port: 0, precision: 'f32', threads: 1, adapters: { first: join(tinyModel, 'adapter') }, adapterRoots: [roots],
    })
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
  })
  after(async () => {
    await server.close()
    await rm(directory, { recursive: true })
    await rm(roots, { recursive: true })
  })

  test('answers are the model\'s own, whole and as streams, of the base and of an adapter', async () => {
    for (const [name, adapter] of [['tiny-llama', undefined], ['first', join(tinyModel, 'adapter')], ['tiny-llama:first', join(tinyModel, 'adapter')]] as const) {
      await using model = await loadModel(tinyModel, { adapter, threads: 1 })
      const prompt = model.tokenizer.encodeChat(messages, { generationPrompt: true })
      const [expected] = await model.generate([{ prompt, temperature: 0, maxTokens: 12 }])
      const whole = await client.chat.completions.create({ ...greedy, model: name, logprobs: true })
      assert.equal(whole.choices[0]!.message.content, expected!.text)
      assert.equal(whole.choices[0]!.finish_reason, expected!.finishReason)
      whole.choices[0]!.logprobs!.content!.forEach(({ logprob }, i) => { assert.ok(Math.abs(logprob - expected!.logprobs[i]!) < 1e-4) })
      let text = ''
      for await (const { choices } of await client.chat.completions.create({ ...greedy, model: name, stream: true })) text += choices[0]?.delta.content ?? ''
      assert.equal(text, expected!.text)
    }
  })

  test('a seed fixes the answers, and each of several answers is another', async () => {
    const ask = { model: 'tiny-llama', messages, n: 3, seed: 7, max_tokens: 12 }
    const texts = async (): Promise<(string | null)[]> => (await client.chat.completions.create(ask)).choices.map(({ message }) => message.content)
    const first = await texts()
    assert.deepEqual(await texts(), first)
    assert.equal(new Set(first).size, 3)
  })

  test('JSON, and what a JSON schema allows, is enforced while it is generated', async () => {
    const ask = { model: 'first', messages, temperature: 1, max_tokens: 200, n: 4, seed: 1 }
    const schema = {
      type: 'object', properties: { label: { enum: ['good', 'bad'] }, score: { type: 'integer', minimum: 0, maximum: 9 } }, required: ['label', 'score'], additionalProperties: false,
    }
    const answers = await client.chat.completions.create({ ...ask, response_format: { type: 'json_schema', json_schema: { name: 'judgement', schema, strict: true } } })
    for (const { message, finish_reason: reason } of answers.choices) {
      assert.equal(reason, 'stop')
      const { label, score, ...rest } = JSON.parse(message.content!) as { label: string; score: number }
      assert.ok(['good', 'bad'].includes(label) && Number.isInteger(score) && score >= 0 && score <= 9 && Object.keys(rest).length === 0)
    }
    const objects = await client.chat.completions.create({ ...ask, response_format: { type: 'json_object' } })
    for (const { message, finish_reason: reason } of objects.choices) if (reason === 'stop') assert.equal(typeof JSON.parse(message.content!), 'object')
    const wrong = client.chat.completions.create({ ...ask, response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'nothing' } } } })
    await assert.rejects(wrong, OpenAI.BadRequestError)
  })

  test('text completions: lists of prompts and tokens, echo, the older log-probabilities', async () => {
    const { tokenizer, close } = await openModel(tinyModel)
    close()
    const prompt = 'Once upon'
    const ids = tokenizer.encode(prompt)
    const begin = tokenizer.addBos ? [tokenizer.bosTokenId!] : []
    const ask = { model: 'tiny-llama', temperature: 0, max_tokens: 5 }
    const two = await client.completions.create({ ...ask, prompt: [prompt, 'Twice'], n: 2, echo: true })
    assert.deepEqual(two.choices.map(({ index }) => index), [0, 1, 2, 3])
    assert.ok(two.choices[0]!.text.startsWith(prompt) && two.choices[2]!.text.startsWith('Twice'))
    const byTokens = await client.completions.create({ ...ask, prompt: [...begin, ...ids], logprobs: 2 })
    assert.equal(prompt + byTokens.choices[0]!.text, two.choices[0]!.text)
    const { tokens, token_logprobs: logprobs, top_logprobs: top, text_offset: offsets } = byTokens.choices[0]!.logprobs!
    assert.equal(tokens!.length, logprobs!.length)
    assert.deepEqual(offsets, tokens!.map((_, i) => tokens!.slice(0, i).join('').length))
    tokens!.forEach((token, i) => { assert.equal(top![i]![token], logprobs![i]) })
    let streamed = ''
    for await (const { choices } of await client.completions.create({ ...ask, prompt, stream: true })) streamed += choices[0]?.text ?? ''
    assert.equal(streamed, byTokens.choices[0]!.text)
    for (const wrong of [{ suffix: 'x' }, { best_of: 3 }, { echo: true, logprobs: 1 }, { prompt: [] }, { prompt: [99999] }, { n: 100, prompt: ['a', 'b'] }]) {
      await assert.rejects(client.completions.create({ ...ask, prompt, ...wrong }), OpenAI.BadRequestError, JSON.stringify(wrong))
    }
  })

  test('adapters are loaded and unloaded by name while others are served, as vLLM has it', async () => {
    const before = await answer('tiny-llama')
    const loaded = await call('POST', '/v1/load_lora_adapter', { lora_name: 'second', lora_path: 'polite' })
    assert.deepEqual([loaded.status, await loaded.text()], [200, "Success: LoRA adapter 'second' added successfully."])
    assert.equal(await answer('second'), await answer('first'))
    assert.notEqual(await answer('second'), before)
    assert.equal((await call('POST', '/v1/load_lora_adapter', { lora_name: 'second', lora_path: 'polite' })).status, 400)
    assert.equal((await call('POST', '/v1/load_lora_adapter', { lora_name: 'second', lora_path: 'polite', load_inplace: true })).status, 200)
    const { data } = await client.models.list()
    const second = data.find(({ id }) => id === 'second') as unknown as { root: string; parent: string }
    assert.deepEqual([second.root, second.parent], [join(roots, 'polite'), 'tiny-llama'])
    assert.equal((await client.models.retrieve('second')).id, 'second')
    const unloaded = await call('POST', '/v1/unload_lora_adapter', { lora_name: 'second' })
    assert.deepEqual([unloaded.status, await unloaded.text()], [200, "Success: LoRA adapter 'second' removed successfully."])
    await assert.rejects(answer('second'), OpenAI.NotFoundError)
    assert.equal((await call('POST', '/v1/unload_lora_adapter', { lora_name: 'second' })).status, 404)
    assert.equal(await answer('tiny-llama'), before)
  })

  test('an alias is moved and rolled back between two requests', async () => {
    const [base, first] = [await answer('tiny-llama'), await answer('first')]
    const move = async (adapter: string | null): Promise<Response> => call('PUT', '/v1/aliases/bot', { adapter, reason: 'test' })
    assert.equal((await move(null)).status, 200)
    assert.equal(await answer('bot'), base)
    await move('first')
    const { model, choices } = await client.chat.completions.create({ ...greedy, model: 'bot' })
    assert.deepEqual([model, choices[0]!.message.content], ['first', first])
    await assert.rejects(client.models.delete('first'), OpenAI.ConflictError)
    assert.equal((await call('POST', '/v1/aliases/bot/rollback')).status, 200)
    assert.equal(await answer('bot'), base)
    const { data } = await (await call('GET', '/v1/aliases/bot/history')).json() as { data: { adapter: string | null; reason: string }[] }
    assert.deepEqual(data.map(({ adapter, reason }) => [adapter, reason]), [[null, 'rolled back by hand'], ['first', 'test'], [null, 'test']])
    assert.equal((await move('nothing')).status, 404)
    assert.equal((await call('PUT', '/v1/aliases/first', { adapter: null })).status, 409)
    assert.equal((await call('PUT', '/v1/aliases/..%2Fbot', { adapter: null })).status, 400)
  })

  test('an adapter is pinned, and merged into a model of its own', async () => {
    const pinned = await (await call('POST', '/v1/adapters/first/pin')).json() as { pinned: boolean }
    assert.equal(pinned.pinned, true)
    assert.equal((await server.context.model.stats()).adapters.length >= 1, true)
    await call('POST', '/v1/adapters/first/unpin')
    const merged = await (await call('POST', '/v1/adapters/first/merge', {})).json() as { directory: string }
    assert.equal(merged.directory, join(directory, 'merged', 'first'))
    await using model = await loadModel(merged.directory, { threads: 1 })
    const prompt = model.tokenizer.encodeChat(messages, { generationPrompt: true })
    const [expected] = await model.generate([{ prompt, temperature: 0, maxTokens: 12 }])
    assert.equal(expected!.text, await answer('first'))
    assert.equal((await call('POST', '/v1/adapters/none/merge')).status, 404)
  })

  test('a long prompt is encoded aside, with the same tokens', async () => {
    const content = 'ab '.repeat(6000)
    const tooLong = async (work: Promise<unknown>): Promise<string> => {
      const error: unknown = await work.then(() => undefined, (reason: unknown) => reason)
      assert.ok(error instanceof OpenAI.BadRequestError && error.code === 'context_length_exceeded')
      return error.message
    }
    const { tokenizer, close } = await openModel(tinyModel)
    close()
    const ask = { model: 'tiny-llama', max_tokens: 1 }
    const chat = tokenizer.encodeChat([{ role: 'user', content }], { generationPrompt: true }).length
    assert.match(await tooLong(client.chat.completions.create({ ...ask, messages: [{ role: 'user', content }] })), new RegExp(`${chat} tokens`))
    const text = tokenizer.encode(content).length + (tokenizer.addBos ? 1 : 0)
    assert.match(await tooLong(client.completions.create({ ...ask, prompt: content })), new RegExp(`${text} tokens`))
    await tooLong(client.chat.completions.create({ ...ask, messages: Array.from({ length: 600 }, () => ({ role: 'user' as const, content: '' })) }))
  })

  test('clients that go away leave no row behind', async () => {
    const aborts = Array.from({ length: 8 }, () => new AbortController())
    const requests = aborts.map(async ({ signal }, i) =>
      client.chat.completions.create({ model: i % 2 === 0 ? 'tiny-llama' : 'first', messages, max_tokens: 400, n: 2, logit_bias: { 2: -100 } }, { signal }))
    setTimeout(() => { for (const abort of aborts) abort.abort() }, 50)
    for (const { status } of await Promise.allSettled(requests)) assert.ok(status === 'rejected' || status === 'fulfilled')
    for (let i = 0; i < 300 && (await server.context.model.stats()).running + (await server.context.model.stats()).waiting > 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const { running, waiting } = await server.context.model.stats()
    assert.deepEqual([running, waiting], [0, 0])
    await answer('first')
  })

  test('figures for Prometheus', async () => {
    const text = await (await call('GET', '/metrics')).text()
    for (const line of [/^posttrain_requests_total\{method="POST",route="\/v1\/chat\/completions",status="200"\} \d+$/m, /^posttrain_completion_tokens_total [1-9]\d*$/m,
      /^posttrain_time_to_first_token_seconds_count [1-9]/m, /^posttrain_inter_token_seconds_count [1-9]/m, /^posttrain_adapters_stored 1$/m,
      /^posttrain_adapter_loads_total [1-9]/m, /^posttrain_rows_running 0$/m]) assert.match(text, line)
    assert.ok(!text.includes('/v1/aliases/bot'))
  })
})
