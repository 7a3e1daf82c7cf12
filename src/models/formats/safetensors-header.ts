/**
 * The header of a safetensors file, checked so that nothing in it can lie about the data.
 *
 * Format: 8 bytes with the header's length, a JSON object, then the tensors' bytes, which must cover the rest of the
 * file with no gap and no overlap (https://github.com/huggingface/safetensors, "Format").
 */
import { UserError, messageOf } from '../../errors.ts'
import type { ByteSource } from './byte-file.ts'
import type { TensorEntry } from '../files.ts'
import { duplicateKey, isObject } from './json.ts'

/** The format's own limit. */
export const maximumHeaderBytes = 100_000_000

/** Bytes of one element of every type that the format has and whose elements are whole bytes. */
const elementBytes: Readonly<Record<string, number>> = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, U16: 2, I16: 2, F16: 2, BF16: 2,
  U32: 4, I32: 4, F32: 4, U64: 8, I64: 8, F64: 8, C64: 8,
}

export interface SafetensorsEntry extends TensorEntry {
  /** Where the tensor's bytes begin and end, counted from the start of the file. */
  readonly begin: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>
  readonly metadata: ReadonlyMap<string, string>
}

/** Reads and checks the header. Throws a UserError that names the file and, where one is at fault, the tensor. */
export function readHeader(file: ByteSource): SafetensorsHeader {
  const length = headerLength(file)
  const header = parseHeader(file, length)
  const tensors = new Map<string, SafetensorsEntry>()
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') tensors.set(name, parseEntry(file, name, value, 8 + length))
  }
  checkCoverage(file, tensors, 8 + length)
  return { tensors, metadata: parseMetadata(file, header.__metadata__) }
}

function headerLength(file: ByteSource): number {
  if (file.size < 8) throw damaged(file, `it has ${file.size} bytes, too few for a header`)
  const start = file.read(0, 8)
  refusePickle(file.path, start)
  const length = new DataView(start.buffer).getBigUint64(0, true)
  if (length > BigInt(maximumHeaderBytes)) {
    throw damaged(file, `its header claims ${length} bytes, more than the format's limit of ${maximumHeaderBytes}`)
  }
  if (8 + Number(length) > file.size) {
    throw damaged(file, `its header claims ${length} bytes, but the file has only ${file.size}`)
  }
  return Number(length)
}

function parseHeader(file: ByteSource, length: number): Readonly<Record<string, unknown>> {
  let text: string
  let header: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file.read(8, length))
    header = JSON.parse(text)
  } catch (error) {
    if (error instanceof UserError) throw error
    throw damaged(file, `its header is not JSON (${messageOf(error)})`)
  }
  if (!isObject(header) || !text.startsWith('{')) throw damaged(file, 'its header is not a JSON object')
  const duplicate = duplicateKey(text)
  if (duplicate !== undefined) throw damaged(file, `its header has the key "${duplicate}" twice`)
  return header
}

function parseEntry(file: ByteSource, name: string, value: unknown, dataStart: number): SafetensorsEntry {
  const fail = (fault: string) => damaged(file, `tensor "${name}": ${fault}`)
  if (!isObject(value)) throw fail('its entry is not an object')
  const { dtype, shape, data_offsets: offsets } = value
  if (typeof dtype !== 'string') throw fail('it has no dtype')
  const bytes = Object.hasOwn(elementBytes, dtype) ? elementBytes[dtype]! : undefined
  if (bytes === undefined) throw fail(`its dtype "${dtype}" is unknown`)
  if (!isCountList(shape)) throw fail(`its shape ${JSON.stringify(shape)} is not a list of whole numbers`)
  if (!isCountList(offsets) || offsets.length !== 2) {
    throw fail(`its data_offsets ${JSON.stringify(offsets)} are not two whole numbers`)
  }
  const [begin, end] = [dataStart + offsets[0]!, dataStart + offsets[1]!]
  const size = shape.reduce((product, dimension) => product * dimension, bytes)
  if (!Number.isSafeInteger(size)) throw fail(`the size of its shape [${shape.join(', ')}] overflows`)
  if (begin > end) throw fail(`its data_offsets ${JSON.stringify(offsets)} run backwards`)
  if (end > file.size) throw fail(`its data ends at byte ${end}, beyond the file's ${file.size}`)
  if (end - begin !== size) {
    throw fail(`${dtype} [${shape.join(', ')}] takes ${size} bytes, but its data_offsets span ${end - begin}`)
  }
  return { dtype, shape, begin, end }
}

/** Every byte behind the header belongs to exactly one tensor. */
function checkCoverage(file: ByteSource, tensors: ReadonlyMap<string, SafetensorsEntry>, dataStart: number): void {
  const ordered = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)
  let covered = dataStart
  for (const [name, { begin, end }] of ordered) {
    if (begin < covered) throw damaged(file, `tensor "${name}": its data overlaps another tensor's`)
    if (begin > covered) {
      throw damaged(file, `tensor "${name}": ${begin - covered} bytes before its data belong to no tensor`)
    }
    covered = end
  }
  if (covered !== file.size) throw damaged(file, `its last ${file.size - covered} bytes belong to no tensor`)
}

function parseMetadata(file: ByteSource, value: unknown): ReadonlyMap<string, string> {
  if (value === undefined) return new Map()
  if (!isObject(value)) throw damaged(file, 'its __metadata__ is not an object')
  const metadata = new Map<string, string>()
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw damaged(file, `its __metadata__ "${key}" is not a string`)
    metadata.set(key, text)
  }
  return metadata
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(item => Number.isSafeInteger(item) && item >= 0)
}

/** Throws if the file's first bytes are those of Python's pickle or of PyTorch's zip of pickles. */
function refusePickle(path: string, start: Uint8Array): void {
  const isZip = start[0] === 0x50 && start[1] === 0x4b && start[2] === 0x03 && start[3] === 0x04
  const isPickle = start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5 && start.subarray(4).some(byte => byte !== 0)
  if (isZip || isPickle) throw pickleError(path)
}

/** The refusal of weights in Python's pickle format (`.bin`, `.pt`, `.pth`), with what to do instead. */
export function pickleError(path: string): UserError {
  return new UserError(`${path} holds pickled weights. Loading a pickle can run any code that its author put there, ` +
    'so posttrain reads only safetensors and GGUF. Take a revision of the model that has .safetensors files, or ' +
    'convert it where you trust it: in Python, load it with from_pretrained and call save_pretrained on the result')
}

function damaged(file: ByteSource, fault: string): UserError {
  return new UserError(`${file.path} is not a sound safetensors file: ${fault}. Fetch or write it again`)
}
