/**
 * 4-bit NormalFloat with double quantization (Dettmers et al. 2023, QLoRA), as bitsandbytes stores it: codes of a 16-entry
 * table in blocks of 64, each block's largest magnitude an 8-bit code itself.
 */
import { node1 } from './operator.ts'
import { add, cast, gather, mul, reshape, split } from './operators.ts'
import { constant, type Tensor } from './tensor.ts'

/** The 16 values that a code stands for: quantiles of the normal distribution, zero exact (appendix E of the paper). */
export const nf4Values: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
]

/** Weights that share a scale. */
export const nf4Block = 64
/** Scales that share a scale. */
export const nf4ScaleBlock = 256

/**
 * The 256 values of an 8-bit scale code, ascending: seven decades, each with twice the steps of the one below
 * (dynamic tree quantization, Dettmers 2016), zero, and one.
 */
export const dynamicValues: Float32Array = Float32Array.from([...signedDecades(), 0, 1]).sort()

function signedDecades(): number[] {
  const decades = Array.from({ length: 7 }, (_, decade) => {
    const steps = 2 ** decade
    // The middle of each of `steps` equal parts of 0.1 … 1.
    return Array.from({ length: steps }, (_, i) => 10 ** (decade - 6) * (0.1 + (0.9 * (i + 0.5)) / steps))
  }).flat()
  return [...decades, ...decades.map((value) => -value)]
}

/** A weight [out, in] in NF4: flat, row-major; n = out · in is a multiple of 64. */
export interface Nf4Weight {
  /** uint8 [n / 2], two codes a byte, the first in the high half. */
  readonly codes: Tensor
  /** uint8 [m, 256] with m = ⌈n / 64 / 256⌉: codes of the blocks' scales; those beyond n / 64 mean nothing. */
  readonly scaleCodes: Tensor
  /** f32 [m, 1]: what the scale codes are multiplied by. */
  readonly scaleScales: Tensor
  /** f32 [1]: what is added to every scale. */
  readonly offset: Tensor
  readonly outputs: number
  readonly inputs: number
}

/** x Wᵀ in f32. The kernel unpacks W for each product, into memory that it gives back. [.., in] -> [.., out] */
export function nf4Matmul(x: Tensor, weight: Nf4Weight): Tensor {
  return node1({
    type: 'MatMulBnb4',
    domain: 'com.microsoft',
    inputs: [x, weight.codes, nf4Scales(weight)],
    // The kernel accepts transB = 0 and computes something else then: the way back goes through nf4Dequantized.
    attributes: { K: weight.inputs, N: weight.outputs, block_size: nf4Block, quant_type: 1, transB: 1 },
    shape: x.shape.with(-1, weight.outputs),
  })
}

/** The weight as f32 [out, in]: the values that nf4Matmul multiplies by. */
export function nf4Dequantized(weight: Nf4Weight): Tensor {
  const { outputs, inputs, codes } = weight
  const blocks = (outputs * inputs) / nf4Block
  const values = reshape(gather(codePairs, cast(codes, 'int32')), [blocks, nf4Block])
  return reshape(mul(values, reshape(nf4Scales(weight), [blocks, 1])), [outputs, inputs])
}

/** The scale of each block, f32 [n / 64]. */
function nf4Scales({ outputs, inputs, scaleCodes, scaleScales, offset }: Nf4Weight): Tensor {
  const blocks = (outputs * inputs) / nf4Block
  const padded = scaleCodes.shape[0] as number * nf4ScaleBlock
  const scales = reshape(add(mul(gather(dynamicTable, cast(scaleCodes, 'int32')), scaleScales), offset), [padded])
  return padded === blocks ? scales : split(scales, [blocks, padded - blocks], 0)[0]!
}

const dynamicTable = constant(dynamicValues)

/** A byte of codes to its two values, [256, 2]. */
const codePairs = constant(
  Float32Array.from({ length: 512 }, (_, i) => nf4Values[i % 2 === 0 ? i >> 5 : (i >> 1) & 15]!), [256, 2],
)
