/** Makes and undoes weights of 4-bit integers (tensor/int4.ts) on the host. */
import { int4Block } from '../tensor/int4.ts'

/** A weight [out, in] in blocks; the fields are those of Int4Weight. */
export interface Int4Blocks {
  readonly codes: Uint8Array<ArrayBuffer>
  readonly scales: Float32Array<ArrayBuffer>
  readonly offsets: Float32Array<ArrayBuffer>
}

/** One block: w ≈ (code − 8) scale + offset. */
interface Fit {
  readonly scale: number
  readonly offset: number
  /** Sum of the squared differences. */
  readonly error: number
}

/**
 * Each block by the better of two fits: 16 steps from its smallest to its largest value, as GGUF's Q4_1 has them, or what is
 * largest in magnitude at −8 and zero at zero, as Q4_0 has it. A weight that was read from either comes back as it was.
 * @param weight [out, in]
 */
export function quantizeInt4(weight: Float32Array, outputs: number, inputs: number): Int4Blocks {
  const blocks = Math.ceil(inputs / int4Block)
  const codes = new Uint8Array((outputs * blocks * int4Block) / 2).fill(0x88)
  const scales = new Float32Array(outputs * blocks)
  const offsets = new Float32Array(outputs * blocks)
  for (let block = 0; block < scales.length; block++) {
    const row = Math.floor(block / blocks)
    const start = row * inputs + (block % blocks) * int4Block
    const values = weight.subarray(start, Math.min(start + int4Block, (row + 1) * inputs))
    const [spread, centred] = [spreadFit(values), centredFit(values)]
    const { scale, offset } = spread.error < centred.error ? spread : centred
    scales[block] = scale
    offsets[block] = offset
    values.forEach((value, i) => {
      const at = block * int4Block + i
      const code = codeOf(value, scale, offset)
      codes[at >> 1] = at % 2 === 0 ? (codes[at >> 1]! & 0xf0) | code : (codes[at >> 1]! & 0x0f) | (code << 4)
    })
  }
  return { codes, scales, offsets }
}

function spreadFit(values: Float32Array): Fit {
  let [low, high] = [values[0]!, values[0]!]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  const scale = Math.fround((high - low) / 15)
  return fit(values, scale, Math.fround(low + 8 * scale))
}

function centredFit(values: Float32Array): Fit {
  let largest = 0
  for (const value of values) if (Math.abs(value) > Math.abs(largest)) largest = value
  return fit(values, Math.fround(largest / -8), 0)
}

function fit(values: Float32Array, scale: number, offset: number): Fit {
  let error = 0
  for (const value of values) error += ((codeOf(value, scale, offset) - 8) * scale + offset - value) ** 2
  return { scale, offset, error }
}

function codeOf(value: number, scale: number, offset: number): number {
  return scale === 0 ? 8 : Math.max(0, Math.min(15, Math.round((value - offset) / scale) + 8))
}

/** The values that a weight in blocks of 4 bits stands for, [out, in]. */
export function dequantizeInt4({ codes, scales, offsets }: Int4Blocks, outputs: number, inputs: number): Float32Array<ArrayBuffer> {
  const padded = Math.ceil(inputs / int4Block) * int4Block
  const weight = new Float32Array(outputs * inputs)
  for (let row = 0; row < outputs; row++) {
    for (let i = 0; i < inputs; i++) {
      const at = row * padded + i
      const code = at % 2 === 0 ? codes[at >> 1]! & 15 : codes[at >> 1]! >> 4
      const block = Math.floor(at / int4Block)
      weight[row * inputs + i] = Math.fround((code - 8) * scales[block]!) + offsets[block]!
    }
  }
  return weight
}
