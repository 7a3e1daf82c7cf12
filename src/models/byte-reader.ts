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

  uint8(): number { return this.#view.getUint8(this.#take(1)) }
  int8(): number { return this.#view.getInt8(this.#take(1)) }
  uint16(): number { return this.#view.getUint16(this.#take(2), true) }
  int16(): number { return this.#view.getInt16(this.#take(2), true) }
  uint32(): number { return this.#view.getUint32(this.#take(4), true) }
  int32(): number { return this.#view.getInt32(this.#take(4), true) }
  float32(): number { return this.#view.getFloat32(this.#take(4), true) }
  float64(): number { return this.#view.getFloat64(this.#take(8), true) }
  uint64(): bigint { return this.#view.getBigUint64(this.#take(8), true) }
  int64(): bigint { return this.#view.getBigInt64(this.#take(8), true) }

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
