/**
 * Functions of several operators with a gradient rule of their own, where the chain rule alone would make more passes
 * over memory or keep more tensors alive. Each is checked against finite differences like an operator.
 */
import { differentiable1, node, node1, repeatable } from './operator.ts'
import { add, gather, log, matmul, mean, mul, neg, pick, reduceMax, reshape, sigmoid, softmax, sub, sum, unsqueeze } from './operators.ts'
import { times, type Dim } from './shape.ts'
import type { Tensor } from './tensor.ts'

/**
 * Root-mean-square normalization over the last axis, y = γ x / rms(x) (Zhang & Sennrich 2019).
 * With x̂ = x / rms(x): dx = (γg − x̂ mean(γg x̂)) / rms(x), dγ = Σ g x̂.
 */
export function rmsNorm(x: Tensor, scale: Tensor, epsilon: number): Tensor {
  const statistics = [...x.shape.slice(0, -1), 1]
  const [y, inverseRms] = node({
    type: 'SimplifiedLayerNormalization',
    inputs: [x, scale],
    attributes: { axis: -1, epsilon, stash_type: 1 },
    outputs: [{ shape: x.shape }, { shape: statistics }],
  }) as [Tensor, Tensor]
  const normalized = mul(x, inverseRms)
  const result = differentiable1([x, scale], y, (g) => {
    const scaled = mul(g, scale)
    const dx = mul(sub(scaled, mul(normalized, mean(mul(scaled, normalized), [-1], true))), inverseRms)
    return [dx, mul(g, normalized)]
  })
  return repeatable(result, mul(normalized, scale))
}

/**
 * The gated unit of SwiGLU: silu(gate) · up, silu(x) = x σ(x) (Shazeer 2020). The forward pass takes silu from one node
 * and the gradient makes σ anew: neither is kept in between, which for wide layers is a fifth of all activations.
 */
export function siluGate(gate: Tensor, up: Tensor): Tensor {
  const silu = node1({ type: 'QuickGelu', domain: 'com.microsoft', inputs: [gate], attributes: { alpha: 1 }, shape: gate.shape })
  const sigma = sigmoid(gate)
  const siluAgain = mul(gate, sigma)
  const result = differentiable1([gate, up], mul(silu, up), (g) => {
    // silu' = σ + silu (1 − σ) = σ + silu − silu σ
    const slope = sub(add(sigma, siluAgain), mul(siluAgain, sigma))
    return [mul(mul(g, up), slope), mul(g, siluAgain)]
  })
  return repeatable(result, mul(siluAgain, up))
}

/** Cosines and sines of the angles of every position, [L, D/2] both, and the positions that are rotated, [B, S] int64. */
export interface Rotations {
  readonly positions: Tensor
  readonly cos: Tensor
  readonly sin: Tensor
}

/**
 * Rotary position embedding in the half-split form of GPT-NeoX and Llama: [a, b] -> [a cos − b sin, b cos + a sin]
 * (Su et al. 2021). The gradient rotates back.
 * @param x [B, heads, S, D]
 */
export function rotate(x: Tensor, { positions, cos, sin }: Rotations): Tensor {
  const turn = (value: Tensor, sines: Tensor): Tensor =>
    node1({
      type: 'RotaryEmbedding',
      domain: 'com.microsoft',
      inputs: [value, positions, cos, sines],
      attributes: { interleaved: 0 },
      shape: value.shape,
    })
  return differentiable1([x], turn(x, sin), (g) => [turn(g, neg(sin))])
}

/**
 * softmax(q kᵀ + mask) v, where several query heads share one head of keys and values (Ainslie et al. 2023).
 * The gradient takes Σ_j P_ij dP_ij as Σ_d O_id dO_id, a pass over [.., Q, D] instead of [.., Q, K] (Dao 2023).
 * @param q [B, H, Q, D], already scaled by D^−½
 * @param k, v [B, G, K, D] with G a divisor of H
 * @param mask [B or 1, 1, Q, K], 0 or a large negative number
 * @returns [B, H, Q, D]
 */
export function groupedAttention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor): Tensor {
  const [batch, heads, queries, size] = q.shape as [Dim, number, Dim, number]
  const [, groups, keys] = k.shape as [Dim, number, Dim]
  // A group's heads are folded into its rows, so that each product is one matrix product per group.
  const rows = times(heads / groups, queries)
  const fold = (x: Tensor, last: Dim): Tensor => reshape(x, [batch, groups, rows, last])
  const unfold = (x: Tensor, last: Dim): Tensor => reshape(x, [batch, heads, queries, last])

  const qFolded = fold(q, size)
  const scores = unfold(matmul(qFolded, k, { transposeB: true }), keys)
  const p = fold(softmax(add(scores, mask)), keys)
  const output = matmul(p, v)
  return differentiable1([q, k, v], unfold(output, size), (g) => {
    const gFolded = fold(g, size)
    const rowSum = sum(mul(gFolded, output), [-1], true)
    const dScores = mul(p, sub(matmul(gFolded, v, { transposeB: true }), rowSum))
    return [
      unfold(matmul(dScores, k), size),
      matmul(dScores, qFolded, { transposeA: true }),
      matmul(p, gFolded, { transposeA: true }),
    ]
  })
}

/** Keys and values of earlier positions, [B, G, P, D] both, and the two lengths [S, P] as an int64 vector. */
export interface PastKeys {
  readonly k: Tensor
  readonly v: Tensor
  readonly lengths: Tensor
}

/**
 * Grouped attention over new positions and those of a cache, which is an input and is not copied: only the scores are
 * joined. The new positions come first, so that a longer cache moves nothing and changes no rounding. No gradient.
 * @param q [B, H, S, D], already scaled by D^−½
 * @param k, v [B, G, S, D] of the new positions
 * @param mask [B, 1, S, S + P]
 * @returns [B, H, S, D]
 */
export function cachedAttention(q: Tensor, k: Tensor, v: Tensor, past: PastKeys, mask: Tensor): Tensor {
  const [batch, heads, queries, size] = q.shape as [Dim, number, Dim, number]
  const groups = k.shape[1] as number
  // A product for each head: where it has one query, it reads the keys where they lie and packs none of them.
  const qGrouped = reshape(q, [batch, groups, heads / groups, queries, size])
  const ofGroup = (x: Tensor): Tensor => unsqueeze(x, 2)
  const scoresNew = matmul(qGrouped, ofGroup(k), { transposeB: true })
  const scoresPast = matmul(qGrouped, ofGroup(past.k), { transposeB: true })
  const shape = scoresNew.shape.with(-1, mask.shape.at(-1)!)
  const scores = node1({ type: 'Concat', inputs: [scoresNew, scoresPast], attributes: { axis: -1 }, shape })
  const [pNew, pPast] = node({
    type: 'Split',
    inputs: [softmax(add(scores, ofGroup(mask))), past.lengths],
    attributes: { axis: -1 },
    outputs: [{ shape: scoresNew.shape }, { shape: scoresPast.shape }],
  }) as [Tensor, Tensor]
  return reshape(add(matmul(pNew, ofGroup(v)), matmul(pPast, ofGroup(past.v))), [batch, heads, queries, size])
}

/** A linear map without bias, as stored: y = x Wᵀ, and backwards x W. */
export interface LinearMap {
  /** [.., in] -> [.., out] */
  readonly forward: (x: Tensor) => Tensor
  /** [.., out] -> [.., in] */
  readonly backward: (gradient: Tensor) => Tensor
}

/** Applies a frozen map: a gradient for x, none for the weights. */
export function frozenLinear(x: Tensor, map: LinearMap): Tensor {
  return differentiable1([x], map.forward(x), (g) => [map.backward(g)])
}

/** A weight quantized in blocks along the input axis, as MatMulNBits of ONNX Runtime takes it. */
export interface QuantizedWeight {
  /** uint8 [out, in / block, block * bits / 8] */
  readonly values: Tensor
  /** f32 [out * in / block] */
  readonly scales: Tensor
  readonly bits: 4 | 8
  readonly block: number
  readonly inputs: number
  readonly outputs: number
}

/** x Wᵀ with a block-quantized W, activations quantized to int8 per block (accuracy level 4). [.., in] -> [.., out] */
export function quantizedMatmul(x: Tensor, weight: QuantizedWeight): Tensor {
  return node1({
    type: 'MatMulNBits',
    domain: 'com.microsoft',
    inputs: [x, weight.values, weight.scales],
    attributes: {
      K: weight.inputs,
      N: weight.outputs,
      bits: weight.bits,
      block_size: weight.block,
      accuracy_level: 4,
    },
    shape: x.shape.with(-1, weight.outputs),
  })
}

/**
 * log softmax(h Wᵀ)[label] of each position, without a gradient tensor of the size of the logits:
 * with P = softmax(h Wᵀ), dh = g (W[label] − P W).
 * @param hidden [N, H]
 * @param labels [N] int64
 * @param head the output head, H -> V
 * @param rows W as [V, H], for the label's row
 * @returns [N]
 */
export function tokenLogprobs(hidden: Tensor, labels: Tensor, head: LinearMap, rows: Tensor): Tensor {
  const logits = head.forward(hidden)
  const p = softmax(logits)
  return differentiable1([hidden], sub(pick(logits, labels), logSumExp(logits, p)), (g) => {
    const column = reshape(g, [...g.shape, 1])
    return [mul(column, sub(gather(rows, labels), head.backward(p)))]
  })
}

/** log Σ exp(x) over the last axis from x and its softmax: at the maximum, log p = x − log Σ exp(x). [.., n] -> [..] */
function logSumExp(x: Tensor, p: Tensor): Tensor {
  return sub(reduceMax(x, [-1]), log(reduceMax(p, [-1])))
}
