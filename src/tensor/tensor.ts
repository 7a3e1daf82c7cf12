import type { Shape } from './shape.ts'

export type DType = 'float32' | 'int64' | 'int32' | 'uint8' | 'bool'

/** Values of a constant that is small enough to live in the graph. */
export type ConstantData = Float32Array | BigInt64Array | Uint8Array

export type AttributeValue = number | readonly number[] | string
/** Attributes of an ONNX node. Whole numbers become INT unless the name is in `floatAttributes` of onnx.ts. */
export type Attributes = Readonly<Record<string, AttributeValue>>

/** Where a tensor's values come from. */
export type Source =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'constant'; readonly data: ConstantData }
  /** Stored outside the graph under this name; the runtime says where. */
  | { readonly kind: 'weight'; readonly name: string }
  | { readonly kind: 'node'; readonly node: Node; readonly output: number }

/** One ONNX node. An absent optional input is undefined. */
export interface Node {
  readonly type: string
  readonly domain: string
  readonly inputs: readonly (Tensor | undefined)[]
  readonly attributes: Attributes
  readonly outputs: number
}

/**
 * Vector-Jacobian product: from the gradients of the outputs (undefined: zero) to those of the inputs (undefined: none).
 * A gradient may still have its output's broadcast shape: `gradients` sums it down to the input's.
 */
export type Vjp = (outputGradients: readonly (Tensor | undefined)[]) => readonly (Tensor | undefined)[]

/** How a gradient passes backwards through one operation: a single node, or several with a rule of their own. */
export interface Rule {
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly vjp: Vjp
}

/** A symbolic tensor: what it is computed from, and how its gradient flows back. Immutable but for its rule's closure. */
export class Tensor {
  readonly shape: Shape
  readonly dtype: DType
  readonly source: Source
  /** Undefined where no gradient passes: inputs, constants, integers. */
  readonly rule: Rule | undefined

  constructor(shape: Shape, dtype: DType, source: Source, rule?: (self: Tensor) => Rule) {
    this.shape = shape
    this.dtype = dtype
    this.source = source
    this.rule = rule?.(this)
  }
}

/** A value fed at each run. */
export function input(name: string, dtype: DType, shape: Shape): Tensor {
  return new Tensor(shape, dtype, { kind: 'input', name })
}

/** A value stored with the graph, outside of it: a frozen weight. */
export function weight(name: string, dtype: DType, shape: readonly number[]): Tensor {
  return new Tensor(shape, dtype, { kind: 'weight', name })
}

/** A small value written into the graph: a number becomes a f32 scalar, bigints an int64 vector. */
export function constant(value: number | Float32Array | readonly bigint[], shape?: readonly number[]): Tensor {
  if (typeof value === 'number') {
    return new Tensor([], 'float32', { kind: 'constant', data: Float32Array.of(value) })
  }
  if (value instanceof Float32Array) {
    return new Tensor(shape ?? [value.length], 'float32', { kind: 'constant', data: value })
  }
  return new Tensor(shape ?? [value.length], 'int64', { kind: 'constant', data: BigInt64Array.from(value) })
}

/** The int64 vector that ONNX operators take as shapes, axes and indices. */
export function integers(...values: readonly number[]): Tensor {
  return constant(values.map(BigInt))
}
