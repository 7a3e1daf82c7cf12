/** Reads a log of lines while another process writes it: what was added is read once, a log that was cut back is noticed. */
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { codeOf } from '../files.ts'

/** Takes the lines of a log. */
export interface LineSink {
  /** @param bytes the line without its end, valid during the call @param at where it begins in the file */
  line(bytes: Buffer, at: number): void
  /** The log was cut back or replaced: its lines come again from the first. */
  clear(): void
}

/** Bytes that are read at once: their lines are parsed in some milliseconds, and then others have their turn. */
const pieceBytes = 1 << 18
/** How much before the end of what was read must be as it was for the log to be the same one. */
const tailBytes = 96

export class GrowingLines {
  readonly #path: string
  readonly #sink: LineSink
  /** Where the first line begins that was not read. */
  #at = 0
  #inode = 0
  /** Size and time of change when it was last read to its end. */
  #seen = ''
  #tail: Buffer = Buffer.alloc(0)
  #reading: Promise<void> | undefined

  constructor(path: string, sink: LineSink) {
    this.#path = path
    this.#sink = sink
  }

  /**
   * Gives the sink what was added since the last time. A last line without its end, which is being written or was left by a
   * crash, waits for it. A log that is not there, or is no plain file, has no lines. Calls at the same time share one reading.
   */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => { this.#reading = undefined })
    return this.#reading
  }

  async #read(): Promise<void> {
    const file = await openPlain(this.#path)
    if (file === undefined) {
      this.#begin(0)
      return
    }
    try {
      const stat = await file.stat()
      const { size, mtimeMs, ino } = stat
      const seen = `${ino} ${size} ${mtimeMs}`
      if (!stat.isFile() || seen === this.#seen) return
      if (ino !== this.#inode || size < this.#at || !await this.#isSame(file)) this.#begin(ino)
      await this.#readFrom(file)
      this.#seen = seen
    } finally {
      await file.close()
    }
  }

  #begin(inode: number): void {
    if (this.#at > 0) this.#sink.clear()
    this.#at = 0
    this.#inode = inode
    this.#seen = ''
    this.#tail = Buffer.alloc(0)
  }

  /** A log that was cut back and grew again differs where it was read last: its lines hold times and speeds. */
  async #isSame(file: FileHandle): Promise<boolean> {
    const { length } = this.#tail
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, this.#at - length)
    return bytesRead === length && buffer.equals(this.#tail)
  }

  async #readFrom(file: FileHandle): Promise<void> {
    const piece = Buffer.allocUnsafe(pieceBytes)
    let rest: Buffer = Buffer.alloc(0)
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, pieceBytes, this.#at + rest.length)
      if (bytesRead === 0) return
      const bytes = Buffer.concat([rest, piece.subarray(0, bytesRead)])
      const used = this.#deliver(bytes)
      rest = bytes.subarray(used)
    }
  }

  /** @returns how many bytes had their line's end */
  #deliver(bytes: Buffer): number {
    let start = 0
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      this.#sink.line(bytes.subarray(start, end), this.#at + start)
      start = end + 1
    }
    if (start > 0) this.#tail = Buffer.from(bytes.subarray(Math.max(0, start - tailBytes), start))
    this.#at += start
    return start
  }
}

const newline = 10

/** Opens a file for reading that is no link to another: a run's folder may be a stranger's. @returns undefined where it is not there */
export async function openPlain(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EMLINK', 'ENXIO'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}
