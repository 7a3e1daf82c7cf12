/** Rows of a data file by their number. A .jsonl file may have millions: only where its lines begin is kept. */
import { open } from 'node:fs/promises'
import { parseLine, readValues, type NamedFile, type Parsed } from './read.ts'

export interface FilePages {
  /** Rows in the file; lines without any text are none. */
  readonly rows: number
  /** Rows `from` to `from + count`, as far as there are any. */
  read(from: number, count: number): Promise<Parsed<unknown>[]>
  /** The number of the row that a `where` of this file names; undefined: it names none. */
  positionOf(where: string): number | undefined
}

/** Throws a UserError where the file as a whole cannot be read. */
export async function openFilePages(file: NamedFile): Promise<FilePages> {
  return ['.jsonl', '.ndjson'].includes(file.extension) ? await openLines(file) : valuesAsPages(await readValues(file))
}

function valuesAsPages(values: readonly Parsed<unknown>[]): FilePages {
  const positions = new Map(values.map(({ where }, i) => [where, i]))
  return {
    rows: values.length,
    read: async (from, count) => values.slice(from, from + count),
    positionOf: (where) => positions.get(where),
  }
}

const newline = 10
const blockBytes = 1 << 20

async function openLines({ path, name }: NamedFile): Promise<FilePages> {
  const { offsets, numbers, end } = await indexLines(path)
  return {
    rows: offsets.length,
    async read(from, count) {
      const to = Math.min(from + count, offsets.length)
      if (from >= to) return []
      await using file = await open(path)
      const start = offsets[from]!
      const bytes = Buffer.alloc((offsets[to] ?? end) - start)
      await file.read(bytes, 0, bytes.length, start)
      return Array.from({ length: to - from }, (_, i) => {
        const line = bytes.subarray(offsets[from + i]! - start, (offsets[from + i + 1] ?? end) - start)
        const lineEnd = line.indexOf(newline)
        return lineOf(line.subarray(0, lineEnd === -1 ? line.length : lineEnd), `${name}:${numbers[from + i]!}`)
      })
    },
    positionOf(where) {
      const line = where.startsWith(`${name}:`) ? Number(where.slice(name.length + 1)) : NaN
      const at = lowerBound(numbers, line)
      return numbers[at] === line ? at : undefined
    },
  }
}

/** Takes off the byte order mark; texts of unknown bytes must not be learned as something else. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

function lineOf(bytes: Uint8Array, where: string): Parsed<unknown> {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return { where, problem: 'this line is not UTF-8; save the file as UTF-8' }
  }
  return parseLine(text, where)
}

interface LineIndex {
  /** Where each line that has a text begins, in bytes. */
  readonly offsets: readonly number[]
  /** Its number in the file, from 1. */
  readonly numbers: readonly number[]
  /** Bytes of the file. */
  readonly end: number
}

async function indexLines(path: string): Promise<LineIndex> {
  await using file = await open(path)
  const [offsets, numbers]: [number[], number[]] = [[], []]
  const block = Buffer.alloc(blockBytes)
  let [line, lineStart, isBlank, at] = [1, 0, true, 0]
  const finish = (): void => {
    if (isBlank) return
    offsets.push(lineStart)
    numbers.push(line)
  }
  for (;;) {
    const { bytesRead } = await file.read(block, 0, blockBytes, at)
    if (bytesRead === 0) break
    for (let from = 0; from < bytesRead;) {
      const found = block.subarray(0, bytesRead).indexOf(newline, from)
      const to = found === -1 ? bytesRead : found
      // What trim() takes off: an ASCII space is the usual, other white space is left to be a row that is no JSON.
      for (let i = from; isBlank && i < to; i++) isBlank = block[i]! === 32 || (block[i]! >= 9 && block[i]! <= 13)
      if (found === -1) break
      finish()
      from = found + 1
      ;[line, lineStart, isBlank] = [line + 1, at + from, true]
    }
    at += bytesRead
  }
  finish()
  return { offsets, numbers, end: at }
}

/** The first place whose value is not below `value`. */
function lowerBound(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
