/** Logs of one JSON object per line, each with the step that it belongs to. */
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'
import { UserError, messageOf } from '../errors.ts'
import { writeFileDurably } from '../files.ts'

export interface LineRecord {
  readonly step: number
}

export interface LineLog {
  /** Appends one line as a whole: where the disk refuses, none of it stays and a UserError says so. */
  append(record: LineRecord): void
  /** Returns when the lines so far are on the disk. */
  flush(): void
  close(): void
}

/** Opens a log for appending and makes the file where there is none. */
export function openLineLog(path: string): LineLog {
  const file = openSync(path, 'a')
  return {
    append(record) {
      const line = Buffer.from(`${JSON.stringify(record)}\n`)
      const before = fstatSync(file).size
      try {
        writeWhole(file, line)
      } catch (error) {
        ftruncateSync(file, before)
        throw refused(path, error)
      }
    },
    flush() {
      try {
        fsyncSync(file)
      } catch (error) {
        throw refused(path, error)
      }
    },
    close: () => closeSync(file),
  }
}

function refused(path: string, error: unknown): UserError {
  return new UserError(`Cannot write to ${path}: ${messageOf(error)}`, { cause: error })
}

function writeWhole(file: number, bytes: Buffer): void {
  let written = 0
  while (written < bytes.length) written += writeSync(file, bytes, written)
}

/**
 * The records of a log. A last line without its end, left by a crash, is passed over; any other line that is not
 * a JSON object with a step is a UserError that names it. A log that is not there has no records.
 * What else is in a record is not looked at: the caller says as what this program wrote it.
 */
export function readLines<Line extends LineRecord = LineRecord>(path: string): Line[] {
  return linesOf(path).map((line, i) => {
    const record = parseRecord(line)
    if (record === undefined) throw new UserError(`${path}:${i + 1} is not a JSON object with a step`)
    return record as Line
  })
}

/**
 * Cuts a log back to what had happened by `step`: later lines go, and with them whatever a crash left unreadable.
 * The order and the bytes of the lines that stay are kept. Nothing is written where nothing is to go.
 */
export async function cutLines(path: string, step: number): Promise<void> {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const kept = linesOf(path).filter((line) => (parseRecord(line)?.step ?? Infinity) <= step)
  const cut = kept.map((line) => `${line}\n`).join('')
  if (cut === text) return
  // What goes is the end of the file, unless a line in between is damaged: shortening needs no room on a full disk.
  if (text.startsWith(cut)) truncateSync(path, Buffer.byteLength(cut))
  else await writeFileDurably(path, cut)
}

/** The lines that have their end. */
function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
}

function parseRecord(line: string): LineRecord | undefined {
  try {
    const record: unknown = JSON.parse(line)
    return isRecord(record) ? record : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is LineRecord {
  return typeof value === 'object' && value !== null && 'step' in value && typeof value.step === 'number'
}
