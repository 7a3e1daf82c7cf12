import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
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

  /** Opens the file if it is there whole, else writes it: each weight's values are asked for once, in order. */
  static prepare(path: string, names: readonly string[], values: (name: string) => Bytes): WeightFile {
    return WeightFile.#open(path) ?? WeightFile.#write(path, names, values)
  }

  locate(name: string): WeightLocation {
    const entry = this.#index.get(name)
    if (entry === undefined) throw new Error(`no weight ${name} in ${this.path}`)
    return { file: basename(this.path), ...entry }
  }

  static #open(path: string): WeightFile | undefined {
    try {
      const entries: [string, IndexEntry][] = JSON.parse(readFileSync(indexPath(path), 'utf8'))
      const end = Math.max(0, ...entries.map(([, { offset, length }]) => offset + length))
      return statSync(path).size >= end ? new WeightFile(path, new Map(entries)) : undefined
    } catch {
      return undefined
    }
  }

  static #write(path: string, names: readonly string[], values: (name: string) => Bytes): WeightFile {
    mkdirSync(dirname(path), { recursive: true })
    const aside = join(dirname(path), `.${basename(path)}.${process.pid}`)
    const index = new Map<string, IndexEntry>()
    try {
      const file = openSync(aside, 'w')
      try {
        let end = 0
        for (const name of names) {
          const data = values(name)
          const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
          const offset = Math.ceil(end / alignment) * alignment
          writeWhole(file, bytes, offset)
          index.set(name, { offset, length: bytes.length })
          end = offset + bytes.length
        }
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      renameSync(aside, path)
      writeFileSync(indexPath(path), JSON.stringify([...index]))
    } catch (error) {
      rmSync(aside, { force: true })
      throw error
    }
    return new WeightFile(path, index)
  }
}

function indexPath(path: string): string {
  return path.replace(/\.bin$/, '') + '.json'
}

/** A single write takes at most 2 GiB. */
function writeWhole(file: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, Math.min(bytes.length - done, 2 ** 30), offset + done)
}
