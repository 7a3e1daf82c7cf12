/** Makes and undoes NF4 weights (tensor/nf4.ts) on the host. */
import { UserError } from '../errors.ts'
import { dynamicValues, nf4Block, nf4ScaleBlock, nf4Values } from '../tensor/nf4.ts'

/** A weight of n values in NF4; the fields are those of Nf4Weight. */
export interface Nf4Blocks {
  /** [n / 2] */
  readonly codes: Uint8Array<ArrayBuffer>
  /** [⌈n / 64 / 256⌉ * 256] */
  readonly scaleCodes: Uint8Array<ArrayBuffer>
  /** [⌈n / 64 / 256⌉] */
  readonly scaleScales: Float32Array<ArrayBuffer>
  /** [1] */
  readonly offset: Float32Array<ArrayBuffer>
}

/**
 * Quantizes as bitsandbytes does with `compress_statistics`: each block of 64 by its largest magnitude to the nearest of
 * 16 values, then these magnitudes, less their mean, in blocks of 256 to 8 bits.
 * @param weight [out, in], flat
 */
export function quantizeNf4(weight: Float32Array): Nf4Blocks {
  if (weight.length % nf4Block !== 0) {
    throw new UserError(`nf4 takes weights in blocks of ${nf4Block}; the model has one of ${weight.length} values. Take int4`)
  }
  const scales = new Float32Array(weight.length / nf4Block)
  const codes = new Uint8Array(weight.length / 2)
  for (let block = 0; block < scales.length; block++) {
    const start = block * nf4Block
    const scale = largestMagnitude(weight, start, start + nf4Block)
    scales[block] = scale
    const inverse = scale === 0 ? 0 : 1 / scale
    for (let i = start; i < start + nf4Block; i += 2) {
      codes[i / 2] = (nearest(nf4Values, weight[i]! * inverse) << 4) | nearest(nf4Values, weight[i + 1]! * inverse)
    }
  }
  return { codes, ...quantizeScales(scales) }
}

function quantizeScales(scales: Float32Array): Omit<Nf4Blocks, 'codes'> {
  const mean = Math.fround(scales.reduce((sum, scale) => sum + scale, 0) / scales.length)
  const centred = scales.map((scale) => scale - mean)
  const count = Math.ceil(scales.length / nf4ScaleBlock)
  const scaleScales = new Float32Array(count)
  const scaleCodes = new Uint8Array(count * nf4ScaleBlock)
  for (let block = 0; block < count; block++) {
    const start = block * nf4ScaleBlock
    const end = Math.min(start + nf4ScaleBlock, centred.length)
    const scale = largestMagnitude(centred, start, end)
    scaleScales[block] = scale
    const inverse = scale === 0 ? 0 : 1 / scale
    for (let i = start; i < end; i++) scaleCodes[i] = nearest(dynamicValues, centred[i]! * inverse)
  }
  return { scaleCodes, scaleScales, offset: Float32Array.of(mean) }
}

/** The values that an NF4 weight stands for. */
export function dequantizeNf4({ codes, scaleCodes, scaleScales, offset }: Nf4Blocks): Float32Array<ArrayBuffer> {
  const weight = new Float32Array(codes.length * 2)
  for (let start = 0; start < weight.length; start += nf4Block) {
    const block = start / nf4Block
    const scale = Math.fround(dynamicValues[scaleCodes[block]!]! * scaleScales[Math.floor(block / nf4ScaleBlock)]!) + offset[0]!
    const rounded = Math.fround(scale)
    for (let i = start; i < start + nf4Block; i += 2) {
      weight[i] = Math.fround(nf4Values[codes[i / 2]! >> 4]!) * rounded
      weight[i + 1] = Math.fround(nf4Values[codes[i / 2]! & 15]!) * rounded
    }
  }
  return weight
}

function largestMagnitude(values: Float32Array, start: number, end: number): number {
  let largest = 0
  for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(values[i]!))
  return largest
}

/** Index of the nearest of ascending values; of two equally near, the lower. */
function nearest(values: ArrayLike<number>, x: number): number {
  let low = 0
  let high = values.length - 1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (values[middle]! <= x) low = middle
    else high = middle
  }
  return x - values[low]! <= values[high]! - x ? low : high
}
