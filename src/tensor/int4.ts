/**
 * Weights in blocks of 32 integers of 4 bits with a scale and an offset each: w = (code − 8) scale + offset. What is stored
 * as GGUF's Q4_0 or Q4_1 is exactly of this form.
 */
import { quantizedMatmul } from './functions.ts'
import { node1 } from './operator.ts'
import { add, cast, gather, matmul, mul, reshape, split, sum } from './operators.ts'
import { constant, integers, type Tensor } from './tensor.ts'

/** Weights that share a scale and an offset. */
export const int4Block = 32

/** A weight [out, in]; a row's last block is padded. With b = ⌈in / 32⌉: */
export interface Int4Weight {
  /** uint8 [out, b, 16], two codes a byte, the first in the low half. */
  readonly codes: Tensor
  /** f32 [out * b] */
  readonly scales: Tensor
  /** f32 [out, b] */
  readonly offsets: Tensor
  readonly outputs: number
  readonly inputs: number
}

/**
 * x Wᵀ, activations quantized to int8 per block. The offsets are multiplied by the sum of a block's activations: a product
 * of 1/32 of the size. [.., in] -> [.., out]
 */
export function int4Matmul(x: Tensor, { codes, scales, offsets, outputs, inputs }: Int4Weight): Tensor {
  const scaled = quantizedMatmul(x, { values: codes, scales, bits: 4, block: int4Block, inputs, outputs })
  return add(scaled, matmul(blockSums(x, inputs), offsets, { transposeB: true }))
}

/** [.., in] -> [.., b] */
function blockSums(x: Tensor, inputs: number): Tensor {
  const blocks = Math.ceil(inputs / int4Block)
  const lead = x.shape.slice(0, -1)
  return sum(reshape(padded(x, blocks * int4Block - inputs), [...lead, blocks, int4Block]), [-1])
}

/** Zeros after the last axis' end. */
function padded(x: Tensor, count: number): Tensor {
  if (count === 0) return x
  const pads = [...Array<number>(2 * x.shape.length - 1).fill(0), count]
  return node1({ type: 'Pad', inputs: [x, integers(...pads)], shape: x.shape.with(-1, (x.shape.at(-1) as number) + count) })
}

/** The weight as f32 [out, in]. */
export function int4Dequantized({ codes, scales, offsets, outputs, inputs }: Int4Weight): Tensor {
  const blocks = Math.ceil(inputs / int4Block)
  const values = reshape(gather(codePairs, cast(codes, 'int32')), [outputs, blocks, int4Block])
  const ofBlock = (tensor: Tensor): Tensor => reshape(tensor, [outputs, blocks, 1])
  const rows = reshape(add(mul(values, ofBlock(scales)), ofBlock(offsets)), [outputs, blocks * int4Block])
  return blocks * int4Block === inputs ? rows : split(rows, [inputs, blocks * int4Block - inputs], 1)[0]!
}

/** A byte of codes to its two values less 8, [256, 2]. */
const codePairs = constant(Float32Array.from({ length: 512 }, (_, i) => (i % 2 === 0 ? (i >> 1) & 15 : i >> 5) - 8), [256, 2])
