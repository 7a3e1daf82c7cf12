/** What a weight becomes in the prepared file at each precision, and the values that it then stands for. */
import type { ModelConfig } from './config.ts'
import type { TensorSource } from './files.ts'
import { int4Names, int8Names, nf4Names, type Precision } from './graph/linear-maps.ts'
import { linearModules, linearShape } from './graph/decoder.ts'
import { dequantizeInt4, quantizeInt4 } from './quantize-int4.ts'
import { dequantizeNf4, quantizeNf4 } from './quantize-nf4.ts'
import { dequantizeInt8, quantizeInt8, transposed } from './quantize.ts'

export type StoredValues = Float32Array | Uint8Array

/** A weight as stored: one tensor for each of the names. */
export interface StoredWeight {
  readonly tensors: readonly StoredValues[]
  /** What the products of its linear map multiply by, forwards: [out, in]. */
  readonly values: Float32Array<ArrayBuffer>
}

/** How a weight is stored: the names of its tensors in the prepared file, and what makes them of its values. */
export interface StorageForm {
  readonly names: readonly string[]
  store(weight: Float32Array<ArrayBuffer>): StoredWeight
}

/** @param shape [out, in] */
export function storageForm(name: string, [outputs, inputs]: readonly [number, number], precision: Precision): StorageForm {
  switch (precision) {
    case 'f32':
      return { names: [name], store: (weight) => ({ tensors: [weight], values: weight }) }
    case 'nf4': {
      const { codes, scaleCodes, scaleScales, offset } = nf4Names(name)
      return {
        names: [codes, scaleCodes, scaleScales, offset],
        store: (weight) => {
          const blocks = quantizeNf4(weight)
          return { tensors: [blocks.codes, blocks.scaleCodes, blocks.scaleScales, blocks.offset], values: dequantizeNf4(blocks) }
        },
      }
    }
    case 'int4': {
      const { codes, scales, offsets } = int4Names(name)
      return {
        names: [codes, scales, offsets],
        store: (weight) => {
          const blocks = quantizeInt4(weight, outputs, inputs)
          return { tensors: [blocks.codes, blocks.scales, blocks.offsets], values: dequantizeInt4(blocks, outputs, inputs) }
        },
      }
    }
    case 'int8': {
      const [stored, turned] = [int8Names(name), int8Names(name, 'transposed')]
      return {
        names: [stored.values, stored.scales, turned.values, turned.scales],
        store: (weight) => {
          const forward = quantizeInt8(weight, outputs, inputs)
          const backward = quantizeInt8(transposed(weight, outputs, inputs), inputs, outputs)
          return {
            tensors: [forward.values, forward.scales, backward.values, backward.scales],
            values: dequantizeInt8(forward, outputs, inputs),
          }
        },
      }
    }
  }
}

/** A model's weights as a frozen base of a precision has them: those of the blocks' linear layers as they are stored. */
export function frozenSource(model: Pick<TensorSource, 'read'> & { readonly config: ModelConfig }, precision: Precision): Pick<TensorSource, 'read'> {
  const layers = new Map(linearModules(model.config).map((module) => [`${module}.weight`, linearShape(model.config, module)]))
  return {
    read(name) {
      const shape = layers.get(name)
      return shape === undefined ? model.read(name) : storageForm(name, shape, precision).store(model.read(name)).values
    },
  }
}

/** The squared norm of each row. [out, in] -> [out] */
export function squaredRows(weight: Float32Array, outputs: number): Float32Array<ArrayBuffer> {
  const inputs = weight.length / outputs
  return Float32Array.from({ length: outputs }, (_, row) => {
    let sum = 0
    for (let i = row * inputs; i < (row + 1) * inputs; i++) sum += weight[i]! * weight[i]!
    return sum
  })
}
