/** Characters as the bytes of a JSON text: UTF-8, with escapes. */
import { byte, choice, literal, oneOf, repeat, sequence, type Range, type Regular } from './regular.ts'

export const lastCharacter = 0x10ffff
const surrogates: Range = [0xd800, 0xdfff]
/** Those that JSON has a letter for. */
const shortEscapes = new Map([[0x08, 'b'], [0x09, 't'], [0x0a, 'n'], [0x0c, 'f'], [0x0d, 'r'], [0x22, '"'], [0x5c, '\\']])

const digit = byte([0x30, 0x39])
const hex = choice(digit, byte([0x41, 0x46], [0x61, 0x66]))
const unicodeEscape = choice(
  sequence(literal('\\u'), choice(digit, oneOf('abcefABCEF')), repeat(hex, 3, 3)),
  sequence(literal('\\u'), oneOf('dD'), byte([0x30, 0x37]), repeat(hex, 2, 2)),
  sequence(literal('\\u'), oneOf('dD'), oneOf('89abAB'), repeat(hex, 2, 2), literal('\\u'), oneOf('dD'), oneOf('cdefCDEF'), repeat(hex, 2, 2)),
)

/** One character in a JSON string, in any of its spellings; half a surrogate pair is none. */
export const anyCharacter = choice(
  utf8([[0x20, 0x21], [0x23, 0x5b], [0x5d, lastCharacter]]),
  sequence(literal('\\'), oneOf('"\\/bfnrt')),
  unicodeEscape,
)

/** One character of these code points in a JSON string, in the spelling of JSON.stringify alone. */
export function characters(ranges: readonly Range[]): Regular {
  const escaped: Regular[] = []
  for (const [from, to] of ranges) {
    for (let point = from; point <= Math.min(to, 0x5c); point++) {
      const short = shortEscapes.get(point)
      if (short !== undefined) escaped.push(literal(`\\${short}`))
      else if (point < 0x20) escaped.push(literal(`\\u${point.toString(16).padStart(4, '0')}`))
    }
  }
  return choice(utf8(overlap(ranges, [[0x20, 0x21], [0x23, 0x5b], [0x5d, lastCharacter]])), ...escaped)
}

/** The code points that both have. */
export function overlap(a: readonly Range[], b: readonly Range[]): Range[] {
  return a.flatMap(([from, to]) => b.map(([start, end]): Range => [Math.max(from, start), Math.min(to, end)])).filter(([from, to]) => from <= to)
}

/** All other code points. */
export function complement(ranges: readonly Range[]): Range[] {
  const gaps: Range[] = []
  let start = 0
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (from > start) gaps.push([start, from - 1])
    start = Math.max(start, to + 1)
  }
  return start > lastCharacter ? gaps : [...gaps, [start, lastCharacter]]
}

/** The UTF-8 bytes of one of these code points. */
export function utf8(ranges: readonly Range[]): Regular {
  return choice(...overlap(ranges, complement([surrogates])).flatMap((range) => byLength(range)).map(([from, to]) => byteRanges(encode(from), encode(to))))
}

/** Cut where the encoding gets longer. */
function byLength(range: Range): Range[] {
  return overlap([range], [[0, 0x7f], [0x80, 0x7ff], [0x800, 0xffff], [0x10000, lastCharacter]])
}

function encode(point: number): number[] {
  return [...Buffer.from(String.fromCodePoint(point))]
}

/** All encodings from `low` to `high`, which are of equal length. */
function byteRanges([low, ...lows]: readonly number[], [high, ...highs]: readonly number[]): Regular {
  if (lows.length === 0) return byte([low!, high!])
  if (low === high) return sequence(byte([low!, low!]), byteRanges(lows, highs))
  const least = lows.map(() => 0x80)
  const most = lows.map(() => 0xbf)
  const first = lows.every((value) => value === 0x80) ? low! : low! + 1
  const last = highs.every((value) => value === 0xbf) ? high! : high! - 1
  return choice(
    ...(first > low! ? [sequence(byte([low!, low!]), byteRanges(lows, most))] : []),
    ...(first <= last ? [sequence(byte([first, last]), byteRanges(least, most))] : []),
    ...(last < high! ? [sequence(byte([high!, high!]), byteRanges(least, highs))] : []),
  )
}
