import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { codeOf, moveFileDurably, writeFileDurably } from '../files.ts'

/** How the names of contents begin that are not whole yet. */
const incoming = 'incoming-'

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
   * Puts a content that comes in pieces; only one of them is in memory.
   * @throws what `source` throws, with nothing kept
   */
  async putStream(source: AsyncIterable<Uint8Array>): Promise<{ sha256: string; bytes: number }> {
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
    await moveFileDurably(aside, this.path(sha256))
    return { sha256, bytes }
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
