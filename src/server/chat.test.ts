import assert from 'node:assert/strict'
import { test } from 'node:test'
import OpenAI from 'openai'
import { UserError } from '../errors.ts'
import { serveFake } from './fixtures/server.ts'

const messages = [{ role: 'user', content: 'Say hello' }] as const
const ask = { model: 'tiny-llama', messages: [...messages] }

test('a chat completion, as OpenAI\'s client reads it', async (t) => {
  const { client, model } = await serveFake(t)
  const { data, response } = await client.chat.completions.create({ ...ask, max_completion_tokens: 100 }).withResponse()
  assert.match(data.id, /^chatcmpl-[0-9a-f]{36}$/)
  assert.equal(data.object, 'chat.completion')
  assert.equal(data.model, 'tiny-llama')
  assert.match(data.system_fingerprint ?? '', /^fp_/)
  assert.deepEqual(data.choices, [{ index: 0, message: { role: 'assistant', content: 'Hello, world', refusal: null }, logprobs: null, finish_reason: 'stop' }])
  const generated = model.tokenizer.encode('Hello, world').length + 1
  const prompt = model.tokenizer.encodeChat(messages, { generationPrompt: true }).length
  assert.deepEqual(data.usage, { prompt_tokens: prompt, completion_tokens: generated, total_tokens: prompt + generated })
  assert.match(response.headers.get('x-request-id') ?? '', /^req_/)
  assert.match(response.headers.get('openai-processing-ms') ?? '', /^\d+$/)
  assert.equal(response.headers.get('access-control-allow-origin'), null)
})

test('parameters reach the engine, with OpenAI\'s defaults', async (t) => {
  const { client, model } = await serveFake(t)
  await client.chat.completions.create(ask)
  const plain = model.requests.at(-1)!
  assert.deepEqual([plain.temperature, plain.topP, plain.topK, plain.samples, plain.topLogprobs], [1, undefined, undefined, 1, undefined])
  assert.equal(plain.maxTokens, model.config.maxPositions - plain.prompt.length)
  await client.chat.completions.create(ask)
  assert.notEqual(model.requests.at(-1)!.seed, plain.seed)
  await client.chat.completions.create({
    ...ask, temperature: 0.5, top_p: 0.9, n: 2, stop: 'x', seed: -7, logit_bias: { 5: -100 }, presence_penalty: 0.5, frequency_penalty: -0.5,
    max_tokens: 3, logprobs: true, top_logprobs: 2, user: 'u', metadata: { a: 'b' }, service_tier: 'auto', store: false,
  })
  const { prompt: _prompt, adapter: _adapter, format: _format, ...rest } = model.requests.at(-1)!
  assert.deepEqual(rest, {
    temperature: 0.5, topP: 0.9, topK: undefined, samples: 2, stop: ['x'], seed: -7, logitBias: { 5: -100 }, presencePenalty: 0.5,
    frequencyPenalty: -0.5, maxTokens: 3, topLogprobs: 2,
  })
})

test('a stream: the role first, the pieces of the text, why it ended, the usage, [DONE]', async (t) => {
  const { client, post } = await serveFake(t)
  const chunks = []
  for await (const chunk of await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) chunks.push(chunk)
  assert.deepEqual(chunks[0]!.choices, [{ index: 0, delta: { role: 'assistant', content: '', refusal: null }, logprobs: null, finish_reason: null }])
  assert.equal(chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? '')).join(''), 'Hello, world')
  assert.deepEqual(chunks.at(-2)!.choices, [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }])
  assert.deepEqual(chunks.at(-1)!.choices, [])
  assert.ok(chunks.at(-1)!.usage!.total_tokens > 0)
  assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === null))
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1)

  const raw = await post('/v1/chat/completions', { ...ask, stream: true })
  assert.equal(raw.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  const events = (await raw.text()).split('\n\n')
  assert.equal(events.at(-1), '')
  assert.equal(events.at(-2), 'data: [DONE]')
  assert.ok(events.slice(0, -2).every((event) => /^data: \{.*\}$/.test(event) && !event.includes('"usage"')))
})

test('the client\'s own stream helper puts several answers together', async (t) => {
  const { client } = await serveFake(t)
  const final = await client.chat.completions.stream({ ...ask, n: 3, logprobs: true, top_logprobs: 1 }).finalChatCompletion()
  assert.deepEqual(final.choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason]), [0, 1, 2].map((i) => [i, 'Hello, world', 'stop']))
  for (const { logprobs } of final.choices) assert.equal(logprobs!.content!.map(({ token }) => token).join(''), 'Hello, world')
})

test('log-probabilities of the text\'s tokens, with their bytes, without the end token', async (t) => {
  const { client, model } = await serveFake(t)
  const { choices: [choice] } = await client.chat.completions.create({ ...ask, logprobs: true, top_logprobs: 2 })
  const content = choice!.logprobs!.content!
  assert.equal(content.length, model.tokenizer.encode(model.reply).length)
  assert.equal(content.map(({ token }) => token).join(''), 'Hello, world')
  assert.equal(Buffer.from(content.flatMap(({ bytes }) => bytes!)).toString(), 'Hello, world')
  assert.ok(content.every(({ logprob, top_logprobs: top }) => logprob === -0.5 && top.length === 2 && top[0]!.logprob === -0.5 && top[1]!.logprob === -1.5))
})

test('a token that is a part of a character has its bytes, and the text is whole in a stream', async (t) => {
  const { client, model } = await serveFake(t)
  model.reply = 'a😀é'
  const { choices: [choice] } = await client.chat.completions.create({ ...ask, logprobs: true })
  const content = choice!.logprobs!.content!
  assert.equal(Buffer.from(content.flatMap(({ bytes }) => bytes!)).toString(), model.reply)
  assert.ok(content.some(({ token }) => /^bytes:(\\x[0-9a-f]{2})+$/.test(token)))
  const final = await client.chat.completions.stream({ ...ask, logprobs: true }).finalChatCompletion()
  assert.equal(final.choices[0]!.message.content, model.reply)
  assert.deepEqual(final.choices[0]!.logprobs!.content, content)
})

test('what cannot be asked is refused with the parameter\'s name', async (t) => {
  const { server, post, model } = await serveFake(t)
  const tooLong = 'hello '.repeat(model.config.maxPositions)
  const cases: [body: unknown, param: string | null, code: string, message: RegExp][] = [
    [{ ...ask, temperature: -1 }, 'temperature', 'invalid_value', /temperature: .*-1/],
    [{ ...ask, temperature: 1e308 }, 'temperature', 'invalid_value', /temperature/],
    [{ ...ask, temperature: '1' }, 'temperature', 'invalid_value', /expected number/],
    [{ ...ask, top_p: 1.5 }, 'top_p', 'invalid_value', /top_p/],
    [{ ...ask, n: 129 }, 'n', 'invalid_value', /128/],
    [{ ...ask, n: 1e308 }, 'n', 'invalid_value', /n:/],
    [{ ...ask, max_tokens: 0 }, 'max_tokens', 'invalid_value', /max_tokens/],
    [{ ...ask, max_tokens: 1.5 }, 'max_tokens', 'invalid_value', /int/],
    [{ ...ask, seed: 1e308 }, 'seed', 'invalid_value', /seed/],
    [{ ...ask, stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'invalid_value', /stop/],
    [{ ...ask, stop: '' }, 'stop', 'invalid_value', /stop/],
    [{ ...ask, logit_bias: { 5: 101 } }, 'logit_bias.5', 'invalid_value', /100/],
    [{ ...ask, logit_bias: { x: 1 } }, 'logit_bias.x', 'invalid_value', /token id/],
    [{ ...ask, top_logprobs: 2 }, 'top_logprobs', 'invalid_value', /logprobs/],
    [{ ...ask, stream_options: { include_usage: true } }, 'stream_options', 'invalid_value', /stream/],
    [{ ...ask, messages: [] }, 'messages', 'invalid_value', /messages/],
    [{ model: 'tiny-llama' }, 'messages', 'invalid_value', /messages is missing/],
    [{ messages }, 'model', 'invalid_value', /model is missing/],
    [{ ...ask, messages: [{ role: 'human', content: 'x' }] }, 'messages[0].role', 'invalid_value', /role/],
    [{ ...ask, messages: [{ role: 'user', content: 5 }] }, 'messages[0].content', 'invalid_value', /content/],
    [{ ...ask, messages: [{ role: 'user' }] }, 'messages[0].content', 'invalid_value', /missing/],
    [{ ...ask, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }, 'messages[0].content[0].type', 'invalid_value', /only text/],
    [{ ...ask, temperatur: 1 }, 'temperatur', 'unknown_parameter', /did you mean temperature/],
    [{ ...ask, messages: [{ role: 'user', content: 'x', contnt: 1 }] }, 'messages[0].contnt', 'unknown_parameter', /contnt/],
    [{ ...ask, messages: [{ role: 'user', content: tooLong }] }, 'messages', 'context_length_exceeded', /512 tokens/],
    [{ ...ask, messages: [{ role: 'user', content: tooLong.repeat(20) }] }, 'messages', 'context_length_exceeded', /characters/],
    [{ ...ask, model: 'gpt-7' }, 'model', 'model_not_found', /gpt-7/],
    [[], null, 'invalid_value', /the body/],
  ]
  for (const [body, param, code, message] of cases) {
    const response = await post('/v1/chat/completions', body)
    const { error } = await response.json() as { error: { message: string; type: string; param: string | null; code: string } }
    assert.deepEqual([response.status, error.param, error.code], [code === 'model_not_found' ? 404 : 400, param, code], JSON.stringify(body).slice(0, 200))
    assert.match(error.message, message)
  }
  assert.equal(model.requests.length, 0)
  for (const text of ['{"a":', '', '{"temperature": NaN}']) {
    const response = await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: text })
    assert.equal(response.status, 400)
    assert.equal((await response.json() as { error: { code: string } }).error.code, 'invalid_json')
  }
})

test('errors are told by OpenAI\'s classes', async (t) => {
  const { client, model } = await serveFake(t, { maxAnswers: 2 })
  await assert.rejects(client.chat.completions.create({ ...ask, temperature: 9 }), OpenAI.BadRequestError)
  await assert.rejects(client.chat.completions.create({ ...ask, model: 'nothing' }), OpenAI.NotFoundError)
  model.beforeToken = () => { throw new UserError('its adapter is damaged') }
  await assert.rejects(client.chat.completions.create(ask), (error) => error instanceof OpenAI.UnprocessableEntityError && /damaged/.test(error.message))
  model.beforeToken = () => { throw new UserError('it is asked for wrongly', { exitCode: 2 }) }
  await assert.rejects(client.chat.completions.create(ask), OpenAI.BadRequestError)
  model.beforeToken = () => { throw new Error('out of luck') }
  await assert.rejects(client.chat.completions.create(ask), (error) => error instanceof OpenAI.InternalServerError && !error.message.includes('out of luck'))
})
