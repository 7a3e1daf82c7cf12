import { type Schema, Validator } from '@cfworker/json-schema'

export interface CreditRequest {
  /** A JSON schema, as JSON. */
  readonly schema: string
  readonly text: string
  readonly partial: boolean
}

/** Share of the credit for JSON that parses; the keys and the values get half of the rest each. */
const PARSED = 0.25
/** Of a value that stands in other text (an explanation, a code fence), this share of what it would be worth alone. */
const EMBEDDED = 0.5
/** The most that a value is worth which the schema does not allow. */
const INVALID = 0.9
/** Levels of lists and objects within each other; deeper JSON counts as none. */
const MAX_DEPTH = 100

type Json = Readonly<Record<string, unknown>>

/** What a text is worth under a JSON schema: all or nothing, or with credit for what is right about it. */
export class JsonCredit {
  readonly #schema: Schema
  readonly #validator: Validator

  constructor(schema: unknown) {
    this.#schema = schema as Schema
    this.#validator = new Validator(this.#schema, '2020-12', false)
  }

  /** The whole text is JSON, white space around it aside, and the schema allows it. */
  isValid(text: string): boolean {
    const parsed = parse(text)
    return parsed !== undefined && this.#validator.validate(parsed.value).valid
  }

  /**
   * From 0 to 1, so that reinforcement has a slope to climb: 0 without JSON; 0.25 for JSON; up to 0.375 more for the
   * share of the wanted keys that are there, and as much for the share whose values are right, 0.9 at most; 1 where all
   * is valid. A key that the schema does not allow counts as one more that is wanted and wrong. JSON that is only a part
   * of the text is worth half of that.
   */
  partial(text: string): number {
    const whole = parse(text)
    if (whole !== undefined) return this.#worth(whole.value)
    const part = embedded(text)
    return part === undefined ? 0 : EMBEDDED * this.#worth(part.value)
  }

  #worth(value: unknown): number {
    const { valid, errors } = this.#validator.validate(value)
    if (valid) return 1
    const wanted = this.#wantedKeys()
    if (wanted.length === 0 || !isObject(value)) return PARSED
    const isFaulty = (key: string) => errors.some(({ instanceLocation }) => isWithin(instanceLocation, key))
    const surplus = Object.keys(value).filter(key => !wanted.includes(key) && isFaulty(key))
    const present = wanted.filter(key => Object.hasOwn(value, key))
    const right = present.filter(key => !isFaulty(key))
    const all = wanted.length + surplus.length
    return Math.min(INVALID, PARSED + ((1 - PARSED) / 2) * (present.length / all + right.length / all))
  }

  /** The required properties; all that are described where none is required. */
  #wantedKeys(): string[] {
    if (!isObject(this.#schema)) return []
    const { required, properties } = this.#schema
    return required ?? Object.keys(properties ?? {})
  }
}

/** Whether a JSON pointer such as #/items/0 lies in the property `key` of the whole. */
function isWithin(pointer: string, key: string): boolean {
  const path = `#/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
  return pointer === path || pointer.startsWith(`${path}/`)
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    const value = JSON.parse(text) as unknown
    return isDeeperThan(MAX_DEPTH, value) ? undefined : { value }
  } catch {
    return undefined
  }
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some(inner => isDeeperThan(levels - 1, inner))
}

/** The object or list from the first bracket to the last of its kind. */
function embedded(text: string): { readonly value: unknown } | undefined {
  const start = text.search(/[[{]/)
  if (start === -1) return undefined
  const end = text.lastIndexOf(text[start] === '{' ? '}' : ']')
  return parse(text.slice(start, end + 1))
}
