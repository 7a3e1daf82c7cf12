import type { Shape } from './shape.ts'
import { Tensor, type Attributes, type DType, type Node, type Vjp } from './tensor.ts'

interface NodeSpec {
  readonly type: string
  /** '' is ai.onnx; 'com.microsoft' holds ONNX Runtime's own operators. */
  readonly domain?: string
  readonly inputs: readonly (Tensor | undefined)[]
  readonly attributes?: Attributes
  readonly outputs: readonly { readonly shape: Shape; readonly dtype?: DType }[]
}

/** One ONNX node without a gradient: a building block of rules and of `differentiable` functions. */
export function node(spec: NodeSpec): Tensor[] {
  const made: Node = {
    type: spec.type,
    domain: spec.domain ?? '',
    inputs: spec.inputs,
    attributes: spec.attributes ?? {},
    outputs: spec.outputs.length,
  }
  return spec.outputs.map(({ shape, dtype = 'float32' }, output) => new Tensor(shape, dtype, { kind: 'node', node: made, output }))
}

/** A node with a single output. */
export function node1(spec: Omit<NodeSpec, 'outputs'> & { readonly shape: Shape; readonly dtype?: DType }): Tensor {
  const { shape, dtype = 'float32', ...rest } = spec
  return node({ ...rest, outputs: [{ shape, dtype }] })[0]!
}

/** Gives already computed values a gradient rule from `outputs` to `inputs`, whatever happens between the two. */
export function differentiable(inputs: readonly Tensor[], outputs: readonly Tensor[], vjp: Vjp): Tensor[] {
  const ruled: Tensor[] = []
  const rule = { inputs, outputs: ruled, vjp }
  for (const output of outputs) ruled.push(new Tensor(output.shape, output.dtype, output.source, () => rule))
  return ruled
}

/** The one-output case of `differentiable`; the rule is not called without a gradient. */
export function differentiable1(
  inputs: readonly Tensor[],
  output: Tensor,
  vjp: (gradient: Tensor) => readonly (Tensor | undefined)[],
): Tensor {
  return differentiable(inputs, [output], ([gradient]) => (gradient === undefined ? [] : vjp(gradient)))[0]!
}

const repetitions = new WeakMap<Tensor, Tensor>()

/**
 * Says how a value can be made anew from others that the backward pass keeps anyway: what it is multiplied by there is
 * then the repetition, and the value itself is not kept. The nodes must differ from the first ones, or ONNX Runtime
 * merges the two.
 */
export function repeatable(value: Tensor, repetition: Tensor): Tensor {
  repetitions.set(value, repetition)
  return value
}

/** The value, made anew where that saves keeping it. */
export function repeated(value: Tensor): Tensor {
  return repetitions.get(value) ?? value
}
