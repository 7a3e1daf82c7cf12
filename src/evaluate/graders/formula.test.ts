import assert from 'node:assert/strict'
import { test } from 'node:test'

import { UserError } from '../../errors.ts'
import { Random } from '../../random.ts'
import { parseFormula } from './formula.ts'

const values = { a: 3, b: 0.5, c: -2 }
const names = Object.keys(values)
const valueOf = (text: string) => parseFormula(text, names, 'formula').evaluate(values)
const fault = (text: string, message: RegExp) => {
  assert.throws(() => parseFormula(text, names, 'formula'), error => {
    assert.ok(error instanceof UserError)
    assert.equal(error.exitCode, 2)
    assert.match(error.message, message)
    return true
  })
}

/** A tree with its value worked out without a parser. */
interface Tree {
  readonly text: string
  readonly value: number
}

const operators: readonly (readonly [string, (a: number, b: number) => number])[] = [
  ['+', (a, b) => a + b], ['-', (a, b) => a - b], ['*', (a, b) => a * b], ['/', (a, b) => a / b], ['^', (a, b) => a ** b],
]
const functions: readonly (readonly [string, (a: number) => number])[] = [
  ['abs', Math.abs], ['floor', Math.floor], ['ceil', Math.ceil], ['exp', Math.exp], ['sqrt', Math.sqrt], ['log', Math.log],
]

/** A random formula in which parentheses around every operation leave nothing to binding. */
function randomTree(random: Random, depth: number): Tree {
  const space = ' '.repeat(random.below(2))
  const choice = depth === 0 ? random.below(2) : random.below(6)
  if (choice === 0) {
    const number = random.below(1000) / 100
    return { text: `${space}${number}`, value: number }
  }
  if (choice === 1) {
    const [name, value] = Object.entries(values)[random.below(names.length)]!
    return { text: `${name}${space}`, value }
  }
  const left = randomTree(random, depth - 1)
  if (choice === 2) return { text: `(-${space}${left.text})`, value: -left.value }
  if (choice === 3) {
    const [name, call] = functions[random.below(functions.length)]!
    return { text: `${name}${space}(${left.text})`, value: call(left.value) }
  }
  const right = randomTree(random, depth - 1)
  if (choice === 4) return { text: `max(${left.text},${right.text}, ${left.text})`, value: Math.max(left.value, right.value) }
  const [symbol, call] = operators[random.below(operators.length)]!
  return { text: `(${left.text}${space}${symbol}${space}${right.text})`, value: call(left.value, right.value) }
}

test('random formulas have the value of the tree that they were written from', () => {
  const random = new Random(7)
  for (let i = 0; i < 2_000; i++) {
    const { text, value } = randomTree(random, 5)
    if (text.length > 2_000) continue
    assert.ok(Object.is(valueOf(text), value) || valueOf(text) === value, `${text}: ${valueOf(text)}, not ${value}`)
  }
})

test('without parentheses operators bind as JavaScript binds them, and ^ before the sign', () => {
  const random = new Random(8)
  for (let i = 0; i < 500; i++) {
    const operands = Array.from({ length: 6 }, () => 1 + random.below(9))
    const symbols = Array.from({ length: 5 }, () => '+-*/'[random.below(4)]!)
    const text = operands.map((operand, k) => `${operand}${symbols[k] ?? ''}`).join('')
    assert.equal(valueOf(text), inTwoPasses(operands, symbols), text)
  }
  const cases: Readonly<Record<string, number>> = {
    '2 ^ 3 ^ 2': 512, '-2 ^ 2': -4, '2 ^ -1': 0.5, '2 * -3': -6, '--2': 2, '1 - -1': 2, '+a': 3,
    '-a ^ 2 * 2': -18, '.5e1 + 1.': 6, '0.7 * a + 0.3 * b': 0.7 * 3 + 0.3 * 0.5, 'min(a, b, c)': -2, 'min(a)': 3,
  }
  for (const [text, value] of Object.entries(cases)) assert.equal(valueOf(text), value, text)
})

/** Products first, then sums, both from the left. */
function inTwoPasses(operands: readonly number[], symbols: readonly string[]): number {
  const terms: { sign: 1 | -1; value: number }[] = [{ sign: 1, value: operands[0]! }]
  for (const [k, symbol] of symbols.entries()) {
    const operand = operands[k + 1]!
    const last = terms.at(-1)!
    if (symbol === '*') last.value *= operand
    else if (symbol === '/') last.value /= operand
    else terms.push({ sign: symbol === '+' ? 1 : -1, value: operand })
  }
  return terms.reduce((sum, { sign, value }) => sum + sign * value, 0)
}

test('random characters are a formula or a UserError, never anything else', () => {
  const random = new Random(9)
  const characters = ['a', 'b', 'min', '(', ')', ',', '+', '-', '*', '/', '^', '1', '.', 'e', ' ', '[', '"', '`', '${', 'é', '\n']
  let parsed = 0
  for (let i = 0; i < 5_000; i++) {
    const text = Array.from({ length: 1 + random.below(8) }, () => characters[random.below(characters.length)]!).join('')
    try {
      assert.equal(typeof valueOf(text), 'number')
      parsed++
    } catch (error) {
      assert.ok(error instanceof UserError, `${text}: ${String(error)}`)
    }
  }
  assert.ok(parsed > 100)
})

test('what is not a formula is refused, with its place', () => {
  fault('', /there should be a number, a grader or "\(", but there is the end \(character 1/)
  fault('a +', /but there is the end \(character 4/)
  fault('a b', /there should be an operator, but there is "b" \(character 3/)
  fault('(a', /there should be "\)"/)
  fault('a))', /there should be an operator, but there is "\)"/)
  fault('min()', /there should be a number, a grader or "\("/)
  fault('abs(a, b)', /abs takes one value, not 2 \(character 1/)
  fault('a; b', /";" has no meaning in a formula \(character 2/)
  fault('a ** b', /there should be a number/)
  fault('abs', /abs is a function: write abs\(…\)/)
})

test('an unknown name is an error with the nearest known one', () => {
  assert.throws(() => parseFormula('0.5 * stlye', ['style', 'length'], 'grader.calculate_output'), {
    message: 'grader.calculate_output: there is no grader "stlye"; did you mean "style"? (character 7 of "0.5 * stlye")',
  })
  fault('zzzzzzzz', /there is no grader "zzzzzzzz"; graders: a, b, c/)
  fault('sin(a)', /there is no function "sin"; did you mean "min"\?/)
})

test('a formula reaches nothing but graders and functions', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'globalThis', 'process', 'Math', 'values']) {
    fault(name, new RegExp(`there is no grader "${name}"`))
    fault(`${name}(a)`, new RegExp(`there is no function "${name}"`))
  }
  fault('a.constructor', /"\." has no meaning/)
  fault('a["x"]', /"\[" has no meaning/)
  fault('(()=>1)()', /there should be a number/)
  fault('import("node:fs")', /has no meaning|no function/)
})

test('long and deep formulas are refused before they can exhaust anything', () => {
  fault('('.repeat(1_999), /nested more than 64 deep/)
  fault(`${'-'.repeat(200)}1`, /nested more than 64 deep/)
  fault(`1${'^1'.repeat(500)}`, /nested more than 64 deep/)
  fault('1'.repeat(2_001), /longer than 2000 characters/)
  assert.equal(valueOf(`1${'+1'.repeat(999)}`), 1_000)
})

test('division by zero and the logarithm of nothing are not finite', () => {
  for (const text of ['1 / 0', 'log(0)', 'sqrt(c)', '0 / 0', '10 ^ 1000']) assert.ok(!Number.isFinite(valueOf(text)), text)
})
