/** How a frozen weight is stored, and the products with it. */
import { quantizedMatmul, type LinearMap, type QuantizedWeight } from '../../tensor/functions.ts'
import { int4Block, int4Dequantized, int4Matmul, type Int4Weight } from '../../tensor/int4.ts'
import { nf4Dequantized, nf4Matmul, nf4ScaleBlock, nf4Block, type Nf4Weight } from '../../tensor/nf4.ts'
import { matmul } from '../../tensor/operators.ts'
import { weight } from '../../tensor/tensor.ts'
import { int8Block } from '../quantize.ts'

/** How a frozen base is stored and multiplied. */
export const precisions = ['f32', 'int8', 'int4', 'nf4'] as const
export type Precision = (typeof precisions)[number]

/** [out, in] */
type MatrixShape = readonly [outputs: number, inputs: number]

/** The map of a linear layer of the blocks. */
export function linearMap(name: string, shape: MatrixShape, precision: Precision): LinearMap {
  switch (precision) {
    case 'f32': return f32Map(name, shape)
    case 'int8': return int8Map(name, shape)
    case 'int4': return int4Map(name, shape)
    case 'nf4': return nf4Map(name, shape)
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
function int8Map(name: string, [outputs, inputs]: MatrixShape): LinearMap {
  const forward = int8Weight(int8Names(name), outputs, inputs)
  const backward = int8Weight(int8Names(name, 'transposed'), inputs, outputs)
  return { forward: (x) => quantizedMatmul(x, forward), backward: (g) => quantizedMatmul(g, backward) }
}

/** One stored copy: backwards it is unpacked, once for each run, since another rounding along the other axis would add up. */
function int4Map(name: string, [outputs, inputs]: MatrixShape): LinearMap {
  const names = int4Names(name)
  const blocks = Math.ceil(inputs / int4Block)
  const w: Int4Weight = {
    codes: weight(names.codes, 'uint8', [outputs, blocks, int4Block / 2]),
    scales: weight(names.scales, 'float32', [outputs * blocks]),
    offsets: weight(names.offsets, 'float32', [outputs, blocks]),
    outputs,
    inputs,
  }
  return { forward: (x) => int4Matmul(x, w), backward: (g) => matmul(g, int4Dequantized(w)) }
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

function int8Weight(names: Int8Names, outputs: number, inputs: number): QuantizedWeight {
  const blocks = Math.ceil(inputs / int8Block)
  return {
    values: weight(names.values, 'uint8', [outputs, blocks, int8Block]),
    scales: weight(names.scales, 'float32', [outputs * blocks]),
    bits: 8,
    block: int8Block,
    inputs,
    outputs,
  }
}

interface Int8Names {
  readonly values: string
  readonly scales: string
}

/** Names of an int8 copy of a weight in the prepared file. */
export function int8Names(weightName: string, layout: 'stored' | 'transposed' = 'stored'): Int8Names {
  const base = `${weightName}:int8${layout === 'stored' ? '' : 'ᵀ'}`
  return { values: base, scales: `${base}:scales` }
}

/** Names of the parts of an int4 weight in the prepared file; the keys are those of Int4Weight and Int4Blocks. */
export function int4Names(weightName: string): Readonly<Record<'codes' | 'scales' | 'offsets', string>> {
  const base = `${weightName}:int4`
  return { codes: base, scales: `${base}:scales`, offsets: `${base}:offsets` }
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
