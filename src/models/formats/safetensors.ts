import { UserError } from '../../errors.ts'
import { writeFileDurably } from '../../files.ts'
import { ByteFile, type ByteSource } from './byte-file.ts'
import type { TensorSource } from '../files.ts'
import { floatBytes, isFloatType, narrow, widen } from './float.ts'
import type { FloatType } from './float.ts'
import { readHeader } from './safetensors-header.ts'
import type { SafetensorsEntry } from './safetensors-header.ts'

/** An open safetensors file; only the ranges asked for are read. */
export interface SafetensorsFile extends TensorSource {
  readonly path: string
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>
  /** The header's `__metadata__`. */
  readonly metadata: ReadonlyMap<string, string>
}

/** Opens one safetensors file. Throws a UserError if its header is not sound, or if it is a pickle in disguise. */
export function openSafetensors(path: string): SafetensorsFile {
  return readSafetensors(new ByteFile(path))
}

/** Reads a safetensors file, which is closed with the result. Throws as openSafetensors does. */
export function readSafetensors(file: ByteSource): SafetensorsFile {
  try {
    const { tensors, metadata } = readHeader(file)
    return {
      path: file.path, tensors, metadata,
      read: name => readTensor(file, name, tensors.get(name)),
      close: () => file.close(),
    }
  } catch (error) {
    file.close()
    throw error
  }
}

function readTensor(file: ByteSource, name: string, entry: SafetensorsEntry | undefined): Float32Array<ArrayBuffer> {
  if (entry === undefined) throw new UserError(`${file.path} has no tensor "${name}"`)
  const { dtype, begin, end } = entry
  if (!isFloatType(dtype)) {
    throw new UserError(`${file.path}: tensor "${name}" is stored as ${dtype}; posttrain reads F32, F16 and BF16`)
  }
  if (dtype !== 'F32') return widen(dtype, file.read(begin, end - begin))
  const values = new Float32Array((end - begin) / 4)
  file.readInto(new Uint8Array(values.buffer), begin)
  return values
}

/** A tensor to be written: f32 values, or a function that makes them when their turn has come. */
export interface TensorInput {
  readonly name: string
  readonly dtype: FloatType
  /** Outermost dimension first. */
  readonly shape: readonly number[]
  readonly data: Float32Array | (() => Float32Array)
}

/**
 * Writes a safetensors file, one tensor in memory at a time, aside and renamed when complete.
 *
 * Tensors of wider types come first, so that each begins at a multiple of its element size.
 */
export async function writeSafetensors(
  path: string, tensors: Iterable<TensorInput>, metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ordered = [...tensors].sort((a, b) => floatBytes[b.dtype] - floatBytes[a.dtype])
  await writeFileDurably(path, async (file) => {
    await file.writeFile(encodeHeader(ordered, metadata))
    for (const { name, dtype, shape, data } of ordered) {
      const values = typeof data === 'function' ? data() : data
      if (values.length !== elementsOf(shape)) {
        throw new RangeError(`Tensor "${name}" has ${values.length} values; its shape is [${shape.join(', ')}]`)
      }
      await file.writeFile(narrow(dtype, values))
    }
  })
}

/** Length and JSON, padded with spaces to a multiple of 8 bytes. */
function encodeHeader(tensors: readonly TensorInput[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const header = new Map<string, unknown>()
  if (Object.keys(metadata).length > 0) header.set('__metadata__', metadata)
  let offset = 0
  for (const { name, dtype, shape } of tensors) {
    if (header.has(name) || name === '__metadata__') throw new RangeError(`A tensor cannot be named "${name}" here`)
    const end = offset + elementsOf(shape) * floatBytes[dtype]
    header.set(name, { dtype, shape, data_offsets: [offset, end] })
    offset = end
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)))
  const bytes = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true)
  bytes.set(json, 8)
  return bytes
}

/** How many values a tensor of this shape has. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1)
}
