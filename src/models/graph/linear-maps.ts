/** How a frozen weight is stored, and the products with it. */
import { quantizedMatmul, type LinearMap, type QuantizedWeight } from '../../tensor/functions.ts'
import { nf4Dequantized, nf4Matmul, nf4ScaleBlock, nf4Block, type Nf4Weight } from '../../tensor/nf4.ts'
import { matmul } from '../../tensor/operators.ts'
import { weight } from '../../tensor/tensor.ts'
import { int4Block, int8Block } from '../quantize.ts'

/** How a frozen base is stored and multiplied. */
export const precisions = ['f32', 'int8', 'int4', 'nf4'] as const
export type Precision = (typeof precisions)[number]

/** [out, in] */
type MatrixShape = readonly [outputs: number, inputs: number]

/** The map of a linear layer of the blocks. */
export function linearMap(name: string, shape: MatrixShape, precision: Precision): LinearMap {
  switch (precision) {
    case 'f32': return f32Map(name, shape)
    case 'nf4': return nf4Map(name, shape)
    case 'int8': case 'int4': return integerMap(name, shape, precision)
  }
}

/** The precision of the output head: 4 bits of it would cost more than all the blocks'. */
export function headPrecision(precision: Precision): 'f32' | 'int8' {
  return precision === 'int8' || precision === 'int4' ? 'int8' : 'f32'
}

/** One stored copy serves both directions: x Wᵀ reads it transposed, g W as it is. */
function f32Map(name: string, shape: MatrixShape): LinearMap {
  const w = weight(name, 'float32', shape)
  return { forward: (x) => matmul(x, w, { transposeB: true }), backward: (g) => matmul(g, w) }
}

/** Blocks run along the axis that is summed over, so the backward product has its own quantized copy. */
function integerMap(name: string, [outputs, inputs]: MatrixShape, precision: 'int8' | 'int4'): LinearMap {
  const forward = integerWeight(integerNames(name, precision), outputs, inputs, precision)
  const backward = integerWeight(integerNames(name, precision, 'transposed'), inputs, outputs, precision)
  return { forward: (x) => quantizedMatmul(x, forward), backward: (g) => quantizedMatmul(g, backward) }
}

/** One stored copy, and exactly the same weight both ways: backwards it is unpacked, once for each run. */
function nf4Map(name: string, [outputs, inputs]: MatrixShape): LinearMap {
  const names = nf4Names(name)
  const scaleBlocks = Math.ceil((outputs * inputs) / nf4Block / nf4ScaleBlock)
  const w: Nf4Weight = {
    codes: weight(names.codes, 'uint8', [(outputs * inputs) / 2]),
    scaleCodes: weight(names.scaleCodes, 'uint8', [scaleBlocks, nf4ScaleBlock]),
    scaleScales: weight(names.scaleScales, 'float32', [scaleBlocks, 1]),
    offset: weight(names.offset, 'float32', [1]),
    outputs,
    inputs,
  }
  return { forward: (x) => nf4Matmul(x, w), backward: (g) => matmul(g, nf4Dequantized(w)) }
}

function integerWeight(names: IntegerNames, outputs: number, inputs: number, precision: 'int8' | 'int4'): QuantizedWeight {
  const [bits, block] = precision === 'int8' ? ([8, int8Block] as const) : ([4, int4Block] as const)
  const blocks = Math.ceil(inputs / block)
  return {
    values: weight(names.values, 'uint8', [outputs, blocks, (block * bits) / 8]),
    scales: weight(names.scales, 'float32', [outputs * blocks]),
    bits,
    block,
    inputs,
    outputs,
  }
}

interface IntegerNames {
  readonly values: string
  readonly scales: string
}

/** Names of an integer copy of a weight in the prepared file. */
export function integerNames(weightName: string, precision: 'int8' | 'int4', layout: 'stored' | 'transposed' = 'stored'): IntegerNames {
  const base = `${weightName}:${precision}${layout === 'stored' ? '' : 'ᵀ'}`
  return { values: base, scales: `${base}:scales` }
}

/** Names of the parts of an NF4 weight in the prepared file; the keys are those of Nf4Weight and Nf4Blocks. */
export function nf4Names(weightName: string): Readonly<Record<'codes' | 'scaleCodes' | 'scaleScales' | 'offset', string>> {
  const base = `${weightName}:nf4`
  return { codes: base, scaleCodes: `${base}:scale-codes`, scaleScales: `${base}:scale-scales`, offset: `${base}:offset` }
}

/** Name of the squared norms of a weight's rows in the prepared file. */
export function rowSquaresName(weightName: string): string {
  return `${weightName}:row-squares`
}
