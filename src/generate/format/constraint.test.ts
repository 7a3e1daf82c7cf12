/** Formats against tokens: whatever is drawn among the allowed ones is valid, and everything that is valid is allowed. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type Schema, Validator } from '@cfworker/json-schema'
import { TextTokenizer } from '../../models/tokenizer/text-tokenizer.ts'
import { tokenizerFromDirectory } from '../../models/tokenizer/tokenizer-directory.ts'
import { TokenStream, type Tokenizer } from '../../models/tokenizer/tokenizer.ts'
import { Random } from '../../random.ts'
import type { OutputFormat } from '../completion.ts'
import type { TokenConstraint } from '../logit-changes.ts'
import { Automaton } from './automaton.ts'
import { Formats } from './constraint.ts'
import { randomSchema, withDefinitions } from './fixtures/random-schema.ts'
import { sentencePiece } from './fixtures/sentence-piece.ts'
import { formatGrammar } from './format.ts'

const fixture = (name: string): Promise<Tokenizer> => tokenizerFromDirectory(join(import.meta.dirname, '../../models/fixtures', name))
const llama = await fixture('tiny-llama')
const pieces = sentencePiece(['▁', '▁{', '{', '{"', '▁"', '":', '▁the', 'na', 'me', '"}', '},', '▁"a', 'é', '😀', '[[', ']]', '\n', '▁▁', '12', '.5', 'true', ',"'])
const end = 2

function idsOf(mask: Uint32Array): number[] {
  return [...mask].flatMap((word, i) => Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => ((word >>> bit) & 1) === 1).map((bit) => i * 32 + bit))
}

const schemaFormat = (schema: unknown): OutputFormat => ({ type: 'json_schema', schema: schema as Readonly<Record<string, unknown>> })

interface Drawn {
  readonly ids: number[]
  readonly text: string
  readonly ended: boolean
}

/** Draws among the allowed tokens, often one that closes something, as any model might. */
function draw(constraint: TokenConstraint, tokenizer: Tokenizer, random: Random, most = 300): Drawn {
  const closing = new Set(tokenizer.tokenBytes().tokens.flatMap((bytes, id) => (bytes !== undefined && '"}]'.includes(String.fromCharCode(bytes[0] ?? 0)) ? [id] : [])))
  const stream = new TokenStream(tokenizer)
  const ids: number[] = []
  let ended = constraint.isFinished
  while (!ended && ids.length < most) {
    const allowed = idsOf(constraint.allowed())
    const preferred = allowed.filter((id) => id === end || closing.has(id))
    const among = preferred.length > 0 && random.below(3) > 0 ? preferred : allowed
    const id = among[random.below(among.length)]!
    constraint.accept(id)
    if (id !== end) {
      ids.push(id)
      stream.push(id)
    }
    ended = id === end || constraint.isFinished
  }
  stream.flush()
  return { ids, text: stream.text, ended }
}

describe('whatever ends is valid', () => {
  for (const name of ['tiny-llama', 'tiny-mistral', 'tiny-qwen2', 'tiny-qwen3', 'pieces']) {
    test(`random schemas, random tokens of ${name}`, async () => {
      const tokenizer = name === 'pieces' ? pieces : await fixture(name)
      const formats = new Formats(tokenizer, tokenizer.vocabSize)
      const random = new Random(name.length)
      let endings = 0
      for (let i = 0; i < 60; i++) {
        const schema = i % 3 === 0 ? withDefinitions(random) : { ...randomSchema(random), $defs: { list: { type: 'null' } } }
        const validator = new Validator(schema as Schema, '2020-12', false)
        for (let run = 0; run < 4; run++) {
          const { text, ended } = draw(formats.constraint(schemaFormat(schema), [end]), tokenizer, random)
          if (!ended) continue
          endings++
          const { valid, errors } = validator.validate(JSON.parse(text))
          assert.ok(valid, `${text}\nagainst ${JSON.stringify(schema)}\n${JSON.stringify(errors.at(-1))}`)
        }
      }
      assert.ok(endings > 150, `only ${endings} of 240 answers ended`)
    })
  }

  test('JSON mode: an object each time', () => {
    const formats = new Formats(llama, llama.vocabSize)
    const random = new Random(3)
    const drawn = Array.from({ length: 60 }, () => draw(formats.constraint({ type: 'json_object' }, [end]), llama, random))
    for (const { text, ended } of drawn) {
      if (!ended) continue
      const value: unknown = JSON.parse(text)
      assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value))
    }
    assert.ok(drawn.filter(({ ended }) => ended).length > 30)
  })
})

describe('the allowed tokens are those that lead on, and no others', () => {
  const schemas = [
    { type: 'string', minLength: 40, maxLength: 90 },
    { type: 'array', items: { type: 'string', maxLength: 5 }, minItems: 36, maxItems: 80 },
    { type: 'object', properties: { name: { type: 'string', pattern: '^.{3,6}$' }, n: { type: 'integer' } }, additionalProperties: { enum: ['the', 'then', 3] } },
    { anyOf: [{ type: 'array', items: { $ref: '#' } }, { type: 'string' }, { type: 'number' }] },
  ]
  for (const [name, tokenizer] of [['bytes', llama], ['pieces', pieces]] as const) {
    test(`by trying each one: ${name}`, () => {
      const { tokens, dropsFirstSpace } = tokenizer.tokenBytes()
      const formats = new Formats(tokenizer, tokenizer.vocabSize)
      for (const schema of schemas) {
        const grammar = formatGrammar(schemaFormat(schema))
        const random = new Random(9)
        const constraint = formats.constraint(schemaFormat(schema), [end])
        // Never asked what is near: what it allows is found byte by byte.
        const automaton = new Automaton(grammar, Infinity)
        let state = automaton.start
        for (let step = 0; step < 120 && !constraint.isFinished; step++) {
          const allowed = idsOf(constraint.allowed())
          const tried = tokens.flatMap((bytes, id) => {
            if (bytes === undefined || bytes.length === 0) return []
            const text = step === 0 && dropsFirstSpace && bytes[0] === 0x20 ? bytes.subarray(1) : bytes
            let to: typeof state | null = state
            for (const byte of text) to = to && automaton.step(to, byte)
            return to === null ? [] : [id]
          })
          assert.deepEqual(allowed.filter((id) => id !== end), tried, `step ${step} of ${JSON.stringify(schema)}`)
          assert.equal(allowed.includes(end), state.isComplete)
          const printable = allowed.filter((id) => id !== end && tokens[id]![0] !== 0x20)
          const id = printable[random.below(printable.length)]!
          constraint.accept(id)
          for (const byte of tokens[id]!) state = automaton.step(state, byte)!
        }
      }
    })
  }
})

test('states that were forgotten are made again: a long text, counted to the end', () => {
  const constraint = new Formats(llama, llama.vocabSize).constraint(schemaFormat({ type: 'string', minLength: 6000, maxLength: 6000 }), [end])
  const [quote, letter] = [llama.encode('"')[0]!, llama.encode('b')[0]!]
  constraint.accept(quote)
  for (let i = 0; i < 6000; i++) {
    if (i % 100 === 0 || i > 5990) assert.ok(!idsOf(constraint.allowed()).includes(quote), `after ${i}`)
    constraint.accept(letter)
  }
  assert.deepEqual(idsOf(constraint.allowed()), [quote])
})

test('characters that are split across tokens, in any spelling', () => {
  const formats = new Formats(llama, llama.vocabSize)
  for (const text of ['"é😀中"', '"\\ud83d\\ude00"', '"a\\u00e9\\n"']) {
    const constraint = formats.constraint(schemaFormat({ type: 'string', minLength: 2, maxLength: 3 }), [end])
    const ids = llama.encode(text)
    const fits = ids.every((id) => {
      const isAllowed = idsOf(constraint.allowed()).includes(id)
      if (isAllowed) constraint.accept(id)
      return isAllowed
    })
    assert.equal(fits, !text.includes('ud83d'), text)
    if (fits) assert.ok(constraint.isFinished)
  }
})

test('the end token is allowed where the value is whole, and only there', () => {
  const constraint = new Formats(llama, llama.vocabSize).constraint(schemaFormat({ type: 'integer', minimum: 0 }), [end])
  assert.ok(!idsOf(constraint.allowed()).includes(end))
  constraint.accept(llama.encode('7')[0]!)
  const allowed = idsOf(constraint.allowed())
  assert.ok(allowed.includes(end) && allowed.includes(llama.encode('7')[0]!) && !constraint.isFinished)
})

test('an end token with a text of its own never comes as text', () => {
  const letter = llama.encode('b')[0]!
  const constraint = new Formats(llama, llama.vocabSize).constraint(schemaFormat({ type: 'string', maxLength: 3 }), [letter])
  constraint.accept(llama.encode('"')[0]!)
  const allowed = idsOf(constraint.allowed())
  assert.ok(!allowed.includes(letter) && allowed.includes(llama.encode('c')[0]!))
})

test('a model without the tokens that a format needs is told so', () => {
  const letters = sentencePiece(['a', 'b', '{'], { bytes: false })
  const constraint = new Formats(letters, letters.vocabSize).constraint({ type: 'json_object' }, [end])
  assert.deepEqual(idsOf(constraint.allowed()), [letters.tokenBytes().tokens.findIndex((bytes) => bytes?.[0] === 0x7b)])
  constraint.accept(letters.vocabSize - 1)
  assert.throws(() => constraint.allowed(), { name: 'UserError', message: /no token of the model/ })
})

test('a tokenizer whose tokens have no text of their own is refused', () => {
  const { source } = pieces
  const odd = new TextTokenizer({ ...source, json: { ...source.json, decoder: { type: 'WordPiece', prefix: '##', cleanup: true } } })
  assert.throws(() => new Formats(odd, odd.vocabSize), { name: 'UserError', message: /WordPiece.*without a format/ })
})

test('a schema that can be read in too many ways at once is refused while it decodes, not followed for ever', () => {
  const list = (depth: number): object => ({ anyOf: Array.from({ length: 12 }, (_, i) => ({ type: 'array', items: depth === 0 ? { type: 'string', maxLength: 90 + i } : list(depth - 1) })) })
  const constraint = new Formats(llama, llama.vocabSize).constraint(schemaFormat(list(2)), [end])
  const [open, quote] = [llama.encode('[')[0]!, llama.encode('"')[0]!]
  const follow = (): void => {
    for (const id of [open, open, open, quote]) {
      constraint.allowed()
      constraint.accept(id)
    }
    constraint.allowed()
  }
  assert.throws(follow, { name: 'UserError', message: /too many ways/ })
})
