import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { explainWrite } from '../files.ts'
import type { WeightLocation } from '../tensor/onnx.ts'

type Bytes = Float32Array | Uint8Array

interface IndexEntry {
  readonly offset: number
  readonly length: number
}

/** Offsets are multiples of a page, which memory mapping asks for. */
const alignment = 4096

/**
 * Prepared weights in one file, memory-mapped by every session that uses them. Beside `NAME.bin` lies `NAME.json`, the
 * index, written last: a file without an index is unfinished and is made again.
 */
export class WeightFile {
  readonly path: string
  readonly #index: ReadonlyMap<string, IndexEntry>

  private constructor(path: string, index: ReadonlyMap<string, IndexEntry>) {
    this.path = path
    this.#index = index
  }

  get folder(): string {
    return dirname(this.path)
  }

  /**
   * Opens the file if it is there whole, else writes it: each weight's values are asked for once, in order. Threads and
   * processes may do so at the same time: each writes a file of its own, and the last one stays.
   * @throws UserError where the disk is full or does not let us write
   */
  static prepare(path: string, names: readonly string[], values: (name: string) => Bytes): WeightFile {
    return WeightFile.#open(path, names) ?? WeightFile.#write(path, names, values)
  }

  locate(name: string): WeightLocation {
    const entry = this.#index.get(name)
    if (entry === undefined) throw new Error(`no weight ${name} in ${this.path}`)
    return { file: basename(this.path), ...entry }
  }

  static #open(path: string, names: readonly string[]): WeightFile | undefined {
    try {
      const index = new Map<string, IndexEntry>(JSON.parse(readFileSync(indexPath(path), 'utf8')))
      const end = Math.max(0, ...[...index.values()].map(({ offset, length }) => offset + length))
      const whole = statSync(path).size === end && names.every((name) => index.has(name))
      return whole ? new WeightFile(path, index) : undefined
    } catch {
      return undefined
    }
  }

  static #write(path: string, names: readonly string[], values: (name: string) => Bytes): WeightFile {
    const index = new Map<string, IndexEntry>()
    try {
      mkdirSync(dirname(path), { recursive: true })
      writeDurably(path, (file) => {
        let end = 0
        for (const name of names) {
          const data = values(name)
          const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
          const offset = Math.ceil(end / alignment) * alignment
          writeWhole(file, bytes, offset)
          index.set(name, { offset, length: bytes.length })
          end = offset + bytes.length
        }
      })
      writeDurably(indexPath(path), (file) => { writeFileSync(file, JSON.stringify([...index])) })
    } catch (error) {
      throw explainWrite(path, error)
    }
    return new WeightFile(path, index)
  }
}

function indexPath(path: string): string {
  return path.replace(/\.bin$/, '') + '.json'
}

/** Fills a neighbour of `path`, flushes it to the disk, and gives it the name in one step. */
function writeDurably(path: string, write: (file: number) => void): void {
  const aside = join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.partial`)
  try {
    const file = openSync(aside, 'wx')
    try {
      write(file)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(aside, path)
  } catch (error) {
    rmSync(aside, { force: true })
    throw error
  }
}

/** A single write takes at most 2 GiB. */
function writeWhole(file: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, Math.min(bytes.length - done, 2 ** 30), offset + done)
}
