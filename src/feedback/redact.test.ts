import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { UserError } from '../errors.ts'
import { Random } from '../random.ts'
import { detectors } from './redact-patterns.ts'
import { Redactor, unreadable } from './redact.ts'

const redactor = new Redactor()
/** Put together here, so that no scanner takes the test for a leak. */
const key = (prefix: string, length: number): string => prefix + 'a1B2c3D4e5F6g7H8'.repeat(Math.ceil(length / 16)).slice(0, length)

describe('what is taken out', () => {
  const cases: Readonly<Record<string, string>> = {
    'Write to jane.doe+shop@mail.example.co.uk, please.': 'Write to [EMAIL], please.',
    'jürgen@müller.de and "x"<a@b.io>': '[EMAIL] and "x"<[EMAIL]>',
    '----------jane@example.com': '----------[EMAIL]',
    [`${'-'.repeat(100)} to=bob@example.com`]: `${'-'.repeat(100)} [EMAIL]`,
    'mailto:bob@example.com?subject=x': 'mailto:[EMAIL]?subject=x',
    'Call +49 (0)30 1234567 or +1-555-123-4567.': 'Call [PHONE] or [PHONE].',
    '(555) 123-4567, 555-123-4567, 555.123.4567': '[PHONE], [PHONE], [PHONE]',
    'Tel.: 5551234567; my phone number is 555 123 4567': 'Tel.: [PHONE]; my phone number is [PHONE]',
    '030 1234567 / 0171/1234567 / 06 12 34 56 78 / 0612345678': '[PHONE] / [PHONE] / [PHONE] / [PHONE]',
    'My card is 4111 1111 1111 1111, exp 12/27': 'My card is [CARD], exp 12/27',
    '5500-0000-0000-0004 and 340000000000009 and 1 4111111111111111': '[CARD] and [CARD] and 1 [CARD]',
    'DE89 3704 0044 0532 0130 00 FROM me, GB29NWBK60161331926819.': '[IBAN] FROM me, [IBAN].',
    [`key ${key('sk-', 40)} or ${key('sk-proj-', 60)}`]: 'key [KEY] or [KEY]',
    [`${key('ghp_', 36)}, ${key('github_pat_', 40)}, ${key('hf_', 34)}, ${key('pt-', 43)}`]: '[KEY], [KEY], [KEY], [KEY]',
    [`aws ${'AKIA' + 'IOSFODNN7EXAMPLE'}!`]: 'aws [KEY]!',
    [`Authorization: Bearer ${key('', 30)}`]: 'Authorization: Bearer [KEY]',
    [`jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.${key('', 43)} end`]: 'jwt [KEY] end',
    ['a\n-----BEGIN RSA PRIVATE ' + 'KEY-----\nMIIE\n-----END RSA PRIVATE ' + 'KEY-----\nb']: 'a\n[KEY]\nb',
    ['cut off: -----BEGIN PRIVATE ' + 'KEY-----\nMIIE']: 'cut off: [KEY]',
  }
  for (const [text, expected] of Object.entries(cases)) {
    test(text.slice(0, 40), async () => { assert.equal(await redactor.text(text), expected) })
  }
})

describe('what stays', () => {
  const cases = [
    'On 2024-01-15 at 10:30:00.123456+02:00, or 15.01.2024, or 01/15/2024 10:30, or 15/01/2024.',
    'Order 112-3456789-1234567, order 20240115001, ORD-555-123-4567, invoice 05/2024/123456, ticket #0123456789',
    'v1.2.3.4, node 24.21.0, 10.0.0.1:8080, 192.168.1.255, 2001:db8::ff00:42:8329',
    'const total = items.reduce((a, b) => a + b, 0) // 0.123456789, 1234567890123, 3.14159265358979',
    '@@ -1,7 +1,7 @@ and @decorator and user@localhost and a@b',
    '550e8400-e29b-41d4-a716-446655440000 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    '4111 1111 1111 1112 fails its check digit, 1234 5678 9012 3456 has no issuer',
    'DE00 3704 1044 0532 0130 00 fails its check digits',
    'sk-learn and the pt-BR locale, the bearer of good news is authentication-required, AKIA',
    'The values 200 300 4000 and 1,234,567.89 and 1 000 000 000 in 2024',
    'ISBN 0-306-40615-2, 978-3-16-148410-0; timestamp 1700000000000000000; 00012345678901',
    'SELECT * FROM users WHERE id = 1; DROP TABLE users; -- <script>alert("x")</script>',
  ]
  for (const text of cases) test(text.slice(0, 40), async () => { assert.equal(await redactor.text(text), text) })
})

describe('structured values', () => {
  test('strings at any depth, keys too; nothing else', async () => {
    const value = { 'a@b.io': [1, true, null, { text: 'x a@b.io' }], n: 4111111111111111 }
    assert.deepEqual(await redactor.value(value), { '[EMAIL]': [1, true, null, { text: 'x [EMAIL]' }], n: 4111111111111111 })
  })

  test('a key named __proto__ is a key', async () => {
    const redacted = await redactor.value(JSON.parse('{"__proto__": {"a": "b@c.io"}}') as object)
    assert.equal(JSON.stringify(redacted), '{"__proto__":{"a":"[EMAIL]"}}')
  })

  test('redacting again changes nothing', async () => {
    const once = await redactor.text(`a@b.io +49 30 1234567 4111 1111 1111 1111 ${key('sk-', 30)}`)
    assert.equal(await redactor.text(once), once)
  })

  test('off: everything stays', async () => {
    const off = new Redactor({ enabled: false, patterns: [{ mark: 'X', pattern: 'x' }] })
    assert.equal(await off.text('x a@b.io'), 'x a@b.io')
    assert.equal(off.identifier('a@b.io'), 'a@b.io')
  })

  test('ids stay apart, and say nothing', () => {
    assert.equal(redactor.identifier('user-17'), 'user-17')
    assert.match(redactor.identifier('a@b.io'), /^sha256-[0-9a-f]{32}$/)
    assert.notEqual(redactor.identifier('a@b.io'), redactor.identifier('c@b.io'))
    assert.equal(redactor.identifier('a@b.io'), redactor.identifier('a@b.io'))
  })
})

describe("a team's own patterns", () => {
  const own = new Redactor({
    patterns: [{ mark: 'PATIENT', pattern: 'p-\\d{6}', flags: 'i' }, { mark: 'SLOW', pattern: '^(a+)+$' }],
    patternTimeLimit: 300,
  })
  after(() => own.close())

  test('are replaced after the known ones', async () => {
    assert.equal(await own.text('P-123456 wrote from $&@b.io a@b.io'), '[PATIENT] wrote from $&@b.io [EMAIL]')
  })

  test('one that takes too long costs the text, not the server; the next text is read again', async () => {
    assert.equal(await own.text(`${'a'.repeat(40)}!`), unreadable)
    assert.equal(own.overruns, 1)
    assert.equal(await own.text('p-654321'), '[PATIENT]')
  })

  for (const [pattern, message] of [
    [{ mark: 'X', pattern: '(' }, /Unterminated group|Invalid/],
    [{ mark: 'x y', pattern: 'a' }, /capitals/],
    [{ mark: 'X', pattern: 'a*' }, /empty text/],
    [{ mark: 'X', pattern: 'a', flags: 'g' }, /flags/],
  ] as const) {
    test(`${JSON.stringify(pattern)} is refused`, () => {
      assert.throws(() => new Redactor({ patterns: [pattern] }), (error: unknown) => {
        assert.ok(error instanceof UserError)
        assert.equal(error.exitCode, 2)
        assert.match(error.message, message)
        return true
      })
    })
  }
})

describe('time is linear in the text', () => {
  const pieces = [
    'a', '1', '1 ', '0', '-', '.', '@', ' ', 'a.', 'a@', '@a.', 'a@a.', '+1', '+1 ', '(', '(0', 'DE12', 'DE12 ', 'eyJ', 'eyJaaaaaaaa.', 'sk-',
    'Bearer ', 'tel ', 'tel 1', '-----BEGIN PRIVATE ' + 'KEY-----', '-----BEGIN ', '4111 ', '12-', 'ä', '\u{1F600}', '555-', '01 ', '0171 ',
  ]
  const random = new Random(7)
  const mixtures = Array.from({ length: 12 }, () => Array.from({ length: 2 + random.below(4) }, () => pieces[random.below(pieces.length)]!).join(''))
  for (const piece of [...pieces, ...mixtures]) {
    // Half a million characters take milliseconds; a search that looked from each of them to the end would take minutes.
    test(JSON.stringify(piece), { timeout: 60_000 }, () => {
      const text = piece.repeat(Math.ceil(500_000 / piece.length)) + '!x'
      for (const { find } of detectors) for (const [start, end] of find(text)) assert.ok(start < end && end <= text.length)
    })
  }
})
