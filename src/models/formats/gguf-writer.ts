import { writeFileDurably } from '../../files.ts'
import { ggufValueTypes } from './gguf-parser.ts'
import type { GgufField, GgufValue, GgufValueType } from './gguf-parser.ts'
import { encodeGguf, ggufTypes } from './gguf-quants.ts'
import type { GgufOutputType } from './gguf-quants.ts'
import { elementsOf } from './safetensors.ts'

/** A tensor to be written, under its GGUF name: f32 values, or a function that makes them when their turn has come. */
export interface GgufTensorInput {
  readonly name: string
  readonly type: GgufOutputType
  /** Outermost dimension first; the last one is a multiple of 32 for Q8_0. */
  readonly shape: readonly number[]
  readonly data: Float32Array | (() => Float32Array)
}

const alignment = 32

/** Writes a GGUF file of version 3, one tensor in memory at a time, aside and renamed when complete. */
export async function writeGguf(
  path: string, fields: ReadonlyMap<string, GgufField>, tensors: readonly GgufTensorInput[],
): Promise<void> {
  await writeFileDurably(path, async (file) => {
    const header = encodeHeader(fields, tensors)
    await file.writeFile(padded(header))
    for (const { name, type, shape, data } of tensors) {
      const values = typeof data === 'function' ? data() : data
      if (values.length !== elementsOf(shape)) {
        throw new RangeError(`Tensor "${name}" has ${values.length} values; its shape is [${shape.join(', ')}]`)
      }
      await file.writeFile(padded(encodeGguf(type, values)))
    }
  })
}

function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length % alignment === 0) return bytes
  const whole = new Uint8Array(roundUp(bytes.length))
  whole.set(bytes)
  return whole
}

function roundUp(length: number): number {
  return Math.ceil(length / alignment) * alignment
}

function encodeHeader(fields: ReadonlyMap<string, GgufField>, tensors: readonly GgufTensorInput[]): Uint8Array {
  const writer = new ByteWriter()
  writer.bytes(new TextEncoder().encode('GGUF'))
  writer.uint32(3)
  writer.uint64(tensors.length)
  writer.uint64(fields.size)
  for (const [key, field] of fields) {
    writer.string(key)
    writeField(writer, field)
  }
  let offset = 0
  for (const { name, type, shape } of tensors) {
    const { id, blockValues, blockBytes } = ggufTypes[type]
    if ((shape.at(-1) ?? 1) % blockValues !== 0) {
      throw new RangeError(`Tensor "${name}" [${shape.join(', ')}] cannot be ${type}: its rows are not whole blocks`)
    }
    writer.string(name)
    writer.uint32(shape.length)
    for (const dimension of shape.toReversed()) writer.uint64(dimension)
    writer.uint32(id)
    writer.uint64(offset)
    offset += roundUp(elementsOf(shape) / blockValues * blockBytes)
  }
  return writer.written()
}

function writeField(writer: ByteWriter, { type, of, value }: GgufField): void {
  writer.uint32(ggufValueTypes.indexOf(type))
  if (type !== 'array') return writeScalar(writer, type, value)
  if (of === undefined || !Array.isArray(value)) throw new TypeError('An array needs a list and its elements\' type')
  writer.uint32(ggufValueTypes.indexOf(of))
  writer.uint64(value.length)
  for (const element of value as readonly GgufValue[]) writeScalar(writer, of, element)
}

function writeScalar(writer: ByteWriter, type: GgufValueType, value: GgufValue): void {
  switch (type) {
    case 'uint8': return writer.number(1, (view, at) => view.setUint8(at, Number(value)))
    case 'int8': return writer.number(1, (view, at) => view.setInt8(at, Number(value)))
    case 'bool': return writer.number(1, (view, at) => view.setUint8(at, value === true ? 1 : 0))
    case 'uint16': return writer.number(2, (view, at) => view.setUint16(at, Number(value), true))
    case 'int16': return writer.number(2, (view, at) => view.setInt16(at, Number(value), true))
    case 'uint32': return writer.uint32(Number(value))
    case 'int32': return writer.number(4, (view, at) => view.setInt32(at, Number(value), true))
    case 'float32': return writer.number(4, (view, at) => view.setFloat32(at, Number(value), true))
    case 'float64': return writer.number(8, (view, at) => view.setFloat64(at, Number(value), true))
    case 'uint64': return writer.uint64(value as number | bigint)
    case 'int64': return writer.number(8, (view, at) => view.setBigInt64(at, BigInt(value as number | bigint), true))
    case 'string': return writer.string(String(value))
    case 'array': throw new TypeError('Arrays of arrays cannot be written')
  }
}

/** Appends little-endian values to bytes that grow as needed. */
class ByteWriter {
  #bytes = new Uint8Array(1 << 16)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  number(size: number, set: (view: DataView, at: number) => void): void {
    this.#reserve(size)
    set(this.#view, this.#length)
    this.#length += size
  }

  uint32(value: number): void {
    this.number(4, (view, at) => view.setUint32(at, value, true))
  }

  uint64(value: number | bigint): void {
    this.number(8, (view, at) => view.setBigUint64(at, BigInt(value), true))
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text)
    this.uint64(bytes.length)
    this.bytes(bytes)
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + size))
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}
