/**
 * The stored types of GGUF tensors that can be turned into f32, value for value as ggml does it
 * (ggml-quants.c, dequantize_row_*; block layouts in ggml-common.h).
 *
 * A block holds a run of consecutive values of a row: packed small integers q and their scales. Products of a scale
 * and an integer are exact in f64, so the one rounding to f32 is ggml's too.
 */
import { floatBytes, halfToFloat, narrow, widen } from './float.ts'
import type { FloatType } from './float.ts'

/** A stored type: how many values share a block, how many bytes a block takes, how to read blocks. */
export interface GgufTensorType {
  readonly name: string
  /** The number that stands for it in a file (enum ggml_type). */
  readonly id: number
  readonly blockValues: number
  readonly blockBytes: number
  /** The f32 values of whole blocks. */
  readonly dequantize: (bytes: Uint8Array) => Float32Array<ArrayBuffer>
}

/** Writes the values of the block at byte `at` to `out` from index `to` on. */
type BlockReader = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void

function blockType(
  name: string, id: number, blockValues: number, blockBytes: number, readBlock: BlockReader,
): GgufTensorType {
  const dequantize = (bytes: Uint8Array): Float32Array<ArrayBuffer> => {
    const blocks = bytes.length / blockBytes
    const out = new Float32Array(blocks * blockValues)
    for (let block = 0; block < blocks; block++) readBlock(bytes, block * blockBytes, out, block * blockValues)
    return out
  }
  return { name, id, blockValues, blockBytes, dequantize }
}

function half(bytes: Uint8Array, at: number): number {
  return halfToFloat(bytes[at]! | (bytes[at + 1]! << 8))
}

function signed(byte: number): number {
  return (byte << 24) >> 24
}

/** d (half), 16 bytes: q = low nibbles, then high nibbles; x = d (q - 8). */
const readQ4_0: BlockReader = (bytes, at, out, to) => {
  const d = half(bytes, at)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 2 + i]!
    out[to + i] = d * ((pair & 15) - 8)
    out[to + i + 16] = d * ((pair >> 4) - 8)
  }
}

/** d, m (halves), nibbles as in Q4_0; x = d q + m. */
const readQ4_1: BlockReader = (bytes, at, out, to) => {
  const d = half(bytes, at)
  const m = half(bytes, at + 2)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 4 + i]!
    out[to + i] = d * (pair & 15) + m
    out[to + i + 16] = d * (pair >> 4) + m
  }
}

/** d, 32 fifth bits, nibbles as in Q4_0; x = d (q - 16). */
const readQ5_0: BlockReader = (bytes, at, out, to) => {
  const d = half(bytes, at)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 6 + i]!
    out[to + i] = d * (((pair & 15) | (fifthBit(bytes, at + 2, i) << 4)) - 16)
    out[to + i + 16] = d * (((pair >> 4) | (fifthBit(bytes, at + 2, i + 16) << 4)) - 16)
  }
}

/** d, m (halves), 32 fifth bits, nibbles as in Q4_0; x = d q + m. */
const readQ5_1: BlockReader = (bytes, at, out, to) => {
  const d = half(bytes, at)
  const m = half(bytes, at + 2)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 8 + i]!
    out[to + i] = d * ((pair & 15) | (fifthBit(bytes, at + 4, i) << 4)) + m
    out[to + i + 16] = d * ((pair >> 4) | (fifthBit(bytes, at + 4, i + 16) << 4)) + m
  }
}

function fifthBit(bytes: Uint8Array, at: number, index: number): number {
  return (bytes[at + (index >> 3)]! >> (index & 7)) & 1
}

/** d, 32 signed bytes; x = d q. */
const readQ8_0: BlockReader = (bytes, at, out, to) => {
  const d = half(bytes, at)
  for (let i = 0; i < 32; i++) out[to + i] = d * signed(bytes[at + 2 + i]!)
}

/** d, dmin (halves), eight 6-bit scales and minima in 12 bytes, 256 nibbles; x = (d scale) q - dmin minimum. */
const readQ4_K: BlockReader = (bytes, at, out, to) => {
  for (let group = 0; group < 8; group++) readGroup(bytes, at, at + 16, group, out, to + group * 32, () => 0)
}

/** Like Q4_K with a fifth bit: bit g of byte i of 32 bytes before the nibbles belongs to value i of group g. */
const readQ5_K: BlockReader = (bytes, at, out, to) => {
  for (let group = 0; group < 8; group++) {
    readGroup(bytes, at, at + 48, group, out, to + group * 32, i => ((bytes[at + 16 + i]! >> group) & 1) << 4)
  }
}

/** One group of 32 values of a Q4_K or Q5_K block at `at`; two groups share 32 bytes of nibbles. */
function readGroup(
  bytes: Uint8Array, at: number, nibbles: number, group: number, out: Float32Array, to: number,
  high: (i: number) => number,
): void {
  const [scale, minimum] = scaleAndMinimum(bytes, at + 4, group)
  const step = half(bytes, at) * scale
  const offset = half(bytes, at + 2) * minimum
  const start = nibbles + (group >> 1) * 32
  const shift = (group & 1) * 4
  for (let i = 0; i < 32; i++) out[to + i] = step * (((bytes[start + i]! >> shift) & 15) | high(i)) - offset
}

/** Groups 0 to 3 have their 6 bits in one byte, the others in a nibble and two spare bits (ggml's get_scale_min_k4). */
function scaleAndMinimum(bytes: Uint8Array, at: number, group: number): [number, number] {
  if (group < 4) return [bytes[at + group]! & 63, bytes[at + group + 4]! & 63]
  const nibbles = bytes[at + group + 4]!
  return [(nibbles & 15) | ((bytes[at + group - 4]! >> 6) << 4), (nibbles >> 4) | ((bytes[at + group]! >> 6) << 4)]
}

/** 128 bytes of low nibbles, 64 bytes of high bit pairs, sixteen signed scales, d; x = (d scale) (q - 32). */
const readQ6_K: BlockReader = (bytes, at, out, to) => {
  const d = half(bytes, at + 208)
  for (let i = 0; i < 256; i++) {
    const inHalf = i & 127
    const upper = i >> 7
    const low = bytes[at + upper * 64 + (inHalf & 63)]! >> ((inHalf >> 6) * 4)
    const high = bytes[at + 128 + upper * 32 + (inHalf & 31)]! >> ((inHalf >> 5) * 2)
    const scale = signed(bytes[at + 192 + (i >> 4)]!)
    out[to + i] = d * scale * (((low & 15) | ((high & 3) << 4)) - 32)
  }
}

function plainType(name: FloatType, id: number): GgufTensorType {
  return { name, id, blockValues: 1, blockBytes: floatBytes[name], dequantize: bytes => widen(name, bytes) }
}

/** The types that are read. */
export const ggufTypes = {
  F32: plainType('F32', 0),
  F16: plainType('F16', 1),
  BF16: plainType('BF16', 30),
  Q4_0: blockType('Q4_0', 2, 32, 18, readQ4_0),
  Q4_1: blockType('Q4_1', 3, 32, 20, readQ4_1),
  Q5_0: blockType('Q5_0', 6, 32, 22, readQ5_0),
  Q5_1: blockType('Q5_1', 7, 32, 24, readQ5_1),
  Q8_0: blockType('Q8_0', 8, 32, 34, readQ8_0),
  Q4_K: blockType('Q4_K', 12, 256, 144, readQ4_K),
  Q5_K: blockType('Q5_K', 13, 256, 176, readQ5_K),
  Q6_K: blockType('Q6_K', 14, 256, 210, readQ6_K),
} as const

/** The same by the number in the file. */
export const ggufTypeById: ReadonlyMap<number, GgufTensorType> =
  new Map(Object.values(ggufTypes).map(type => [type.id, type]))

/** Names of the types that exist but are not read, for error messages. */
export const unreadTypeNames: Readonly<Record<number, string>> = {
  9: 'Q8_1', 10: 'Q2_K', 11: 'Q3_K', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS',
  19: 'IQ1_S', 20: 'IQ4_NL', 21: 'IQ3_S', 22: 'IQ2_S', 23: 'IQ4_XS', 24: 'I8', 25: 'I16', 26: 'I32', 27: 'I64',
  28: 'F64', 29: 'IQ1_M',
  34: 'TQ1_0', 35: 'TQ2_0', 39: 'MXFP4',
}

/** The types that can be written. */
export type GgufOutputType = FloatType | 'Q8_0'

/** Stored bytes of f32 values; for Q8_0 their number must be a multiple of 32. */
export function encodeGguf(type: GgufOutputType, values: Float32Array): Uint8Array {
  return type === 'Q8_0' ? quantizeQ8_0(values) : narrow(type, values)
}

/** As ggml's quantize_row_q8_0_ref: scale = largest magnitude / 127, kept as a half; rounding half away from zero. */
function quantizeQ8_0(values: Float32Array): Uint8Array {
  const blocks = values.length / 32
  const scales = new Float32Array(blocks)
  const bytes = new Uint8Array(blocks * 34)
  for (let block = 0; block < blocks; block++) {
    const start = block * 32
    let largest = 0
    for (let i = start; i < start + 32; i++) largest = Math.max(largest, Math.abs(values[i]!))
    const scale = Math.fround(largest / 127)
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
    scales[block] = scale
    for (let i = 0; i < 32; i++) {
      const scaled = Math.fround(values[start + i]! * inverse)
      bytes[block * 34 + 2 + i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5)
    }
  }
  const halves = narrow('F16', scales)
  for (let block = 0; block < blocks; block++) bytes.set(halves.subarray(block * 2, block * 2 + 2), block * 34)
  return bytes
}
