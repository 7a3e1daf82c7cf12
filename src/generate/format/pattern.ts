/** The regular expressions of JSON Schema's `pattern` (ECMAScript with the flag u) as the language that they match. */
import { anyCharacter, characters, complement, lastCharacter } from './characters.ts'
import { determinize, intersect, subtract, type Dfa } from './dfa.ts'
import { choice, empty, FormatTooLarge, repeat, sequence, type Range, type Regular } from './regular.ts'

/** A part of a pattern that is no regular language, or that nobody needs. */
export class UnsupportedPattern extends Error {}

const lineEnds: Range[] = [[0x0a, 0x0a], [0x0d, 0x0d], [0x2028, 0x2029]]
const digits: Range[] = [[0x30, 0x39]]
const wordCharacters: Range[] = [...digits, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]]
const spaces: Range[] = [
  [0x09, 0x0d], [0x20, 0x20], [0xa0, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f, 0x202f], [0x205f, 0x205f],
  [0x3000, 0x3000], [0xfeff, 0xfeff],
]
const classes = new Map<string, readonly Range[]>([['d', digits], ['w', wordCharacters], ['s', spaces]])
const controls = new Map([['t', 0x09], ['n', 0x0a], ['v', 0x0b], ['f', 0x0c], ['r', 0x0d], ['0', 0x00]])

const maxRepeat = 1000
const maxDepth = 64

/**
 * The texts that a pattern matches, as the characters of a JSON string without its quotes.
 * @throws UnsupportedPattern, FormatTooLarge, or a SyntaxError where it is no regular expression
 */
export function patternLanguage(pattern: string): Dfa {
  new RegExp(pattern, 'u')
  const { body, ahead } = new PatternParser(pattern).parse()
  return ahead.reduce((language, { text, isForbidden }) => (isForbidden ? subtract : intersect)(language, determinize(text)), determinize(body))
}

/** What a look-ahead at a pattern's beginning says of the whole text. */
interface LookAhead {
  readonly text: Regular
  readonly isForbidden: boolean
}

/** Recursive descent over a pattern that is known to be valid. */
class PatternParser {
  readonly #points: readonly string[]
  #at = 0
  #depth = 0

  constructor(pattern: string) {
    this.#points = Array.from(pattern)
  }

  parse(): { body: Regular; ahead: readonly LookAhead[] } {
    const options: Regular[] = []
    const ahead: LookAhead[] = []
    do {
      const anchored = this.#skip('^')
      if (anchored && options.length === 0) ahead.push(...this.#lookAheads())
      const body = this.#sequence()
      options.push(sequence(anchored ? empty : anything, body, this.#rest()))
    } while (this.#skip('|'))
    if (this.#at < this.#points.length) throw new UnsupportedPattern(`"${this.#points[this.#at]!}" in its middle`)
    if (ahead.length > 0 && options.length > 1) throw new UnsupportedPattern('a look-around in one of several alternatives')
    return { body: choice(...options), ahead }
  }

  #lookAheads(): LookAhead[] {
    const found: LookAhead[] = []
    while (this.#points[this.#at] === '(' && this.#points[this.#at + 1] === '?' && '=!'.includes(this.#points[this.#at + 2]!)) {
      const isForbidden = this.#points[this.#at + 2] === '!'
      this.#at += 3
      const text = sequence(this.#alternatives(), this.#rest())
      if (!this.#skip(')')) throw new UnsupportedPattern('"$" that does not end it')
      found.push({ text, isForbidden })
    }
    return found
  }

  /** What may follow a match. */
  #rest(): Regular {
    return this.#skip('$') ? empty : anything
  }

  #alternatives(): Regular {
    if (++this.#depth > maxDepth) throw new FormatTooLarge(`its groups are nested deeper than ${maxDepth}`)
    const options = [this.#sequence()]
    while (this.#skip('|')) options.push(this.#sequence())
    this.#depth--
    return choice(...options)
  }

  #sequence(): Regular {
    const parts: Regular[] = []
    while (this.#at < this.#points.length && !'|)$'.includes(this.#points[this.#at]!)) parts.push(this.#quantified(this.#atom()))
    return sequence(...parts)
  }

  #quantified(atom: Regular): Regular {
    const bounds = this.#bounds()
    if (bounds === undefined) return atom
    this.#skip('?')
    const [min, max] = bounds
    if (min > maxRepeat || (max !== Infinity && max > maxRepeat)) throw new FormatTooLarge(`it repeats more than ${maxRepeat} times`)
    return repeat(atom, min, max)
  }

  #bounds(): [number, number] | undefined {
    if (this.#skip('*')) return [0, Infinity]
    if (this.#skip('+')) return [1, Infinity]
    if (this.#skip('?')) return [0, 1]
    if (!this.#skip('{')) return undefined
    const [min, max] = this.#until('}').split(',')
    if (max === undefined) return [Number(min), Number(min)]
    return [Number(min), max === '' ? Infinity : Number(max)]
  }

  #atom(): Regular {
    const point = this.#points[this.#at++]!
    if (point === '(') return this.#group()
    if (point === '[') return characters(this.#class())
    if (point === '.') return characters(complement(lineEnds))
    if (point === '^') throw new UnsupportedPattern('"^" that does not begin it')
    if (point === '\\') return characters(this.#escape())
    return characters([single(point)])
  }

  #group(): Regular {
    if (this.#skip('?')) {
      const kind = this.#points[this.#at++]!
      if (kind === '<' && !'=!'.includes(this.#points[this.#at]!)) this.#until('>')
      else if (kind !== ':') throw new UnsupportedPattern(`a look-around or modifier "(?${kind}"`)
    }
    const inner = this.#alternatives()
    if (!this.#skip(')')) throw new UnsupportedPattern('"$" that does not end it')
    return inner
  }

  /** What stands in brackets. */
  #class(): readonly Range[] {
    const negated = this.#skip('^')
    const ranges: Range[] = []
    while (!this.#skip(']')) {
      const from = this.#classAtom()
      const isRange = this.#points[this.#at] === '-' && this.#points[this.#at + 1] !== ']'
      if (!isRange) {
        ranges.push(...from)
        continue
      }
      this.#at++
      ranges.push([from[0]![0], this.#classAtom()[0]![1]])
    }
    return negated ? complement(ranges) : ranges
  }

  #classAtom(): readonly Range[] {
    const point = this.#points[this.#at++]!
    if (point !== '\\') return [single(point)]
    if (this.#skip('b')) return [[0x08, 0x08]]
    return this.#escape()
  }

  #escape(): readonly Range[] {
    const letter = this.#points[this.#at++]!
    const named = classes.get(letter.toLowerCase())
    if (named !== undefined) return letter === letter.toLowerCase() ? named : complement(named)
    const control = controls.get(letter)
    if (control !== undefined) return [[control, control]]
    if (letter === 'x') return [this.#hex(2)]
    if (letter === 'u') return [this.#unicode()]
    if (letter === 'c') return [[this.#points[this.#at]!.charCodeAt(0) % 32, this.#points[this.#at++]!.charCodeAt(0) % 32]]
    if (letter === 'p' || letter === 'P') return property(`\\${letter}${this.#points[this.#at]!}${this.#until('}').slice(1)}}`)
    if (/[bBk1-9]/.test(letter)) throw new UnsupportedPattern(`"\\${letter}"`)
    return [single(letter)]
  }

  #unicode(): Range {
    if (this.#skip('{')) {
      const point = parseInt(this.#until('}'), 16)
      return [point, point]
    }
    const [high] = this.#hex(4)
    const isPair = high >= 0xd800 && high <= 0xdbff && this.#points[this.#at] === '\\' && this.#points[this.#at + 1] === 'u'
    if (!isPair) return [high, high]
    this.#at += 2
    const point = 0x10000 + ((high - 0xd800) << 10) + this.#hex(4)[0] - 0xdc00
    return [point, point]
  }

  #hex(length: number): Range {
    const point = parseInt(this.#points.slice(this.#at, this.#at + length).join(''), 16)
    this.#at += length
    return [point, point]
  }

  #until(end: string): string {
    const start = this.#at
    while (this.#points[this.#at] !== end) this.#at++
    return this.#points.slice(start, this.#at++).join('')
  }

  #skip(point: string): boolean {
    if (this.#points[this.#at] !== point) return false
    this.#at++
    return true
  }
}

/** Of whatever stands before or behind a match, every spelling is a match. */
const anything = repeat(anyCharacter, 0)

const properties = new Map<string, readonly Range[]>()

/** The code points of a Unicode property escape, as this JavaScript engine knows them. */
function property(escape: string): readonly Range[] {
  const known = properties.get(escape)
  if (known !== undefined) return known
  const expression = new RegExp(escape, 'u')
  const ranges: Range[] = []
  let start = -1
  for (let point = 0; point <= lastCharacter + 1; point++) {
    const belongs = point <= lastCharacter && expression.test(String.fromCodePoint(point))
    if (belongs && start < 0) start = point
    if (belongs || start < 0) continue
    ranges.push([start, point - 1])
    start = -1
  }
  properties.set(escape, ranges)
  return ranges
}

function single(character: string): Range {
  const point = character.codePointAt(0)!
  return [point, point]
}
