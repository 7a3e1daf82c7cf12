/** The languages of patterns, formats and numbers, against JavaScript's own reading of them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Validator } from '@cfworker/json-schema'
import { Random } from '../../random.ts'
import { anyCharacter, characters, complement, lastCharacter, utf8 } from './characters.ts'
import { determinize, intersect, subtract, words, type Dfa } from './dfa.ts'
import { numbers, type NumberLimits } from './numbers.ts'
import { patternLanguage, UnsupportedPattern } from './pattern.ts'
import { choice, FormatTooLarge, literal, repeat, sequence } from './regular.ts'
import { stringFormats } from './string-formats.ts'

/** A text of a language, each byte that leads on as likely as the other. */
function randomText({ next, accepting }: Dfa, random: Random): string {
  const bytes: number[] = []
  for (let state = 0; accepting[state] === 0 || random.below(8) > 0;) {
    const open = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => next[state * 256 + byte]! >= 0)
    if (open.length === 0) break
    const byte = open[random.below(open.length)]!
    bytes.push(byte)
    state = next[state * 256 + byte]!
    if (bytes.length > 400) return randomText({ next, accepting } as Dfa, random)
  }
  return Buffer.from(bytes).toString()
}

describe('automata', () => {
  const [a, b] = [literal('a'), literal('b')]

  test('what is built of bytes accepts what it says, and no more', () => {
    const dfa = determinize(sequence(repeat(choice(a, literal('bc')), 1, 3), literal('é')))
    for (const text of ['aé', 'bcé', 'abcaé']) assert.ok(dfa.accepts(text), text)
    for (const text of ['é', 'aaaaé', 'a', 'bé', 'aéa', '']) assert.ok(!dfa.accepts(text), text)
  })

  test('intersection and difference are those of sets', () => {
    const [some, few] = [determinize(repeat(choice(a, b), 0)), determinize(repeat(choice(a, b), 2, 3))]
    const [both, rest] = [intersect(some, few), subtract(some, few)]
    for (const text of ['', 'a', 'ab', 'aba', 'abab']) {
      const isFew = text.length === 2 || text.length === 3
      assert.equal(both.accepts(text), isFew, text)
      assert.equal(rest.accepts(text), !isFew, text)
    }
  })

  test('nothing leads to a dead end', () => {
    const dfa = intersect(determinize(choice(literal('abc'), literal('xyz'))), words(['abd', 'xyz']))
    assert.equal(dfa.next['a'.charCodeAt(0)], -1)
    assert.ok(dfa.accepts('xyz'))
    assert.ok(intersect(determinize(a), determinize(b)).isEmpty)
    assert.ok(words([]).isEmpty && !words(['']).isEmpty)
  })

  test('bombs are refused soon: states, repetitions, ways to match', () => {
    const bombs = ['^.*a.{30}$', '^(((a{1,999}){1,999}){1,999})$', `^(${'.*a'.repeat(200)}|b){1,100}$`, `^${'(.?[ab]){1,40}'.repeat(40)}$`]
    for (const bomb of bombs) assert.throws(() => patternLanguage(bomb), FormatTooLarge, bomb)
  })
})

describe('characters', () => {
  test('each code point is its UTF-8 bytes', () => {
    const borders = [0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x103ff, 0x1f600, lastCharacter]
    const all = determinize(utf8([[0, lastCharacter]]))
    for (const point of borders) {
      const only = determinize(utf8([[point, point]]))
      const others = determinize(utf8(complement([[point, point]])))
      const text = String.fromCodePoint(point)
      assert.ok(all.accepts(text) && only.accepts(text) && !others.accepts(text), point.toString(16))
      for (const near of [point - 1, point + 1].filter((each) => each >= 0 && each <= lastCharacter && !(each >= 0xd800 && each < 0xe000))) {
        assert.ok(!only.accepts(String.fromCodePoint(near)) && others.accepts(String.fromCodePoint(near)), near.toString(16))
      }
    }
  })

  test('a character of a JSON string, in any spelling, is read as one character', () => {
    const dfa = determinize(anyCharacter)
    for (const text of ['a', 'é', '😀', '\\n', '\\/', '\\u00e9', '\\uD83D\\uDE00', '\\uffff', '\u007f']) {
      assert.ok(dfa.accepts(text), text)
      assert.equal(Array.from(JSON.parse(`"${text}"`) as string).length, 1)
    }
    for (const text of ['"', '\\', '\n', '\t', '\\x', '\\u12', '\\ud83d', '\\ude00', '\\ud83d\\u0041', 'ab']) assert.ok(!dfa.accepts(text), text)
  })

  test('the one spelling is that of JSON.stringify', () => {
    const dfa = determinize(repeat(characters([[0, lastCharacter]]), 0))
    const text = Array.from({ length: 0x300 }, (_, point) => String.fromCodePoint(point)).join('') + '\u2028😀'
    assert.ok(dfa.accepts(JSON.stringify(text).slice(1, -1)))
    for (const other of ['\\/', '\\u0041', '\\u000a']) assert.ok(!dfa.accepts(other), other)
  })
})

test('patterns match what JavaScript says', () => {
  const random = new Random(5)
  const alphabet = ['a', 'b', 'c', 'A', '1', '0', '-', '_', ' ', '.', '"', '\\', 'é', '😀', '\n']
  const patterns = [
    '^[a-c]+$', 'b', '^b', 'c$', '^(a|bc)*$', '^(?:ab?){1,3}$', '^[^ab]$', '^\\w\\d\\s?$', '^[\\w-]+$', '^.$', '^..?$', '^\\D\\W\\S$', '^[\\]\\\\"]$', '^\\n$',
    '^\\u0061\\x62?$', '^[\\u{1F600}-\\u{1F64F}]$', '^\\ud83d\\ude00$', '^(?<name>a)b$', '^a{2}$', '^a{2,}$', '^a{0,2}?b$', '^\\p{Lu}\\P{L}$', '^$', '^a|b$', '', '^[^]$',
    '^[-a]$', '^[a-]+$', '^\\.$', '^[.]$', '^\\$$', '^[\\d.]+$', '^\\cJ$', '^\\0?$',
    '^(?=.*a)(?=.*1$)[^b]+$', '^(?!ab|c)\\w*$', '^(?!.*aa)a', '^(?!b$)', '^(?=[^]*é)(?!.*😀)',
  ]
  for (const pattern of patterns) {
    const dfa = patternLanguage(pattern)
    const regexp = new RegExp(pattern, 'u')
    for (let i = 0; i < 300; i++) {
      const text = Array.from({ length: random.below(5) }, () => alphabet[random.below(alphabet.length)]!).join('')
      assert.equal(dfa.accepts(JSON.stringify(text).slice(1, -1)), regexp.test(text), `${pattern} on ${JSON.stringify(text)}`)
    }
    for (let i = 0; i < 20; i++) {
      const text = randomText(dfa, random)
      assert.ok(regexp.test(JSON.parse(`"${text}"`) as string), `${pattern} gave ${text}`)
    }
  }
})

test('what is no regular language is refused by name', () => {
  for (const pattern of ['(?=a)b', 'b(?!a)', '^a|^(?=b)', '^(?=b)|a', '^(?<!a)b', '(a)\\1', '\\bword', 'a^b', 'a$b', '(^a)', '(a$)', '(?<n>a)\\k<n>']) {
    assert.throws(() => patternLanguage(pattern), UnsupportedPattern, pattern)
  }
  assert.throws(() => patternLanguage('(a'), SyntaxError)
})

test('whatever is spelled in a format is taken by a validator', () => {
  const random = new Random(6)
  for (const [format, pattern] of stringFormats) {
    const dfa = patternLanguage(pattern)
    const validator = new Validator({ type: 'string', format })
    for (let i = 0; i < 200; i++) {
      const text = randomText(dfa, random)
      assert.ok(validator.validate(JSON.parse(`"${text}"`)).valid, `${format}: ${text}`)
    }
  }
  const examples = {
    date: '2024-11-30', time: '23:59:59Z', 'date-time': '2024-02-28T08:00:00.5+01:00', duration: 'P1DT12H', email: 'ann.lee@mail.example.org',
    hostname: 'a-1.example.org', ipv4: '192.168.0.255', ipv6: '2001:db8::1', uri: 'https://example.org:8080/a/b?c=d#e', uuid: '123e4567-e89b-12d3-a456-426614174000',
  }
  for (const [format, text] of Object.entries(examples)) assert.ok(patternLanguage(stringFormats.get(format)!).accepts(text), format)
  assert.deepEqual(Object.keys(examples).sort(), [...stringFormats.keys()].sort())
})

describe('numbers', () => {
  const spellings = [
    '0', '1', '7', '7.0', '-12.25', '-12.26', '-12.2', '-12', '-13', '129.99', '130', '130.0', '130.01', '131', '0.5', '0.50', '0.49', '1.5', '1.500', '1.51', '0.0009',
    '0.001', '0.000', '-3', '-2.99', '-3.01', '-100', '99999', '100', '10', '0.0001', '999999999999999', '-999999999999999',
  ]
  const limits: NumberLimits[] = [
    {}, { minimum: 0.5, maximum: 1.5 }, { exclusiveMinimum: 0 }, { exclusiveMinimum: 0, exclusiveMaximum: 0.001 }, { minimum: -12.25, maximum: 130 }, { minimum: 7, maximum: 7 },
    { maximum: -3 }, { exclusiveMaximum: 0 }, { minimum: 0 }, { exclusiveMinimum: -3, exclusiveMaximum: 10 }, { minimum: 1e14 }, { minimum: -1e-7, maximum: 5e-7 }, { minimum: 9, maximum: 101 },
  ]

  function fits(value: number, { minimum = -Infinity, maximum = Infinity, exclusiveMinimum = -Infinity, exclusiveMaximum = Infinity }: NumberLimits): boolean {
    return value >= minimum && value <= maximum && value > exclusiveMinimum && value < exclusiveMaximum
  }

  for (const integer of [true, false]) {
    test(`${integer ? 'integers' : 'numbers'} within limits, and none beyond them`, () => {
      const random = new Random(7)
      for (const limit of limits) {
        const dfa = numbers(integer, limit)
        for (const text of spellings) {
          const isSpelledSo = !integer || /^-?\d+$/.test(text)
          assert.equal(dfa.accepts(text), isSpelledSo && fits(Number(text), limit), `${text} in ${JSON.stringify(limit)}`)
        }
        for (let i = 0; i < 50 && !dfa.isEmpty; i++) {
          const text = randomText(dfa, random)
          assert.ok(fits(JSON.parse(text) as number, limit), `${text} in ${JSON.stringify(limit)}`)
        }
      }
    })
  }

  test('every integer of a range, by one', () => {
    for (const [minimum, maximum] of [[-120, 1105], [0, 9], [99, 100], [-10, -1]] as const) {
      const dfa = numbers(true, { minimum, maximum })
      for (let value = -1300; value < 1300; value++) assert.equal(dfa.accepts(String(value)), value >= minimum && value <= maximum, String(value))
    }
  })

  test('multiples', () => {
    const dfa = numbers(true, { multipleOf: 7, minimum: -50, maximum: 1000 })
    for (let value = -80; value < 1100; value++) assert.equal(dfa.accepts(String(value)), value % 7 === 0 && value >= -50 && value <= 1000, String(value))
  })

  test('no spelling of a number is infinite, or starts with a zero too many', () => {
    const dfa = numbers(false, {})
    for (const text of ['1e5', '-1.5E-10', '0.25', '1e+99']) assert.ok(dfa.accepts(text), text)
    for (const text of ['1e999', '01', '1.', '.5', '+1', '1e', 'NaN', '-', '9'.repeat(400)]) assert.ok(!dfa.accepts(text), text)
  })
})
