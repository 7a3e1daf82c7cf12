import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { codeOf, moveFileDurably, writeFileDurably } from '../files.ts'

/** How the names of contents begin that are not whole yet. */
const incoming = 'incoming-'

/** A content that is whole and durable, but not among the others yet. */
export interface Incoming {
  readonly sha256: string
  readonly bytes: number
  /** Puts it among the others. */
  keep(): Promise<void>
  drop(): Promise<void>
}

/** Contents of files, each under its SHA-256: the same content is kept once. */
export class Blobs {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  /** @returns the content's SHA-256, in hexadecimal */
  async put(content: Uint8Array): Promise<string> {
    const sha256 = createHash('sha256').update(content).digest('hex')
    if (!await this.has(sha256)) await writeFileDurably(this.path(sha256), content)
    return sha256
  }

  /**
   * Takes a content that comes in pieces; only one of them is in memory.
   * @throws what `source` throws, with nothing kept
   */
  async receive(source: AsyncIterable<Uint8Array>): Promise<Incoming> {
    const aside = join(this.#root, `${incoming}${randomUUID()}`)
    const hash = createHash('sha256')
    let bytes = 0
    await writeFileDurably(aside, async (file) => {
      for await (const piece of source) {
        hash.update(piece)
        bytes += piece.length
        await file.appendFile(piece)
      }
    })
    const sha256 = hash.digest('hex')
    return {
      sha256, bytes,
      keep: () => moveFileDurably(aside, this.path(sha256)),
      drop: () => rm(aside, { force: true }),
    }
  }

  /** Removes what a killed process left of contents that were coming in. Not while one comes. */
  async sweep(): Promise<void> {
    const names = await readdir(this.#root).catch(() => [])
    for (const name of names.filter((name) => name.includes(incoming))) await rm(join(this.#root, name), { force: true })
  }

  async has(sha256: string): Promise<boolean> {
    try {
      return (await stat(this.path(sha256))).isFile()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false
      throw error
    }
  }

  read(sha256: string): Readable {
    return createReadStream(this.path(sha256))
  }

  async remove(sha256: string): Promise<void> {
    await rm(this.path(sha256), { force: true })
  }

  /** Where a content lies; the file is not to be changed. */
  path(sha256: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new Error(`${sha256} is no SHA-256`)
    return join(this.#root, sha256.slice(0, 2), sha256)
  }
}
