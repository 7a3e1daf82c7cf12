/** A correction laid over the answer that it corrects, word by word. */

export interface Stretch {
  readonly text: string
  readonly kind: 'same' | 'removed' | 'added'
}

/** Texts with more words than this between their common beginning and end are told apart as wholes: the table would be too large. */
const most = 2000

/** The two texts as one: what was removed stands before what was added in its place. */
export function overlaid(answer: string, correction: string): Stretch[] {
  const [a, b] = [wordsOf(answer), wordsOf(correction)]
  const start = commonStart(a, b)
  const end = commonStart(a.slice(start).reverse(), b.slice(start).reverse())
  const middle = steps(a.slice(start, a.length - end), b.slice(start, b.length - end))
  const same = (words: readonly string[]): Stretch[] => words.map((text) => ({ text, kind: 'same' }))
  return gathered([...same(a.slice(0, start)), ...middle, ...same(a.slice(a.length - end))])
}

const segmenter = new Intl.Segmenter('en', { granularity: 'word' })

/** By Unicode's rules, so that texts without spaces have words too; spaces and punctuation are pieces of their own. */
function wordsOf(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment)
}

function commonStart(a: readonly string[], b: readonly string[]): number {
  const least = Math.min(a.length, b.length)
  let length = 0
  while (length < least && a[length] === b[length]) length++
  return length
}

/** From one list of words to the other by a longest common subsequence. */
function steps(a: readonly string[], b: readonly string[]): Stretch[] {
  const removed = (words: readonly string[]): Stretch[] => words.map((text) => ({ text, kind: 'removed' }))
  const added = (words: readonly string[]): Stretch[] => words.map((text) => ({ text, kind: 'added' }))
  if (a.length > most || b.length > most) return [...removed(a), ...added(b)]
  const width = b.length + 1
  /** [i, j]: the length for a from i on and b from j on. */
  const lengths = new Uint16Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const [down, right, both] = [lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!, lengths[(i + 1) * width + j + 1]!]
      lengths[i * width + j] = a[i] === b[j] ? both + 1 : Math.max(down, right)
    }
  }
  const path: Stretch[] = []
  let [i, j] = [0, 0]
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) path.push({ text: a[i]!, kind: 'same' })
    if (a[i] === b[j]) [i, j] = [i + 1, j + 1]
    else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) path.push({ text: a[i++]!, kind: 'removed' })
    else path.push({ text: b[j++]!, kind: 'added' })
  }
  return [...path, ...removed(a.slice(i)), ...added(b.slice(j))]
}

/** Changes that follow each other become one; a space between two of them is part of it, since words by turns are hard to read. */
function gathered(all: readonly Stretch[]): Stretch[] {
  const out: Stretch[] = []
  let [removed, added, same] = ['', '', '']
  const flush = (): void => {
    for (const stretch of [{ text: removed, kind: 'removed' }, { text: added, kind: 'added' }, { text: same, kind: 'same' }] as const) {
      if (stretch.text !== '') out.push(stretch)
    }
    [removed, added, same] = ['', '', '']
  }
  for (const { text, kind } of all) {
    if (kind === 'same') {
      same += text
      continue
    }
    const bridges = /^\s+$/.test(same) && removed + added !== ''
    if (bridges) [removed, added, same] = [removed + same, added + same, '']
    else if (same !== '') flush()
    if (kind === 'removed') removed += text
    else added += text
  }
  flush()
  return out
}
