/** What the generators of the examples' data share: seeded choice, and JSONL files beside the generator. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Random } from '../src/random.ts'

/** The rows of each file that a generator makes, by the file's name. */
export type Files = Readonly<Record<string, readonly object[]>>

/** One of `values`, each equally likely. */
export function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)]!
}

/** `count` draws whose keys differ from each other and from all that `taken` holds, to which they are added. */
export function distinct<T>(count: number, taken: Set<string>, draw: () => T, keyOf: (drawn: T) => string): T[] {
  const kept: T[] = []
  while (kept.length < count) {
    const drawn = draw()
    const key = keyOf(drawn)
    if (taken.has(key)) continue
    taken.add(key)
    kept.push(drawn)
  }
  return kept
}

/** A file's text: a line of JSON for each row. */
export function jsonl(rows: readonly object[]): string {
  return rows.map(row => `${JSON.stringify(row)}\n`).join('')
}

export function writeFiles(directory: string, files: Files): void {
  for (const [name, rows] of Object.entries(files)) writeFileSync(join(directory, name), jsonl(rows))
}
