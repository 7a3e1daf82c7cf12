import { nearest, UserError } from '../../errors.ts'

/** A formula over named numbers, such as `0.7 * style + 0.3 * min(1, length / 2)`. */
export interface Formula {
  /** The names that it uses. */
  readonly names: readonly string[]
  /** Its value; not finite where it divides by zero or takes the logarithm of nothing. */
  evaluate(values: Readonly<Record<string, number>>): number
}

type Expression = (values: Readonly<Record<string, number>>) => number

/** A formula is at most this long; more is no formula that a person wrote. */
const MAX_LENGTH = 2_000
/** Parentheses, signs and powers within each other. */
const MAX_DEPTH = 64

const functions: ReadonlyMap<string, { readonly call: (...values: number[]) => number; readonly arity: 1 | 'some' }> = new Map([
  ['min', { call: Math.min, arity: 'some' }],
  ['max', { call: Math.max, arity: 'some' }],
  ['abs', { call: Math.abs, arity: 1 }],
  ['floor', { call: Math.floor, arity: 1 }],
  ['ceil', { call: Math.ceil, arity: 1 }],
  ['exp', { call: Math.exp, arity: 1 }],
  ['sqrt', { call: Math.sqrt, arity: 1 }],
  ['log', { call: Math.log, arity: 1 }],
])

/**
 * Parses a formula: numbers, the names in `known`, + - * / ^, parentheses, and min max abs floor ceil exp sqrt log.
 * ^ binds strongest and to the right, then the sign: -2 ^ 2 is -4. It is never evaluated as code.
 * Throws a UserError with the place of the fault, and the nearest name for one that is not known.
 */
export function parseFormula(text: string, known: readonly string[], place: string): Formula {
  return new Parser(text, known, place).parse()
}

const tokenPattern = /\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|([-+*/^(),]))/y

interface Token {
  readonly kind: 'number' | 'name' | 'symbol' | 'end'
  readonly text: string
  /** Its place in the formula. */
  readonly at: number
}

/** By recursive descent, a method for each level of binding. */
class Parser {
  readonly #text: string
  readonly #known: ReadonlySet<string>
  readonly #place: string
  readonly #names = new Set<string>()
  #token: Token
  #at = 0
  #depth = 0

  constructor(text: string, known: readonly string[], place: string) {
    this.#text = text
    this.#known = new Set(known)
    this.#place = place
    if (text.length > MAX_LENGTH) throw new UserError(`${place}: the formula is longer than ${MAX_LENGTH} characters.`, { exitCode: 2 })
    this.#token = this.#next()
  }

  parse(): Formula {
    const evaluate = this.#sum()
    if (this.#token.kind !== 'end') throw this.#unexpected('an operator')
    return { names: [...this.#names], evaluate }
  }

  #sum(): Expression {
    let left = this.#product()
    for (let symbol = this.#takeOne('+-'); symbol !== undefined; symbol = this.#takeOne('+-')) {
      left = combine(symbol, left, this.#product())
    }
    return left
  }

  #product(): Expression {
    let left = this.#sign()
    for (let symbol = this.#takeOne('*/'); symbol !== undefined; symbol = this.#takeOne('*/')) {
      left = combine(symbol, left, this.#sign())
    }
    return left
  }

  #sign(): Expression {
    const symbol = this.#takeOne('+-')
    if (symbol === undefined) return this.#power()
    const operand = this.#deeper(() => this.#sign())
    return symbol === '+' ? operand : values => -operand(values)
  }

  #power(): Expression {
    const base = this.#operand()
    if (this.#takeOne('^') === undefined) return base
    return combine('^', base, this.#deeper(() => this.#sign()))
  }

  #operand(): Expression {
    const token = this.#token
    if (token.kind === 'number') {
      this.#token = this.#next()
      const value = Number(token.text)
      return () => value
    }
    if (token.kind === 'name') {
      this.#token = this.#next()
      return this.#takeOne('(') === undefined ? this.#grader(token.text, token.at) : this.#call(token.text, token.at)
    }
    if (this.#takeOne('(') === undefined) throw this.#unexpected('a number, a grader or "("')
    const inner = this.#deeper(() => this.#sum())
    this.#expectClose()
    return inner
  }

  #grader(name: string, at: number): Expression {
    if (!this.#known.has(name)) {
      const hint = functions.has(name) ? `${name} is a function: write ${name}(…)` : this.#nearest(name, this.#known, 'graders')
      throw this.#fault(`there is no grader "${name}"; ${hint}`, at)
    }
    this.#names.add(name)
    return values => values[name]!
  }

  #call(name: string, at: number): Expression {
    const known = functions.get(name)
    if (known === undefined) throw this.#fault(`there is no function "${name}"; ${this.#nearest(name, functions.keys(), 'functions')}`, at)
    const values = [this.#deeper(() => this.#sum())]
    while (this.#takeOne(',') !== undefined) values.push(this.#deeper(() => this.#sum()))
    this.#expectClose()
    if (known.arity === 1 && values.length > 1) throw this.#fault(`${name} takes one value, not ${values.length}`, at)
    return scope => known.call(...values.map(value => value(scope)))
  }

  #nearest(name: string, among: Iterable<string>, what: string): string {
    const all = [...among]
    const slip = nearest(name, all)
    return slip === undefined ? `${what}: ${all.join(', ')}` : `did you mean "${slip}"?`
  }

  #deeper(parse: () => Expression): Expression {
    if (++this.#depth > MAX_DEPTH) throw this.#fault(`the formula is nested more than ${MAX_DEPTH} deep`, this.#token.at)
    const expression = parse()
    this.#depth--
    return expression
  }

  #expectClose(): void {
    if (this.#takeOne(')') === undefined) throw this.#unexpected('")"')
  }

  /** Moves past the token if it is one of these characters, and says which. */
  #takeOne(symbols: string): string | undefined {
    const { kind, text } = this.#token
    if (kind !== 'symbol' || !symbols.includes(text)) return undefined
    this.#token = this.#next()
    return text
  }

  #next(): Token {
    tokenPattern.lastIndex = this.#at
    const match = tokenPattern.exec(this.#text)
    if (match === null) {
      const rest = this.#text.slice(this.#at).trimStart()
      const at = this.#text.length - rest.length
      if (rest === '') return { kind: 'end', text: 'the end', at }
      throw this.#fault(`${JSON.stringify([...rest][0])} has no meaning in a formula`, at)
    }
    this.#at = tokenPattern.lastIndex
    const [, number, name, symbol = ''] = match
    const text = number ?? name ?? symbol
    return { kind: number !== undefined ? 'number' : name !== undefined ? 'name' : 'symbol', text, at: this.#at - text.length }
  }

  #unexpected(wanted: string): UserError {
    const { kind, text, at } = this.#token
    return this.#fault(`there should be ${wanted}, but there is ${kind === 'end' ? text : `"${text}"`}`, at)
  }

  #fault(message: string, at: number): UserError {
    return new UserError(`${this.#place}: ${message} (character ${at + 1} of "${shorten(this.#text)}")`, { exitCode: 2 })
  }
}

function combine(symbol: string, left: Expression, right: Expression): Expression {
  switch (symbol) {
    case '+': return values => left(values) + right(values)
    case '-': return values => left(values) - right(values)
    case '*': return values => left(values) * right(values)
    case '/': return values => left(values) / right(values)
    default: return values => left(values) ** right(values)
  }
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
