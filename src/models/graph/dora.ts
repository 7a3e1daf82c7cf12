/**
 * Weight-decomposed low-rank adaptation (DoRA, Liu et al. 2024): y = m / ‖W + s B A‖ ∘ (W + s B A) x, where the norm is
 * that of each row, which belongs to one output, and m is trained beside A and B.
 */
import { add, div, matmul, mul, sqrt, stopGradient, sum, transpose } from '../../tensor/operators.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { FrozenParts } from './parts.ts'

/** A layer's adapter: A [rank, in], B [out, rank], m [out], and the factor s of B A. */
interface DoraAdapter {
  readonly a: Tensor
  readonly b: Tensor
  readonly magnitude: Tensor
  readonly scale: number
}

/**
 * m / ‖W + s B A‖, [out]. The norm passes no gradient (section 4.3 of the paper). Without forming W + s B A, for a row w of
 * W and its row b of B:  ‖w + s b A‖² = ‖w‖² + 2 s (w Aᵀ)·b + s² b (A Aᵀ)·b
 */
export function doraFactor(base: FrozenParts, module: string, adapter: DoraAdapter): Tensor {
  const [a, b] = [stopGradient(adapter.a), stopGradient(adapter.b)]
  const wa = transpose(base.product(module, a), [1, 0])
  const baa = matmul(b, matmul(a, a, { transposeB: true }))
  const change = sum(mul(b, add(mul(wa, 2 * adapter.scale), mul(baa, adapter.scale ** 2))), [1])
  return div(adapter.magnitude, sqrt(add(base.rowSquares(module), change)))
}
