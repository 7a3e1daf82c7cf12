import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { UserError, messageOf } from '../../errors.ts'
import { codeOf } from '../../files.ts'

/** What a format is read from. */
export type ByteSource = Pick<ByteFile, 'path' | 'size' | 'read' | 'readInto' | 'close'>

/** A file whose ranges are read on demand. Weight files are larger than memory should hold at once. */
export class ByteFile {
  readonly path: string
  readonly size: number
  readonly #descriptor: number
  #open = true

  /** Throws a UserError if there is no such file or it may not be read. */
  constructor(path: string) {
    this.path = path
    try {
      this.#descriptor = openSync(path, 'r')
    } catch (error) {
      const reason = codeOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error)
      throw new UserError(`Cannot open ${path}: ${reason}`, { cause: error })
    }
    const status = fstatSync(this.#descriptor)
    if (!status.isFile()) {
      this.close()
      throw new UserError(`Cannot open ${path}: it is not a file`)
    }
    this.size = status.size
  }

  /** Fills `target` from `position` on. Throws a UserError where the file ends before. */
  readInto(target: Uint8Array, position: number): void {
    for (let done = 0; done < target.byteLength;) {
      const length = Math.min(target.byteLength - done, maximumRead)
      const got = readSync(this.#descriptor, target, done, length, position + done)
      if (got === 0) {
        const missing = target.byteLength - done
        throw new UserError(`${this.path} ends at byte ${position + done}, ${missing} bytes too early. ` +
          'It was cut short: fetch or write it again')
      }
      done += got
    }
  }

  read(position: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length)
    this.readInto(bytes, position)
    return bytes
  }

  close(): void {
    if (this.#open) closeSync(this.#descriptor)
    this.#open = false
  }
}

/** Some systems refuse to read 2 GiB or more in one call. */
const maximumRead = 1 << 30

/** A file that was read whole before. @param path what errors call it */
export function bytesInMemory(path: string, bytes: Uint8Array<ArrayBuffer>): ByteSource {
  const read = (position: number, length: number): Uint8Array<ArrayBuffer> => bytes.slice(position, position + length)
  return {
    path, read,
    size: bytes.length,
    readInto: (target, position) => { target.set(bytes.subarray(position, position + target.byteLength)) },
    close: () => undefined,
  }
}
