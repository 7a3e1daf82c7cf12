import assert from 'node:assert/strict'
import { test } from 'node:test'
import OpenAI from 'openai'
import { serveFake, type TestServer } from './fixtures/server.ts'

/** A template of Qwen's kind. */
const template = `{%- if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}{% endfor %} answer with <tool_call></tool_call><|im_end|>
{% endif %}{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}{% if message.tool_calls %}{% for call in message.tool_calls %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

const weather = {
  type: 'function' as const,
  function: { name: 'weather', description: 'of a city', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
}
const ask = { model: 'tiny-llama', messages: [{ role: 'user' as const, content: 'Rain in Oslo?' }], tools: [weather] }
const call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'

async function serveTools(t: Parameters<typeof serveFake>[0]): Promise<TestServer> {
  const server = await serveFake(t)
  Object.assign(server.model, { tokenizer: server.model.tokenizer.withTemplate(template) })
  // The encoder has the tokenizer that the model had.
  Object.assign(server.server.context.inference, { encoder: { chat: async (messages: never, tools: never) => server.model.tokenizer.encodeChat(messages, { generationPrompt: true, tools }) } })
  return server
}

test('a call that the model writes is told as one, whole and as a stream', async (t) => {
  const { client, model } = await serveTools(t)
  for (const [reply, content] of [[call, null], [`Let me see. \n${call}\n`, 'Let me see.']] as const) {
    model.reply = reply
    const { choices: [choice] } = await client.chat.completions.create(ask)
    assert.equal(choice!.finish_reason, 'tool_calls')
    assert.equal(choice!.message.content, content)
    const [made] = choice!.message.tool_calls!
    assert.ok(made?.type === 'function')
    assert.deepEqual([made.function.name, JSON.parse(made.function.arguments)], ['weather', { city: 'Oslo' }])
    assert.match(made.id, /^call_/)

    const final = await client.chat.completions.stream(ask).finalChatCompletion()
    assert.equal(final.choices[0]!.finish_reason, 'tool_calls')
    assert.equal(final.choices[0]!.message.content ?? '', content ?? '')
    assert.deepEqual(final.choices[0]!.message.tool_calls!.map((each) => each.type === 'function' && each.function.name), ['weather'])
  }
})

test('what only looks like a call is text, and none of it is lost in a stream', async (t) => {
  const { client, model } = await serveTools(t)
  for (const reply of ['a < b', 'x <tool_cal', '<tool_call>no JSON</tool_call>', `${call.replace('weather', 'nothing')} `, ' \n <tool_call>', 'ends  \n', '']) {
    model.reply = reply
    const expected = model.tokenizer.decode(model.tokenizer.encode(reply))
    const { choices: [choice] } = await client.chat.completions.create(ask)
    assert.deepEqual([choice!.message.content, choice!.finish_reason, choice!.message.tool_calls], [expected, 'stop', undefined])
    let text = ''
    for await (const { choices } of await client.chat.completions.create({ ...ask, stream: true })) text += choices[0]?.delta.content ?? ''
    assert.equal(text, expected)
  }
})

test('the model is told of tools, calls and their results; what is wrong with them is said', async (t) => {
  const { client, model, post } = await serveTools(t)
  const conversation = [
    ...ask.messages,
    { role: 'assistant' as const, content: null, tool_calls: [{ id: 'call_1', type: 'function' as const, function: { name: 'weather', arguments: '{"city":"Oslo"}' } }] },
    { role: 'tool' as const, tool_call_id: 'call_1', content: 'rain' },
  ]
  await client.chat.completions.create({ ...ask, messages: conversation })
  const prompt = model.tokenizer.decode(model.requests.at(-1)!.prompt, { control: true })
  assert.match(prompt, /"weather"[^]*Rain in Oslo\?[^]*<tool_call>[^]*Oslo[^]*<\/tool_call>[^]*tool\nrain/)
  await client.chat.completions.create({ ...ask, tool_choice: 'none' })
  assert.doesNotMatch(model.tokenizer.decode(model.requests.at(-1)!.prompt), /"weather"/)
  await client.chat.completions.create({ ...ask, tool_choice: 'required' })
  assert.equal(model.requests.at(-1)!.format?.type, 'tool_call')

  const cases: [body: object, param: string][] = [
    [{ tools: [{ ...weather, type: 'custom' }] }, 'tools[0].type'],
    [{ tools: [{ ...weather, function: { name: 'no good' } }] }, 'tools[0].function.name'],
    [{ tools: [weather, weather] }, 'tools'],
    [{ tools: [], tool_choice: 'required' }, 'tool_choice'],
    [{ tool_choice: 'required', response_format: { type: 'json_object' } }, 'response_format'],
    [{ messages: [conversation[2]] }, 'messages[0].tool_call_id'],
    [{ messages: [{ ...conversation[1], role: 'user' }] }, 'messages[0].tool_calls'],
    [{ messages: [{ ...conversation[1], tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: '[1' } }] }] }, 'messages[0].tool_calls[0].function.arguments'],
  ]
  for (const [body, param] of cases) {
    const response = await post('/v1/chat/completions', { ...ask, ...body })
    const { error } = await response.json() as { error: { param: string; message: string } }
    assert.deepEqual([response.status, error.param], [400, param], error.message)
  }
  await assert.rejects(client.chat.completions.create({ ...ask, tool_choice: { type: 'function', function: { name: 'nothing' } } }), OpenAI.BadRequestError)
})

test('a model whose template knows nothing of tools says so', async (t) => {
  const { client } = await serveFake(t)
  await assert.rejects(client.chat.completions.create(ask), (error) => error instanceof OpenAI.BadRequestError && error.param === 'tools' && /template/.test(error.message))
})
