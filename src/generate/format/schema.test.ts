/** What a schema's grammar accepts, against a validator; what it refuses, and how. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type Schema, Validator } from '@cfworker/json-schema'
import { UserError } from '../../errors.ts'
import { Automaton, type State } from './automaton.ts'
import { formatGrammar, toolCallFormat } from './format.ts'
import type { Grammar } from './grammar.ts'
import { schemaGrammar } from './schema.ts'
import { keywords } from './schema-keywords.ts'
import { stringFormats } from './string-formats.ts'

function accepts(grammar: Grammar, text: string): boolean {
  const automaton = new Automaton(grammar, 32)
  let state: State | null = automaton.start
  for (const byte of Buffer.from(text)) {
    automaton.beginSearch()
    state = automaton.step(state, byte)
    if (state === null) return false
  }
  return state.isComplete
}

const person = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0, maximum: 120 }, mood: { enum: ['good', 'bad', null, 3, { x: [1, 'é"\n'] }] } },
  required: ['name'],
  additionalProperties: false,
}
const tree = {
  $ref: '#/$defs/node',
  $defs: { node: { type: 'object', properties: { value: { type: ['string', 'null'] }, children: { type: 'array', items: { $ref: '#/$defs/node' } } }, required: ['children'] } },
}

interface Case {
  readonly schema: unknown
  /** Valid and can be generated. */
  readonly good: readonly string[]
  /** Cannot be generated: invalid, unless it stands in `valid`. */
  readonly bad: readonly string[]
  /** What a validator takes and the grammar leaves out. */
  readonly valid?: readonly string[]
}

const cases: Readonly<Record<string, Case>> = {
  'an object': {
    schema: person,
    good: ['{"name":"Ann"}', '{"name": "Ann", "age": 120, "mood": "bad"}', '{\n  "name": "Ann",\n  "mood": null\n}', '{"name":"\\u00e9\\n","mood":{"x":[1,"é\\"\\n"]}}'],
    bad: ['{}', '{"age":3}', '{"name":"Ann","age":121}', '{"name":"Ann","age":-1}', '{"name":"Ann","x":1}', '{"name":3}', '[]', '"name"', '{"name":"Ann"', '{"name":"Ann","mood":"ugly"}', '{"name":"a","name":3}'],
    valid: ['{"age":3,"name":"Ann"}', '{ \n\n "name":"Ann"}', '{"name" :"Ann"}', ' {"name":"Ann"}', '{"name":"a","age":3.0}'],
  },
  'optional properties in any selection, with others behind them': {
    schema: { type: 'object', properties: { a: { type: 'string' }, b: { type: 'number' }, c: {} }, additionalProperties: { type: 'boolean' } },
    good: ['{}', '{"a":"x"}', '{"b":1.5}', '{"a":"x","c":[{}]}', '{"b":1,"d":true}', '{"d":true,"e":false}', '{"ab":true}', '{"":true}'],
    bad: ['{"a":1}', '{"d":1}', '{,}', '{"a":"x",}', '{"a":true}', '{"b":1,"a":true}', '{"\\u0061":true}'],
  },
  'required, but not declared': {
    schema: { type: 'object', required: ['x'], additionalProperties: { type: 'integer' } },
    good: ['{"x":1}', '{"x":1,"y":2}'],
    bad: ['{}', '{"y":2}', '{"x":"a"}'],
  },
  'any object': { schema: { type: 'object' }, good: ['{}', '{"a":{"b":[1,null]}}', '{"a":1,"a":2}'], bad: ['[]', '1', '{"a"}', '{1:2}'] },
  'counted properties': { schema: { type: 'object', minProperties: 1, maxProperties: 2 }, good: ['{"a":1}', '{"a":1,"b":2}'], bad: ['{}', '{"a":1,"b":2,"c":3}'] },
  'names of properties': {
    schema: { type: 'object', propertyNames: { pattern: '^[a-z]{2}$' }, additionalProperties: { type: 'integer' } },
    good: ['{}', '{"ab":1,"cd":2}'], bad: ['{"abc":1}', '{"A":1}', '{"ab":"x"}'],
  },
  'names from a list, as zod writes a record': {
    schema: { type: 'object', propertyNames: { type: 'string', enum: ['a', 'b', 'c'] }, additionalProperties: { type: 'integer' }, required: ['a', 'b'] },
    good: ['{"a":1,"b":2}', '{"a":1,"b":2,"c":3}'], bad: ['{"a":1}', '{"a":1,"b":2,"d":3}'],
  },
  'what must not be there': { schema: { type: 'object', properties: { a: { not: {} }, b: { type: 'null' } }, additionalProperties: false }, good: ['{}', '{"b":null}'], bad: ['{"a":1}'] },
  'a pattern with a name': { schema: { type: 'string', format: 'lowercase', pattern: '^[^A-Z]*$' }, good: ['"abc"'], bad: ['"Abc"'] },
  'look-ahead': { schema: { type: 'string', pattern: '^(?=.*[A-Z])(?=.*\\d)\\w{3,}$', maxLength: 6 }, good: ['"aB1"', '"1234Ab"'], bad: ['"ab1"', '"ABc"', '"A1"', '"12345Ab"'] },
  'arrays': { schema: { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 }, good: ['[1]', '[1,2,3]', '[ 1, 2 ]', '[\n  1,\n  2\n]'], bad: ['[]', '[1,2,3,4]', '[1,]', '["a"]', '[1 2]'] },
  'no items': { schema: { type: 'array', maxItems: 0 }, good: ['[]'], bad: ['[1]'] },
  'many items': { schema: { type: 'array', items: { const: 1 }, minItems: 50, maxItems: 60 }, good: [`[${Array(50).fill(1).join()}]`, `[${Array(60).fill(1).join()}]`], bad: [`[${Array(49).fill(1).join()}]`, `[${Array(61).fill(1).join()}]`] },
  'tuples': {
    schema: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }], items: { type: 'boolean' }, minItems: 1, maxItems: 4 },
    good: ['["a"]', '["a",1]', '["a",1,true]', '["a",1,true,false]'],
    bad: ['[]', '[1]', '["a","b"]', '["a",1,2]', '["a",1,true,true,true]'],
  },
  'closed tuples': { schema: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'null' }], items: false }, good: ['[]', '["a"]', '["a",null]'], bad: ['["a",null,1]', '[null]'] },
  'a set of one': { schema: { type: 'array', uniqueItems: true, maxItems: 1 }, good: ['[]', '[{}]'], bad: ['[1,2]'], valid: ['[1,2]'].slice(1) },
  'strings by length': { schema: { type: 'string', minLength: 2, maxLength: 3 }, good: ['"ab"', '"😀é\\n"', '"\\ud83d\\ude00a"', '"\\u0041\\"/"'], bad: ['"a"', '"abcd"', '"ab', '"\\ud83dab"', '2'] },
  'long strings': { schema: { type: 'string', minLength: 100, maxLength: 100_000 }, good: [`"${'é'.repeat(100)}"`, `"${'x'.repeat(100_000)}"`], bad: [`"${'é'.repeat(99)}"`, `"${'x'.repeat(100_001)}"`] },
  'strings by pattern and length': { schema: { type: 'string', pattern: '^[a-z]+$', minLength: 2, maxLength: 4 }, good: ['"ab"', '"abcd"'], bad: ['"a"', '"abcde"', '"ABC"'] },
  'strings by format and pattern': { schema: { type: 'string', format: 'date', pattern: '^2' }, good: ['"2024-01-31"'], bad: ['"1999-01-31"', '"2024-02-30"'] },
  'numbers': { schema: { type: 'number', exclusiveMinimum: 0, maximum: 1 }, good: ['0.5', '1', '1.0', '0.001'], bad: ['0', '1.1', '-1', '"0.5"', '00.5'], valid: ['1e-3'] },
  'several types': { schema: { type: ['integer', 'string', 'null'], minLength: 2, minimum: 5 }, good: ['5', '"ab"', 'null'], bad: ['4', '"a"', 'true', '5.5'] },
  'keywords without a type': { schema: { minLength: 2 }, good: ['"ab"'], bad: ['"a"', '3'], valid: ['3'] },
  'anything': { schema: {}, good: ['null', '-1.5e3', '"x"', '[[],{}]', 'true'], bad: ['nul', '', 'undefined', "'x'"] },
  'constants': { schema: { const: { a: [1, true, null] } }, good: ['{"a":[1,true,null]}'], bad: ['{"a":[1,true]}'], valid: ['{ "a": [1, true, null] }'] },
  'enumerations by type': { schema: { type: 'string', enum: ['a', 1, null, 'b'] }, good: ['"a"', '"b"'], bad: ['1', 'null', '"c"'] },
  'alternatives': {
    schema: { anyOf: [{ type: 'object', properties: { kind: { const: 'a' }, x: { type: 'integer' } }, required: ['kind', 'x'], additionalProperties: false }, { type: 'array', items: { type: 'null' } }, { enum: ['none'] }] },
    good: ['{"kind":"a","x":1}', '[null,null]', '"none"'], bad: ['{"kind":"b","x":1}', '[1]', '"some"'],
  },
  'alternatives that differ late': {
    schema: { anyOf: ['cat', 'cow'].map((kind) => ({ type: 'object', properties: { name: { type: 'string' }, kind: { const: kind }, [kind]: { type: 'integer' } }, required: ['name', 'kind', kind], additionalProperties: false })) },
    good: ['{"name":"x","kind":"cat","cat":1}', '{"name":"x","kind":"cow","cow":1}'], bad: ['{"name":"x","kind":"cat","cow":1}'],
  },
  'exactly one of several': {
    schema: { oneOf: [{ type: 'object', properties: { kind: { const: 'a' } }, required: ['kind'] }, { $ref: '#/$defs/b' }, { type: 'integer' }], $defs: { b: { type: 'object', properties: { kind: { enum: ['b', 'c'] } }, required: ['kind'] } } },
    good: ['{"kind":"a"}', '{"kind":"c"}', '3'], bad: ['{"kind":"d"}', '"a"'],
  },
  'all of several': {
    schema: { allOf: [{ type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }, { $ref: '#/$defs/b' }, { properties: { a: { minLength: 2 } } }], $defs: { b: { properties: { b: { type: 'integer' } }, required: ['b'] } } },
    good: ['{"a":"xy","b":1}'], bad: ['{"a":"x","b":1}', '{"a":"xy"}', '{"b":1}'],
  },
  'keywords beside alternatives and references': {
    schema: { type: 'integer', anyOf: [{ minimum: 10, maximum: 20 }, { $ref: '#/$defs/small' }, { type: 'string' }], $defs: { small: { maximum: -10 } } },
    good: ['15', '-11'], bad: ['5', '21', '"x"'],
  },
  'keywords beside a reference': { schema: { $ref: '#/$defs/n', maximum: 3, $defs: { n: { type: 'integer', minimum: 1 } } }, good: ['1', '3'], bad: ['0', '4'] },
  'recursion': { schema: tree, good: ['{"children":[]}', '{"value":"x","children":[{"children":[]},{"value":null,"children":[]}]}'], bad: ['{}', '{"children":[1]}', '{"children":[{"value":"x"}]}'] },
  'the root in itself, by an escaped pointer': {
    schema: { type: 'array', items: { anyOf: [{ $ref: '#' }, { $ref: '#/$defs/a~1b%20~0' }] }, $defs: { 'a/b ~': { type: 'integer' } } },
    good: ['[]', '[[],[1,[2]]]'], bad: ['["a"]'],
  },
  'yes': { schema: true, good: ['1', '{}'], bad: ['x'] },
  'nothing but true': { schema: { type: 'boolean', const: true }, good: ['true'], bad: ['false'] },
  'odd names': { schema: { type: 'object', properties: JSON.parse('{"__proto__":{"type":"integer"},"a\\"b\\n":{"type":"null"},"toString":{"type":"null"}}') as object, required: ['toString'] }, good: ['{"__proto__":1,"a\\"b\\n":null,"toString":null}'], bad: ['{"__proto__":1}'] },
}

for (const [name, { schema, good, bad, valid = [] }] of Object.entries(cases)) {
  test(`a schema of ${name}`, () => {
    const grammar = schemaGrammar(schema)
    const validator = new Validator(schema as Schema, '2020-12')
    for (const text of good) {
      assert.ok(accepts(grammar, text), `accepts ${text.slice(0, 200)}`)
      assert.ok(validator.validate(JSON.parse(text)).valid, `${text.slice(0, 200)} is valid`)
    }
    for (const text of [...bad, ...valid]) assert.ok(!accepts(grammar, text), `does not accept ${text.slice(0, 200)}`)
    for (const text of valid) assert.ok(validator.validate(JSON.parse(text)).valid, `${text} is valid, and left out`)
  })
}

test('JSON mode is an object', () => {
  const grammar = formatGrammar({ type: 'json_object' })
  for (const text of ['{}', '{"a": [1, {"b": "c"}], "d": null}', '{"": 1}']) assert.ok(accepts(grammar, text), text)
  for (const text of ['[]', '"a"', '1', '{"a": undefined}', '{"a": "\n"}', '{"a":1}x']) assert.ok(!accepts(grammar, text), text)
})

test('white space is bounded', () => {
  const grammar = formatGrammar({ type: 'json_object' })
  for (const space of ['', ' ', '\n', '\n  ', '\n\t\t']) assert.ok(accepts(grammar, `{${space}"a": 1${space}}`), JSON.stringify(space))
  for (const space of ['  ', '\n\n', ' \n', '\r\n', `\n${' '.repeat(41)}`]) assert.ok(!accepts(grammar, `{${space}"a": 1}`), JSON.stringify(space))
})

test('a tool call names a tool of the request, with arguments that fit it', () => {
  const tools = [
    { name: 'weather', parameters: { type: 'object', properties: { city: { $ref: '#/$defs/city' } }, required: ['city'], additionalProperties: false, $defs: { city: { type: 'string' } } } },
    { name: 'time' },
  ]
  const any = formatGrammar(toolCallFormat(tools))
  assert.ok(accepts(any, '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'))
  assert.ok(accepts(any, '<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>'))
  assert.ok(!accepts(any, '<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>'))
  assert.ok(!accepts(formatGrammar(toolCallFormat(tools, 'weather')), '<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>'))
  assert.throws(() => toolCallFormat(tools, 'news'), { name: 'UserError', message: /no tool "news"/ })
})

describe('refusals name the keyword and its place', () => {
  const refusals: [unknown, RegExp][] = [
    [{ type: 'array', items: { uniqueItems: true, type: 'array' } }, /#\/items has "uniqueItems"/],
    [{ not: { type: 'string' } }, /# has "not"/],
    [{ not: {} }, /no value at all/],
    [{ type: 'object', properties: { 'a/b': { type: 'string', contains: 1 } } }, /#\/properties\/a~1b has "contains"/],
    [{ type: 'object', patternProperties: {} }, /"patternProperties"/],
    [{ type: 'object', properties: { a: {} }, minProperties: 1 }, /"minProperties"/],
    [{ type: 'object', properties: { a: {} }, maxProperties: 1 }, /"maxProperties"/],
    [{ type: 'object', propertyNames: { minLength: 2 } }, /#\/propertyNames has "minLength"/],
    [{ if: {}, then: {} }, /"if"/],
    [{ type: 'string', pattern: '(?=a)' }, /look-around/],
    [{ type: 'string', pattern: '(' }, /no regular expression/],
    [{ type: 'string', format: 'idn-email' }, /format "idn-email".*date-time/],
    [{ type: 'number', multipleOf: 0.1 }, /"multipleOf": 0.1/],
    [{ type: 'number', minimum: '3' }, /"minimum": "3"/],
    [{ type: 'string', minLength: -1 }, /"minLength": -1/],
    [{ type: 'string', maxLength: 1.5 }, /"maxLength": 1.5/],
    [{ type: 'text' }, /type "text"/],
    [{ type: [] }, /type undefined/],
    [{ $ref: '#/$defs/none' }, /"#\/\$defs\/none", which is not there/],
    [{ $ref: '#/toString' }, /which is not there/],
    [{ $ref: 'https://example.org/schema' }, /into the same schema/],
    [{ items: { $id: 'x', type: 'null' } }, /"\$id"/],
    [{ oneOf: [{ type: 'string' }, { enum: ['a'] }] }, /"oneOf".*anyOf/],
    [{ enum: ['a'], minLength: 1 }, /"minLength".*beside "enum"/],
    [{ allOf: [{ pattern: 'a' }, { pattern: 'b' }] }, /two "pattern"/],
    [{ allOf: [{ type: 'object', properties: { a: {} }, additionalProperties: false }, { properties: { b: {} } }] }, /"additionalProperties" beside a part that declares "b"/],
    [{ allOf: [{ type: 'array', prefixItems: [{ type: 'string' }] }, { items: { type: 'integer' } }] }, /items of two schemas/],
    [{ enum: [] }, /no value at all/],
    [false, /no value at all/],
    [{ $ref: '#' }, /no value at all/],
    [{ allOf: [{ $ref: '#' }] }, /refers to itself|nested deeper|too large/],
    [{ type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] }, /no value at all/],
    [{ type: 'array', minItems: 3, maxItems: 2, items: {} }, /no value at all/],
    [{ type: 'integer', minimum: 3, maximum: 2 }, /no value at all/],
    [{ type: 'string', pattern: '^a$', minLength: 2 }, /no value at all/],
    [{ allOf: [{ type: 'string' }, { type: 'integer' }] }, /no value at all/],
    [3, /# is no schema/],
    [{ properties: { a: 3 } }, /#\/properties\/a is no schema/],
    [{ anyOf: {} }, /"anyOf" that is not a list/],
  ]
  for (const [schema, message] of refusals) {
    test(JSON.stringify(schema), () => {
      assert.throws(() => schemaGrammar(schema), (error) => {
        assert.ok(error instanceof UserError, String(error))
        assert.equal(error.exitCode, 2)
        assert.match(error.message, message)
        return true
      })
    })
  }
})

describe('bombs are refused', () => {
  const nested = (depth: number): object => (depth === 0 ? { type: 'null' } : { type: 'array', items: nested(depth - 1) })
  const twice = (i: number): object => ({ allOf: [{ anyOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] }, { minLength: i }] })
  const doubling = { $ref: '#/$defs/d0', $defs: Object.fromEntries(Array.from({ length: 41 }, (_, i) => [`d${i}`, i < 40 ? twice(i) : { type: 'string' }])) }
  const bombs: Readonly<Record<string, unknown>> = {
    'deep nesting': nested(5000),
    'a huge enumeration': { enum: Array.from({ length: 200_000 }, (_, i) => `value ${i}`) },
    'an enumeration of long texts': { enum: Array.from({ length: 100 }, (_, i) => String(i).padStart(3, '0').repeat(300)) },
    'many alternatives': { anyOf: Array.from({ length: 2000 }, (_, i) => ({ const: i })) },
    'many properties': { type: 'object', properties: Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`p${i}`, { type: 'null' }])) },
    'references that double': doubling,
    'a pattern of many states': { type: 'string', pattern: '^.*a.{30}$' },
    'many patterns': { type: 'object', properties: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`p${i}`, { type: 'string', pattern: `^.*a.{8}${i}$` }])) },
    'a pattern and a great length': { type: 'string', pattern: '^[ab]+$', maxLength: 1_000_000 },
  }
  for (const [name, schema] of Object.entries(bombs)) {
    test(name, () => {
      assert.throws(() => schemaGrammar(schema), { name: 'UserError', message: /too large|nested deeper/ })
    })
  }
})

test('the documentation names what is enforced', () => {
  const documented = readFileSync(join(import.meta.dirname, '../../../docs/formats.md'), 'utf8')
  const enforced = Object.values(keywords).flat().filter((keyword) => keyword !== 'uniqueItems')
  for (const word of [...enforced, ...stringFormats.keys()]) assert.ok(documented.includes(`\`${word}\``), word)
})
