/** What differs between two texts, word by word. */
import { diffArrays } from 'diff'

/** A part of both texts laid over each other: what was removed stands before what was added in its place. */
export interface Stretch {
  readonly text: string
  readonly kind: 'same' | 'removed' | 'added'
}

/** Texts further apart than so many words are told apart as wholes: marks would be all over them, and finding them takes long. */
const mostChanges = 2000

/** The two texts as one. */
export function overlaid(before: string, after: string): Stretch[] {
  return gathered(stretchesOf(before, after))
}

export interface Piece {
  readonly text: string
  /** Whether the other text does not have it here. */
  readonly changed: boolean
}

export interface Sides {
  readonly before: readonly Piece[]
  readonly after: readonly Piece[]
  /** How much of both is common, by words: 1 where they are equal. */
  readonly likeness: number
}

/** The two texts side by side. */
export function sideBySide(before: string, after: string): Sides {
  const stretches = stretchesOf(before, after)
  const words = (kind: Stretch['kind']): number => stretches.filter((stretch) => stretch.kind === kind).reduce((sum, { text }) => sum + countWords(text), 0)
  const [same, changed] = [2 * words('same'), words('removed') + words('added')]
  const joined = gathered(stretches)
  return { before: piecesOf(joined, 'added'), after: piecesOf(joined, 'removed'), likeness: same + changed === 0 ? 1 : same / (same + changed) }
}

function stretchesOf(before: string, after: string): Stretch[] {
  const changes = diffArrays(wordsOf(before), wordsOf(after), { maxEditLength: mostChanges })
  if (changes === undefined) return [{ text: before, kind: 'removed' }, { text: after, kind: 'added' }]
  return changes.map(({ value, added, removed }) => ({ text: value.join(''), kind: added ? 'added' : removed ? 'removed' : 'same' }))
}

const segmenter = new Intl.Segmenter('en', { granularity: 'word' })

/** By Unicode's rules, so that texts without spaces have words too; spaces and punctuation are pieces of their own. */
function wordsOf(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment)
}

function countWords(text: string): number {
  return wordsOf(text).filter((segment) => /[\p{L}\p{N}]/u.test(segment)).length
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

/** One side of what is laid over each other. @param other what only the other side has */
function piecesOf(stretches: readonly Stretch[], other: 'added' | 'removed'): Piece[] {
  const pieces: { text: string; changed: boolean }[] = []
  for (const { text, kind } of stretches) {
    if (kind === other) continue
    const [changed, last] = [kind !== 'same', pieces.at(-1)]
    if (last?.changed === changed) last.text += text
    else pieces.push({ text, changed })
  }
  return pieces
}
