import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { codeOf, writeFileDurably } from '../files.ts'

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
