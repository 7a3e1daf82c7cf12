/**
 * The header of a GGUF file: metadata and tensor table, checked so that nothing in it can lie about the data.
 *
 * Format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): magic, version, number of tensors, number of
 * metadata entries, the entries, the tensors' names, shapes, types and offsets, then padding and the tensors' bytes,
 * each tensor padded to `general.alignment`.
 */
import { UserError } from '../../errors.ts'
import type { ByteFile } from './byte-file.ts'
import { ByteReader } from './byte-reader.ts'
import { ggufTypeById, unreadTypeNames } from './gguf-quants.ts'
import type { GgufTensorType } from './gguf-quants.ts'

/** A value of a GGUF file's metadata. Whole numbers are bigints only where a double cannot hold them. */
export type GgufValue = string | number | bigint | boolean | readonly GgufValue[]

/** The scalar types of metadata; an entry's index is its number in the file. */
export const ggufValueTypes = [
  'uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'bool', 'string', 'array',
  'uint64', 'int64', 'float64',
] as const

export type GgufValueType = (typeof ggufValueTypes)[number]

/** A metadata value with the type that it is stored in. */
export interface GgufField {
  readonly type: GgufValueType
  /** The elements' type of an array. */
  readonly of?: GgufValueType
  readonly value: GgufValue
}

/** A tensor as the file describes it, under its GGUF name. */
export interface GgufTensor {
  readonly type: GgufTensorType
  /** Outermost dimension first: the reverse of the order in the file. */
  readonly shape: readonly number[]
  /** Where its bytes begin, counted from the start of the file. */
  readonly begin: number
  readonly bytes: number
}

export interface GgufHeader {
  readonly fields: ReadonlyMap<string, GgufField>
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

/** ggml has no more dimensions. */
const maximumDimensions = 4
/** Far above the 32 that files have; a larger one only moves data out of the file. */
const maximumAlignment = 1 << 16
/** Bytes of the smallest possible entry: an empty name and one value; an empty name, no dimensions. */
const [smallestField, smallestTensor] = [13, 24]

/** Reads and checks the header. Throws a UserError that names the file and the key or tensor at fault. */
export function parseGguf(file: ByteFile): GgufHeader {
  const reader = new ByteReader(file, fault => damaged(file, fault))
  checkVersion(file, reader)
  const tensorCount = reader.count('the number of tensors', smallestTensor)
  const fieldCount = reader.count('the number of metadata entries', smallestField)
  const fields = parseFields(file, reader, fieldCount)
  const table = parseTensorTable(file, reader, tensorCount)
  return { fields, tensors: placeTensors(file, table, reader.position, alignmentOf(file, fields)) }
}

function checkVersion(file: ByteFile, reader: ByteReader): void {
  if (file.size < 24) throw damaged(file, `it has ${file.size} bytes, too few for a header`)
  if (reader.text(4) !== 'GGUF') throw new UserError(`${file.path} is not a GGUF file: it does not begin with "GGUF"`)
  const version = reader.uint32()
  if (version === 2 || version === 3) return
  const isBigEndian = version === 0x02000000 || version === 0x03000000
  throw new UserError(`${file.path} is GGUF ${isBigEndian ? 'in big-endian byte order' : `version ${version}`}; ` +
    'posttrain reads versions 2 and 3 in little-endian order. Convert it with llama.cpp')
}

function parseFields(file: ByteFile, reader: ByteReader, count: number): Map<string, GgufField> {
  const fields = new Map<string, GgufField>()
  for (let i = 0; i < count; i++) {
    const key = reader.string('a metadata key')
    if (fields.has(key)) throw damaged(file, `its metadata has the key "${key}" twice`)
    fields.set(key, parseField(file, reader, key))
  }
  return fields
}

function parseField(file: ByteFile, reader: ByteReader, key: string): GgufField {
  const type = parseValueType(file, reader, key)
  if (type !== 'array') return { type, value: parseScalar(reader, type, key) }
  const of = parseValueType(file, reader, key)
  if (of === 'array') throw damaged(file, `"${key}" is an array of arrays, which no model file needs`)
  const length = reader.count(`the length of "${key}"`, smallestScalar[of])
  return { type, of, value: Array.from({ length }, () => parseScalar(reader, of, key)) }
}

function parseValueType(file: ByteFile, reader: ByteReader, key: string): GgufValueType {
  const id = reader.uint32()
  const type = ggufValueTypes[id]
  if (type === undefined) throw damaged(file, `"${key}" has the unknown value type ${id}`)
  return type
}

const smallestScalar: Readonly<Record<Exclude<GgufValueType, 'array'>, number>> = {
  uint8: 1, int8: 1, bool: 1, uint16: 2, int16: 2, uint32: 4, int32: 4, float32: 4,
  string: 8, uint64: 8, int64: 8, float64: 8,
}

function parseScalar(reader: ByteReader, type: Exclude<GgufValueType, 'array'>, key: string): GgufValue {
  switch (type) {
    case 'uint8': return reader.uint8()
    case 'int8': return reader.int8()
    case 'uint16': return reader.uint16()
    case 'int16': return reader.int16()
    case 'uint32': return reader.uint32()
    case 'int32': return reader.int32()
    case 'float32': return reader.float32()
    case 'float64': return reader.float64()
    case 'bool': return reader.uint8() !== 0
    case 'string': return reader.string(`"${key}"`)
    case 'uint64': return asNumber(reader.uint64())
    case 'int64': return asNumber(reader.int64())
  }
}

function asNumber(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

interface TableRow {
  readonly name: string
  readonly type: GgufTensorType
  readonly shape: readonly number[]
  readonly bytes: number
  /** Counted from the start of the data. */
  readonly offset: bigint
}

function parseTensorTable(file: ByteFile, reader: ByteReader, count: number): TableRow[] {
  const names = new Set<string>()
  return Array.from({ length: count }, () => {
    const name = reader.string('a tensor name')
    if (names.has(name)) throw damaged(file, `it has the tensor "${name}" twice`)
    names.add(name)
    const dimensions = parseDimensions(file, reader, name)
    const type = parseTensorType(file, reader, name)
    const bytes = sizeOf(file, name, dimensions, type)
    return { name, type, shape: dimensions.toReversed(), bytes, offset: reader.uint64() }
  })
}

function parseDimensions(file: ByteFile, reader: ByteReader, name: string): number[] {
  const count = reader.uint32()
  if (count > maximumDimensions) {
    throw damaged(file, `tensor "${name}" has ${count} dimensions; the most are ${maximumDimensions}`)
  }
  return Array.from({ length: count }, () => {
    const dimension = reader.uint64()
    if (dimension === 0n || dimension > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw damaged(file, `tensor "${name}" has a dimension of ${dimension}`)
    }
    return Number(dimension)
  })
}

function parseTensorType(file: ByteFile, reader: ByteReader, name: string): GgufTensorType {
  const id = reader.uint32()
  const type = ggufTypeById.get(id)
  if (type !== undefined) return type
  const known = [...ggufTypeById.values()].map(({ name }) => name).join(', ')
  const given = unreadTypeNames[id] ?? `unknown type ${id}`
  throw new UserError(`${file.path}: tensor "${name}" is quantized as ${given}, which posttrain does not read. ` +
    `Take a file of one of these types: ${known}`)
}

function sizeOf(file: ByteFile, name: string, dimensions: readonly number[], type: GgufTensorType): number {
  const row = dimensions[0] ?? 1
  if (row % type.blockValues !== 0) {
    const block = `${type.name} blocks of ${type.blockValues}`
    throw damaged(file, `tensor "${name}": a row of ${row} values is not made of ${block}`)
  }
  const bytes = dimensions.reduce((product, dimension) => product * dimension, 1) / type.blockValues * type.blockBytes
  if (!Number.isSafeInteger(bytes)) {
    throw damaged(file, `tensor "${name}": the size of its shape [${dimensions.join(', ')}] overflows`)
  }
  return bytes
}

function alignmentOf(file: ByteFile, fields: ReadonlyMap<string, GgufField>): number {
  const field = fields.get('general.alignment')
  if (field === undefined) return 32
  const alignment = field.value
  const isSound = field.type === 'uint32' && typeof alignment === 'number' && alignment <= maximumAlignment &&
    alignment > 0 && (alignment & (alignment - 1)) === 0
  if (isSound) return alignment
  throw damaged(file, `its general.alignment is ${String(alignment)}, not a power of two up to ${maximumAlignment}`)
}

/** Places each tensor in the file. As in ggml, they follow each other with nothing but padding between them. */
function placeTensors(
  file: ByteFile, table: readonly TableRow[], headerEnd: number, alignment: number,
): ReadonlyMap<string, GgufTensor> {
  const padded = (length: number) => Math.ceil(length / alignment) * alignment
  const dataStart = padded(headerEnd)
  let expected = 0
  const tensors = new Map<string, GgufTensor>()
  for (const { name, type, shape, bytes, offset } of table) {
    if (offset !== BigInt(expected)) {
      throw damaged(file, `tensor "${name}" is placed at offset ${offset}; the tensors before it end at ${expected}`)
    }
    const begin = dataStart + expected
    if (begin + bytes > file.size) {
      throw damaged(file, `tensor "${name}" ends at byte ${begin + bytes}, beyond the file's ${file.size}`)
    }
    tensors.set(name, { type, shape, begin, bytes })
    expected += padded(bytes)
  }
  return tensors
}

function damaged(file: ByteFile, fault: string): UserError {
  return new UserError(`${file.path} is not a sound GGUF file: ${fault}. Fetch or write it again`)
}
