/**
 * What personal data and secrets look like. Each search takes time linear in the text, whatever the text: every repetition
 * is bounded, or nothing that may fail comes after it.
 */

/** Where in a text something begins and ends. */
export type Span = readonly [start: number, end: number]

/** One kind of thing that is not to be stored. */
export interface Detector {
  /** What stands in its place: `EMAIL` for `[EMAIL]`. */
  readonly mark: string
  find(text: string): Iterable<Span>
}

/** In order: where two find the same, the first one's mark is taken. */
export const detectors: readonly Detector[] = [
  { mark: 'KEY', find: findKeys },
  { mark: 'EMAIL', find: findEmails },
  { mark: 'IBAN', find: findIbans },
  { mark: 'CARD', find: findCards },
  { mark: 'PHONE', find: findPhones },
]

/** The matches of a global pattern, or of its group `what`, where `accept` has nothing against them. */
function* matches(text: string, pattern: RegExp, accept: (match: string) => boolean = () => true): Iterable<Span> {
  for (const match of text.matchAll(pattern)) {
    const what = match.groups?.['what'] ?? match[0]
    // A group stands at the end of its pattern.
    const end = match.index + match[0].length
    if (accept(what)) yield [end - what.length, end]
  }
}

const privateKey = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/g

/** Keys that are known by how they begin: OpenAI and its like, Stripe, GitHub, GitLab, AWS, Google, Slack, Hugging Face, npm, ours. */
const prefixedKey = new RegExp(
  String.raw`(?<![A-Za-z0-9])(?:` + [
    String.raw`sk-[\w-]{16,}`,
    String.raw`[srp]k_(?:live|test)_\w{16,}`,
    String.raw`gh[pousr]_[A-Za-z0-9]{20,}`,
    String.raw`github_pat_\w{22,}`,
    String.raw`glpat-[\w-]{20,}`,
    String.raw`(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])`,
    String.raw`AIza[\w-]{35}`,
    String.raw`xox[abeprs]-[\w-]{10,}`,
    String.raw`hf_[A-Za-z0-9]{20,}`,
    String.raw`npm_[A-Za-z0-9]{36}`,
    String.raw`pt-[\w-]{40,}`,
  ].join('|') + ')',
  'g',
)

/** Header, payload and signature, of which the last may be empty. */
const webToken = /(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g
const bearerToken = /(?<!\w)bearer[ \t]{1,8}(?<what>[\w.~+/=-]{16,})/gi

function* findKeys(text: string): Iterable<Span> {
  yield* matches(text, privateKey)
  yield* matches(text, prefixedKey, (key) => /\d/.test(key) || key.length >= 32)
  yield* matches(text, webToken)
  yield* matches(text, bearerToken, (token) => /\d/.test(token))
}

const afterLocalPart = /@(?:[\p{L}\p{N}][\p{L}\p{N}-]{0,62}\.){1,8}\p{L}{2,24}(?![\p{L}\p{N}])/gu
const localPart = /[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]{1,64}$/u
/** Of the characters that may stand in a local part, those with which a text more often sets it off. */
const opening = /^[.!#$%&'*/=?^`{|}~-]+/

/** Found by its @, from which the local part reaches back. */
function* findEmails(text: string): Iterable<Span> {
  for (const { 0: domain, index } of text.matchAll(afterLocalPart)) {
    const before = localPart.exec(text.slice(Math.max(0, index - 64), index))?.[0] ?? ''
    const local = before.replace(opening, '')
    if (local !== '') yield [index - local.length, index + domain.length]
  }
}

/** Length of each country's account numbers (SWIFT's registry of IBAN formats). */
const ibanLengths: ReadonlyMap<string, number> = new Map(
  ('AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 ' +
    'FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 ' +
    'MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 ' +
    'SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30')
    .split(' ').map((entry): [string, number] => [entry.slice(0, 2), Number(entry.slice(2))]),
)

/** A country, two check digits, and characters as many as the country has, perhaps in groups. */
function* findIbans(text: string): Iterable<Span> {
  for (const { 0: start, index } of text.matchAll(/(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}/g)) {
    const length = ibanLengths.get(start.slice(0, 2).toUpperCase())
    if (length === undefined) continue
    let end = index
    let account = ''
    while (account.length < length && end < text.length) {
      const character = text[end]!
      if (/[A-Za-z0-9]/.test(character)) account += character
      else if (character !== ' ' || text[end - 1] === ' ') break
      end++
    }
    if (account.length === length && !/[A-Za-z0-9]/.test(text[end] ?? '') && ibanChecks(account)) yield [index, end]
  }
}

/** ISO 7064, MOD 97-10: the first four characters at the end, letters as 10 to 35. */
function ibanChecks(account: string): boolean {
  let remainder = 0
  for (const character of account.slice(4) + account.slice(0, 4)) {
    const value = parseInt(character, 36)
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97
  }
  return remainder === 1
}

/** What the large issuers' numbers begin with (ISO/IEC 7812), and how long they are. */
const issuers: readonly RegExp[] = [
  /^4\d{15}$/,
  /^(?:5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12})$/,
  /^3[47]\d{13}$/,
  /^(?:6011\d{12}|64[4-9]\d{13}|65\d{14})$/,
  /^3(?:0[0-5]|[68]\d)\d{11}$/,
  /^35(?:2[89]|[3-8]\d)\d{12}$/,
  /^62\d{14,17}$/,
]

/** Digits in groups: each group may be where a number begins, and each where it ends. */
function* findCards(text: string): Iterable<Span> {
  for (const { 0: run, index } of text.matchAll(/(?<![\w.]|\d[ -])\d(?:[ -]?\d){13,}(?!\w|\.\d)/g)) {
    const groups = [...run.matchAll(/\d+/g)]
    for (let first = 0; first < groups.length; first++) {
      const last = lastGroupOfCard(groups.slice(first, first + 19).map(([digits]) => digits))
      if (last === undefined) continue
      const start = groups[first]!
      first += last
      const end = groups[first]!
      yield [index + start.index, index + end.index + end[0].length]
    }
  }
}

/** With how many groups after the first a card's number is complete; undefined: with none. */
function lastGroupOfCard(groups: readonly string[]): number | undefined {
  let number = ''
  for (const [at, digits] of groups.entries()) {
    number += digits
    if (number.length > 19) return undefined
    if (issuers.some((issuer) => issuer.test(number)) && luhnChecks(number)) return at
  }
  return undefined
}

/** The check digit of ISO/IEC 7812-1, annex B: every second digit from the right doubled. */
function luhnChecks(number: string): boolean {
  let sum = 0
  for (let i = 0; i < number.length; i++) {
    const digit = Number(number[number.length - 1 - i])
    const doubled = digit * 2
    sum += i % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}

/** +49 (0)30 123456, +1-555-123-4567 */
const international = /(?<![\w+)\]])(?:\+|(?<![\w.-])00)[1-9](?:[ ./-]?[()]?[ ]?\d){7,16}(?![\w])/g
/** (555) 123-4567, 555-123-4567, 1-555-123-4567, 555.123.4567 */
const northAmerican = /(?<![\w.+-])(?:1[ .-])?(?:\([2-9]\d{2}\)[ -]?\d{3}[ .-]|[2-9]\d{2}([.-])\d{3}\1)\d{4}(?!\w|[.-]\d)/g
/** 030 1234567, (030) 123 45 67, 0171/1234567: the area or network with its 0, set off. */
const national = /(?<![\w.,+#/-]|\d )\(?0[1-9]\d{1,4}\)?[ /-]{1,3}\d{2,8}(?:[ -]\d{2,8}){0,4}(?!\w|[.,:/-]\d)/g
/** 06 12 34 56 78 */
const inPairs = /(?<![\w.,+#/-]|\d )0[1-9](?:([ .-])\d{2})(?:\1\d{2}){3}(?!\w|[.,:/-]\d)/g
/** Numbers of mobile networks that are written without a space: French, British, German. */
const mobile = /(?<![\w.,+#/-])0(?:[67]\d{8}|7\d{9}|1[567]\d{8,9})(?!\w|[.,:/-]\d)/g
/** Any number that is called one. */
const called = new RegExp(
  String.raw`(?<!\w)(?:phone|telephone|tel|mobile|cell|fax|call|whatsapp|telefon|mobil)` +
    String.raw`(?: (?:number|no|me|us|at|is|on))?(?: (?:at|is|on))?[.:#]{0,2}[ \t]{0,3}` +
    String.raw`(?<what>\(?\d(?:[ ().-]{0,2}\d){6,14})(?!\w|\.\d)`,
  'gi',
)

function* findPhones(text: string): Iterable<Span> {
  yield* matches(text, international, (number) => digitsOf(number) >= 9 && digitsOf(number) <= 17 && !isPlainZeros(number))
  yield* matches(text, northAmerican)
  yield* matches(text, national, (number) => digitsOf(number) >= 9 && digitsOf(number) <= 13 && !isDate(number))
  yield* matches(text, inPairs, (number) => !isDate(number))
  yield* matches(text, mobile)
  yield* matches(text, called, (number) => !isDate(number))
}

/** 00 without a space after it may be any number that is filled up with zeros. */
function isPlainZeros(number: string): boolean {
  return /^00\d+$/.test(number)
}

function digitsOf(text: string): number {
  return text.replaceAll(/\D/g, '').length
}

function isDate(text: string): boolean {
  return /^(?:\d{4}[./ -]\d{2}[./ -]\d{2}|\d{1,2}[./ -]\d{1,2}[./ -](?:19|20)\d{2})(?!\d)/.test(text)
}
