/** The decision table, sorted and filtered; and from a situation to the job that it asks for. */
import type { Decision, Technique } from '../../../../src/server/routes/guide-wire.ts'
import { kindNames, type RowKind } from './words.ts'

export type Column = 'situation' | 'recommended' | 'why'

export interface Sorting {
  readonly column: Column
  readonly descending: boolean
}

const columns: readonly Column[] = ['situation', 'recommended', 'why']

/** Reads `recommended` or `-recommended` of an address; undefined: the guide's own order. */
export function readSorting(text: string | null): Sorting | undefined {
  const column = columns.find((name) => name === text?.replace(/^-/, ''))
  return column === undefined ? undefined : { column, descending: text!.startsWith('-') }
}

export function writeSorting(sorting: Sorting | undefined): string | undefined {
  return sorting && `${sorting.descending ? '-' : ''}${sorting.column}`
}

/** What a column's heading does next: up, down, and back to the guide's own order. */
export function nextSorting(now: Sorting | undefined, column: Column): Sorting | undefined {
  if (now?.column !== column) return { column, descending: false }
  return now.descending ? undefined : { column, descending: true }
}

/** The rows in whose text every word of `query` is somewhere, in the order asked for. */
export function chosenRows(decisions: readonly Decision[], query: string, sorting: Sorting | undefined): Decision[] {
  const words = wordsOf(query)
  const rows = decisions.filter((decision) => {
    const text = columns.map((column) => decision[column]).join('\n').toLowerCase()
    return words.every((word) => text.includes(word))
  })
  if (sorting === undefined) return rows
  const sign = sorting.descending ? -1 : 1
  return rows.toSorted((a, b) => sign * a[sorting.column].localeCompare(b[sorting.column], 'en'))
}

function wordsOf(query: string): string[] {
  return query.toLowerCase().split(/\s+/).filter((word) => word !== '')
}

export interface Piece {
  readonly text: string
  readonly hit: boolean
}

/** A text cut where a word of the query begins and ends. */
export function pieces(text: string, query: string): Piece[] {
  const words = wordsOf(query).map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  if (words.length === 0) return [{ text, hit: false }]
  // Captured separators stand at odd places.
  return text.split(new RegExp(`(${words.join('|')})`, 'i')).map((part, i) => ({ text: part, hit: i % 2 === 1 })).filter(({ text: part }) => part !== '')
}

/** What a team has to learn from. */
export interface Rows {
  readonly reference: string
  readonly name: string
  readonly kind: RowKind
  readonly count: number
}

/** The rows that a situation learns from, the last being what its job takes: a reward model's come before. */
export function kindsFor({ techniques: ids }: Decision, techniques: readonly Technique[]): readonly RowKind[] {
  const found = ids.map((id) => techniques.find((technique) => technique.id === id))
  return found.find((technique) => technique?.axis === 'correctness' || technique?.axis === 'preference')?.rows ?? []
}

/** The newest rows of the kinds; undefined where the team has none. `rows` are the newest first. */
export function rowsFor(kinds: readonly RowKind[], rows: readonly Rows[]): Rows | undefined {
  for (const kind of kinds) {
    const found = rows.find((each) => each.kind === kind)
    if (found !== undefined) return found
  }
  return undefined
}

/** "pairs", "pairs or prompts" */
export function namesOf(kinds: readonly RowKind[]): string {
  return kinds.map((kind) => kindNames[kind]).join(' or ')
}

/** The inbox's choice of answers that rows of a kind are made of; undefined: all of them. */
export function saidFor(kind: RowKind | undefined): string | undefined {
  return kind === undefined ? undefined : ({ sft: 'correction', pairs: 'choice', labelled: 'anything', prompts: undefined } as const)[kind]
}
