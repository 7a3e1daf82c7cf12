/** What ONNX Runtime's WebGPU provider lacks or has wrong, as of 1.30, said in operators that it has right. */
import { node1 } from '../tensor/operator.ts'
import { add, div, matmul, mean, mul, sqrt, transpose } from '../tensor/operators.ts'
import { lower, type Lowering } from '../tensor/lower.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** A graph as the WebGPU provider can run it. */
export function lowerForWebgpu(outputs: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return lower(outputs, { SimplifiedLayerNormalization: rmsNorm, FusedMatMul: fusedMatmul })
}

/** The kernel returns the mean where the specification has the inverse root mean square. */
const rmsNorm: Lowering = ({ type, inputs, attributes }) => {
  const [x, scale] = inputs as [Tensor, Tensor]
  const inverseRms = div(1, sqrt(add(mean(mul(x, x), [-1], true), attributes['epsilon'] as number)))
  return [node1({ type, inputs: [x, scale], attributes, shape: x.shape }), inverseRms]
}

/** There is no kernel: the product would go back to the CPU, and its operands with it. */
const fusedMatmul: Lowering = ({ inputs, attributes }) => {
  const [a, b] = inputs as [Tensor, Tensor]
  return [matmul(attributes['transA'] === 1 ? swapLastTwo(a) : a, attributes['transB'] === 1 ? swapLastTwo(b) : b)]
}

function swapLastTwo(x: Tensor): Tensor {
  const rank = x.shape.length
  return transpose(x, [...Array(rank - 2).keys(), rank - 1, rank - 2])
}
