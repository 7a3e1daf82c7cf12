import type { ByteFile } from './byte-file.ts'

/** Bytes that are fetched at a time. */
const windowBytes = 1 << 20

/** Reads little-endian numbers and length-prefixed strings one after the other, never past the end of the file. */
export class ByteReader {
  readonly #file: ByteFile
  readonly #fail: (fault: string) => Error
  #window = new Uint8Array(0)
  #view = new DataView(this.#window.buffer)
  #windowStart = 0
  #position = 0

  /** `fail` makes the error for what is wrong with the file. */
  constructor(file: ByteFile, fail: (fault: string) => Error) {
    this.#file = file
    this.#fail = fail
  }

  /** The place of the next byte. */
  get position(): number {
    return this.#position
  }

  uint8(): number { return this.#number(1, (view, at) => view.getUint8(at)) }
  int8(): number { return this.#number(1, (view, at) => view.getInt8(at)) }
  uint16(): number { return this.#number(2, (view, at) => view.getUint16(at, true)) }
  int16(): number { return this.#number(2, (view, at) => view.getInt16(at, true)) }
  uint32(): number { return this.#number(4, (view, at) => view.getUint32(at, true)) }
  int32(): number { return this.#number(4, (view, at) => view.getInt32(at, true)) }
  float32(): number { return this.#number(4, (view, at) => view.getFloat32(at, true)) }
  float64(): number { return this.#number(8, (view, at) => view.getFloat64(at, true)) }
  uint64(): bigint { return this.#number(8, (view, at) => view.getBigUint64(at, true)) }
  int64(): bigint { return this.#number(8, (view, at) => view.getBigInt64(at, true)) }

  /** A 64-bit count of things of which each takes at least `smallest` bytes, so that it cannot exceed the file. */
  count(what: string, smallest: number): number {
    const count = this.uint64()
    if (count > BigInt(Math.floor((this.#file.size - this.#position) / smallest))) {
      throw this.#fail(`${what} is ${count}, more than fit in the file`)
    }
    return Number(count)
  }

  /** A 64-bit length and that many bytes of UTF-8. */
  string(what: string): string {
    return this.text(this.count(`the length of ${what}`, 1))
  }

  /** `length` bytes of UTF-8; damaged characters become U+FFFD. */
  text(length: number): string {
    const start = this.#take(length)
    return decoder.decode(this.#window.subarray(start, start + length))
  }

  /** The place is taken first: it may bring another window, and with it another view. */
  #number<T>(size: number, read: (view: DataView, at: number) => T): T {
    const at = this.#take(size)
    return read(this.#view, at)
  }

  /** Makes the next `length` bytes available and returns where they begin in the window. */
  #take(length: number): number {
    const start = this.#position
    if (start + length > this.#file.size) {
      throw this.#fail(`its header runs past the end of the file (byte ${this.#file.size})`)
    }
    if (start + length > this.#windowStart + this.#window.length) {
      this.#window = this.#file.read(start, Math.min(Math.max(length, windowBytes), this.#file.size - start))
      this.#view = new DataView(this.#window.buffer)
      this.#windowStart = start
    }
    this.#position += length
    return start - this.#windowStart
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
