/** Faults of a recipe at the lines of its text. */
import type { RecipeFault } from '../../../../src/server/routes/recipes-wire.ts'

export interface MarkedLine {
  /** From 1. */
  readonly number: number
  /** Characters before its note, where it has one. */
  readonly code: number
  readonly faults: readonly RecipeFault[]
}

/** Every line of a text with what is said of it; a fault past the end is said of the last line. */
export function markedLines(text: string, faults: readonly RecipeFault[]): MarkedLine[] {
  const lines = text.split('\n')
  const count = lines.length
  const lineOf = ({ line }: RecipeFault): number | undefined => (line === null ? undefined : Math.min(Math.max(line, 1), count))
  return lines.map((line, i) => ({
    number: i + 1, code: line.replace(/\s+#.*$/, '').trimEnd().length, faults: faults.filter((fault) => lineOf(fault) === i + 1),
  }))
}

/** What is said of the recipe as a whole. */
export function unplaced(faults: readonly RecipeFault[]): RecipeFault[] {
  return faults.filter(({ line }) => line === null)
}

/** Where a fault begins in the text, for the cursor. @returns characters from the start */
export function offsetOf(text: string, { line, column }: Pick<RecipeFault, 'line' | 'column'>): number {
  const before = text.split('\n').slice(0, Math.max((line ?? 1) - 1, 0))
  const start = before.reduce((sum, { length }) => sum + length + 1, 0)
  return Math.min(start + Math.max((column ?? 1) - 1, 0), text.length)
}

/** The text with Tab's two spaces in place of what is selected. */
export function indented(text: string, start: number, end: number): { readonly text: string; readonly cursor: number } {
  return { text: `${text.slice(0, start)}  ${text.slice(end)}`, cursor: start + 2 }
}
