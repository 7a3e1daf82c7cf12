/**
 * Numbers of a range as decimal digits. At most 15 digits where a range has to be kept: two such decimals that differ are
 * different doubles, so that what holds for the digits holds for the number.
 */
import { determinize, Dfa, intersect } from './dfa.ts'
import { byte, choice, empty, literal, oneOf, optional, repeat, sequence, type Regular } from './regular.ts'

export interface NumberLimits {
  readonly minimum?: number | undefined
  readonly exclusiveMinimum?: number | undefined
  readonly maximum?: number | undefined
  readonly exclusiveMaximum?: number | undefined
  /** A whole number from 1 to 1000. */
  readonly multipleOf?: number | undefined
}

const maxDigits = 15
const digit = byte([0x30, 0x39])
const minus = literal('-')
const natural = choice(literal('0'), sequence(byte([0x31, 0x39]), repeat(digit, 0, maxDigits - 1)))
const fraction = sequence(literal('.'), repeat(digit, 1, maxDigits))
const exponent = sequence(oneOf('eE'), optional(oneOf('+-')), repeat(digit, 1, 2))
const magnitude = sequence(natural, optional(fraction))

const anyInteger = determinize(choice(literal('0'), sequence(optional(minus), byte([0x31, 0x39]), repeat(digit, 0, maxDigits - 1))))
const anyNumber = determinize(sequence(optional(minus), magnitude, optional(exponent)))
/** Decimals of at most 15 digits, without an exponent. */
const shortDecimal = determinize(sequence(optional(minus), choice(
  repeat(digit, 1, maxDigits),
  ...Array.from({ length: maxDigits - 1 }, (_, i) => sequence(repeat(digit, i + 1, i + 1), literal('.'), repeat(digit, 1, maxDigits - 1 - i))),
)))

/** The numbers within the limits, all of them whole where `integer` is set. @throws FormatTooLarge */
export function numbers(integer: boolean, limits: NumberLimits): Dfa {
  const { multipleOf = 1 } = limits
  const isWhole = integer || limits.multipleOf !== undefined
  const ranges = rangesOf(limits)
  const start = isWhole ? anyInteger : ranges.length > 0 ? shortDecimal : anyNumber
  const bounded = ranges.reduce((language, range) => intersect(language, determinize(range)), start)
  return multipleOf === 1 ? bounded : intersect(bounded, multiples(multipleOf))
}

function rangesOf({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: NumberLimits): Regular[] {
  return [
    ...(minimum === undefined ? [] : [atLeast(minimum, false)]),
    ...(exclusiveMinimum === undefined ? [] : [atLeast(exclusiveMinimum, true)]),
    ...(maximum === undefined ? [] : [atMost(maximum, false)]),
    ...(exclusiveMaximum === undefined ? [] : [atMost(exclusiveMaximum, true)]),
  ]
}

function atLeast(bound: number, strictly: boolean): Regular {
  const limit = plain(Math.abs(bound))
  return bound >= 0 ? magnitudeAtLeast(limit, strictly) : choice(magnitude, sequence(minus, magnitudeAtMost(limit, strictly)))
}

function atMost(bound: number, strictly: boolean): Regular {
  const limit = plain(Math.abs(bound))
  if (bound < 0 || (bound === 0 && strictly)) return sequence(minus, magnitudeAtLeast(limit, strictly))
  return choice(sequence(minus, magnitude), magnitudeAtMost(limit, strictly))
}

/** Digits before and behind the point, the latter without zeros at their end. */
interface Plain {
  readonly whole: string
  readonly fraction: string
}

/** A number of at least 0 without an exponent. */
function plain(value: number): Plain {
  const [digits = '', exponent = ''] = value.toExponential().split('e')
  const figures = digits.replace('.', '')
  const point = Number(exponent) + 1
  const whole = point <= 0 ? '0' : figures.slice(0, point).padEnd(point, '0')
  const fraction = point <= 0 ? '0'.repeat(-point) + figures : figures.slice(point)
  return { whole, fraction: fraction.replace(/0+$/, '') }
}

function magnitudeAtLeast({ whole, fraction }: Plain, strictly: boolean): Regular {
  return choice(
    sequence(naturalAbove(whole), optional(fractionOf(repeat(digit, 1)))),
    sequence(literal(whole), fractionAtLeast(fraction, strictly)),
  )
}

function magnitudeAtMost({ whole, fraction }: Plain, strictly: boolean): Regular {
  return choice(
    sequence(naturalBelow(whole), optional(fractionOf(repeat(digit, 1)))),
    sequence(literal(whole), fractionAtMost(fraction, strictly)),
  )
}

function fractionOf(digits: Regular): Regular {
  return sequence(literal('.'), digits)
}

function fractionAtLeast(bound: string, strictly: boolean): Regular {
  if (bound === '' && !strictly) return optional(fractionOf(repeat(digit, 1)))
  return fractionOf(digitsAtLeast(bound, strictly))
}

/** Digits behind the point that are at least `bound`. */
function digitsAtLeast(bound: string, strictly: boolean): Regular {
  if (bound === '') return strictly ? sequence(repeat(literal('0'), 0), byte([0x31, 0x39]), repeat(digit, 0)) : repeat(digit, 0)
  return choice(
    sequence(literal(bound[0]!), digitsAtLeast(bound.slice(1), strictly)),
    sequence(digitAbove(bound[0]!), repeat(digit, 0)),
  )
}

function fractionAtMost(bound: string, strictly: boolean): Regular {
  if (bound === '') return strictly ? choice() : optional(fractionOf(repeat(literal('0'), 1)))
  const [first, rest] = [bound[0]!, bound.slice(1)]
  return optional(fractionOf(choice(
    sequence(literal(first), digitsAtMost(rest, strictly)),
    sequence(digitBelow(first), repeat(digit, 0)),
  )))
}

function digitsAtMost(bound: string, strictly: boolean): Regular {
  if (bound === '') return strictly ? choice() : repeat(literal('0'), 0)
  return choice(
    empty,
    sequence(literal(bound[0]!), digitsAtMost(bound.slice(1), strictly)),
    sequence(digitBelow(bound[0]!), repeat(digit, 0)),
  )
}

/** Natural numbers above one, without leading zeros. */
function naturalAbove(bound: string): Regular {
  const longer = sequence(byte([0x31, 0x39]), repeat(digit, bound.length, Math.max(bound.length, maxDigits - 1)))
  return choice(longer, ...Array.from(bound, (figure, i) =>
    sequence(literal(bound.slice(0, i)), digitAbove(figure), exactly(bound.length - 1 - i))))
}

function naturalBelow(bound: string): Regular {
  const shorter = Array.from({ length: bound.length - 1 }, (_, i) => (i === 0 ? digit : sequence(byte([0x31, 0x39]), exactly(i))))
  return choice(...shorter, ...Array.from(bound, (figure, i) =>
    sequence(literal(bound.slice(0, i)), i === 0 && bound.length > 1 ? digitBelow(figure, 0x31) : digitBelow(figure), exactly(bound.length - 1 - i))))
}

function exactly(count: number): Regular {
  return repeat(digit, count, count)
}

function digitAbove(figure: string): Regular {
  return figure === '9' ? choice() : byte([figure.charCodeAt(0) + 1, 0x39])
}

function digitBelow(figure: string, least = 0x30): Regular {
  return figure.charCodeAt(0) <= least ? choice() : byte([least, figure.charCodeAt(0) - 1])
}

/** Digits, with a sign or without, of a number that `divisor` divides: a state for each remainder, and one for a sign. */
function multiples(divisor: number): Dfa {
  const bytes = 256
  const [start, signed] = [0, divisor + 1]
  const next = new Int16Array((divisor + 2) * bytes).fill(-1)
  const remainder = (state: number): number => (state === start || state === signed ? 0 : state - 1)
  for (let state = 0; state < divisor + 2; state++) {
    for (let figure = 0; figure <= 9; figure++) next[state * bytes + 0x30 + figure] = 1 + ((remainder(state) * 10 + figure) % divisor)
  }
  next[start * bytes + 0x2d] = signed
  return new Dfa(next, Uint8Array.from({ length: divisor + 2 }, (_, state) => Number(state === 1)))
}
