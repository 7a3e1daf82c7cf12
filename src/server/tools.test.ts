import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UserError } from '../errors.ts'
import { ApiError } from './errors.ts'
import { parseToolAnswer, readToolCalls, toolChoiceSchema, toolsSchema, useOfTools } from './tools.ts'

const requested = toolsSchema.parse([
  { type: 'function', function: { name: 'weather', description: 'Tells it.', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }, strict: true } },
  { type: 'function', function: { name: 'time' } },
])
const [able, unable] = [{ hasTools: true }, { hasTools: false }]
const names = [{ name: 'weather' }, { name: 'time' }]

describe('what a request may do with tools', () => {
  test('auto tells the model of them and leaves it free; none does not tell it', () => {
    for (const choice of [undefined, null, 'auto'] as const) {
      const { tools, format } = useOfTools(requested, choice, able)
      assert.deepEqual(tools.map(({ name, description }) => [name, description]), [['weather', 'Tells it.'], ['time', undefined]])
      assert.equal(format, undefined)
    }
    assert.deepEqual(useOfTools(requested, 'none', unable), { tools: [], format: undefined })
    assert.deepEqual(useOfTools(undefined, undefined, unable), { tools: [], format: undefined })
  })

  test('required and a name hold the answer to a call', () => {
    const called = (choice: unknown): string[] => {
      const { format } = useOfTools(requested, toolChoiceSchema.parse(choice), able)
      assert.ok(format?.type === 'tool_call')
      return format.tools.map(({ name }) => name)
    }
    assert.deepEqual(called('required'), ['weather', 'time'])
    assert.deepEqual(called({ type: 'function', function: { name: 'time' } }), ['time'])
  })

  test('what cannot be done is refused', () => {
    assert.throws(() => useOfTools(requested, 'auto', unable), (error) => error instanceof ApiError && error.status === 400 && error.options.param === 'tools')
    assert.throws(() => useOfTools([], 'required', able), (error) => error instanceof ApiError && error.options.param === 'tool_choice')
    assert.throws(() => useOfTools([...requested, requested[0]!], 'auto', able), /two of them have the name "weather"/)
    assert.throws(() => useOfTools(requested, { type: 'function', function: { name: 'news' } }, able), (error) => error instanceof UserError && /no tool "news"/.test(error.message))
    let deep: Record<string, unknown> = {}
    for (let i = 0; i < 5000; i++) deep = { items: deep }
    assert.throws(() => useOfTools([{ type: 'function', function: { name: 'deep', parameters: deep } }], 'auto', able), /nested deeper/)
    for (const name of ['', 'a b', '../x', '<|im_end|>', 'x'.repeat(65)]) assert.ok(!toolsSchema.safeParse([{ type: 'function', function: { name } }]).success, name)
  })
})

describe('calls in an answer', () => {
  const written = '<tool_call>\n{"name": "weather", "arguments": {"city": "Ro\\"me"}}\n</tool_call>'

  test('a call alone leaves no text', () => {
    const { content, tool_calls: [call, ...more] } = parseToolAnswer(written, names)
    assert.equal(content, null)
    assert.deepEqual([call!.type, call!.function, more], ['function', { name: 'weather', arguments: '{"city":"Ro\\"me"}' }, []])
    assert.match(call!.id, /^call_\w+/)
  })

  test('several calls, with text before them', () => {
    const { content, tool_calls: calls } = parseToolAnswer(`Let me see.\n${written}\n<tool_call>{"name":"time"}</tool_call>`, names)
    assert.equal(content, 'Let me see.')
    assert.deepEqual(calls.map(({ function: { name, arguments: given } }) => [name, given]), [['weather', '{"city":"Ro\\"me"}'], ['time', '{}']])
    assert.notEqual(calls[0]!.id, calls[1]!.id)
  })

  test('what is no call of a tool of the request stays as it was written', () => {
    for (const text of [
      'no call', '', '<tool_call>{"name": "news", "arguments": {}}</tool_call>', '<tool_call>{"name": "time", "arguments": [1]}</tool_call>', '<tool_call>{"name": "time"',
      '<tool_call>oops</tool_call>', '</tool_call><tool_call>', '<tool_call>'.repeat(2000), '</tool_call>'.repeat(2000), '<tool_call>"time"</tool_call>', '<tool_call></tool_call> done', '<tool_call>{"name": ["time"]}</tool_call>',
    ]) assert.deepEqual(parseToolAnswer(text, names), { content: text, tool_calls: [] }, text)
  })

  test('a call goes back to the template as it came', () => {
    const { tool_calls: calls } = parseToolAnswer(written, names)
    assert.deepEqual(readToolCalls([...calls], 'messages[1].tool_calls'), [{ name: 'weather', arguments: { city: 'Ro"me' } }])
    for (const broken of ['', '[]', '{"a":', '"x"']) {
      assert.throws(() => readToolCalls([{ id: 'x', type: 'function', function: { name: 'f', arguments: broken } }], 'messages[1].tool_calls'), (error) =>
        error instanceof ApiError && error.options.param === 'messages[1].tool_calls[0].function.arguments')
    }
  })
})
