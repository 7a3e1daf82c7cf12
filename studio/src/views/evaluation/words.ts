/** What differs between two answers, word by word. */

export interface Piece {
  readonly text: string
  /** Whether the other answer does not have it here. */
  readonly changed: boolean
}

export interface WordDifference {
  readonly before: readonly Piece[]
  readonly after: readonly Piece[]
  /** How much of both is common, by words: 1 where they are equal. */
  readonly likeness: number
}

/** Answers with more words than this beyond their common beginning and end are not compared: the table would be too large. */
const most = 2000

const segmenter = new Intl.Segmenter('en', { granularity: 'word' })

/**
 * The longest common subsequence of the words of two texts, by dynamic programming after their common beginning and end. Words are those of
 * Unicode's rules, so that texts without spaces have some too; spaces and punctuation are pieces of their own.
 */
export function wordDifference(before: string, after: string): WordDifference {
  const a = wordsOf(before)
  const b = wordsOf(after)
  const start = commonLength(a, b, (words, i) => words[i])
  const end = commonLength(a.slice(start), b.slice(start), (words, i) => words[words.length - 1 - i])
  const [middleA, middleB] = [a.slice(start, a.length - end), b.slice(start, b.length - end)]
  const common = middleA.length > most || middleB.length > most ? [] : longestCommon(middleA, middleB)

  const [inA, inB] = [new Set(common.map(([i]) => start + i)), new Set(common.map(([, j]) => start + j))]
  const isCommon = (place: number, length: number, found: ReadonlySet<number>): boolean => place < start || place >= length - end || found.has(place)
  const words = (all: readonly string[]): number => all.filter(isWord).length
  const shared = words(a.filter((_, i) => isCommon(i, a.length, inA)))
  const total = words(a) + words(b)
  return {
    before: piecesOf(a, (i) => isCommon(i, a.length, inA)),
    after: piecesOf(b, (i) => isCommon(i, b.length, inB)),
    likeness: total === 0 ? 1 : (2 * shared) / total,
  }
}

function wordsOf(text: string): readonly string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment)
}

function isWord(segment: string): boolean {
  return /[\p{L}\p{N}]/u.test(segment)
}

function commonLength(a: readonly string[], b: readonly string[], at: (words: readonly string[], i: number) => string | undefined): number {
  const least = Math.min(a.length, b.length)
  let length = 0
  while (length < least && at(a, length) === at(b, length)) length++
  return length
}

/** Places of the common words, in both. */
function longestCommon(a: readonly string[], b: readonly string[]): readonly (readonly [number, number])[] {
  const width = b.length + 1
  /** [i, j]: the length for a from i on and b from j on. */
  const lengths = new Uint16Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] = a[i] === b[j]
        ? lengths[(i + 1) * width + j + 1]! + 1
        : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!)
    }
  }
  const common: [number, number][] = []
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) common.push([i++, j++])
    else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) i++
    else j++
  }
  return common
}

/** Words that follow each other and are of one sort become one piece; a lone space between two changed words is changed too. */
function piecesOf(words: readonly string[], isCommon: (place: number) => boolean): readonly Piece[] {
  const pieces: { text: string; changed: boolean }[] = []
  for (const [i, text] of words.entries()) {
    const bridges = /^\s+$/.test(text) && i > 0 && i < words.length - 1 && !isCommon(i - 1) && !isCommon(i + 1)
    const changed = !isCommon(i) || bridges
    const last = pieces.at(-1)
    if (last?.changed === changed) last.text += text
    else pieces.push({ text, changed })
  }
  return pieces
}
