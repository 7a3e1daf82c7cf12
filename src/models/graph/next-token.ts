/**
 * The choice of the next token, up to a chunk of the vocabulary. The host makes the rest of the choice: it sees a few
 * hundred logits of each row and not all of them, whose copy and exponentials would cost more than some models' decoding.
 */
import { node1 } from '../../tensor/operator.ts'
import { cast, gather, less, mul, reduceMax, reshape, softmax, sum, unsqueeze, where } from '../../tensor/operators.ts'
import { constant, input, integers, type Tensor } from '../../tensor/tensor.ts'
import { masked } from './forward.ts'

/** Token ids of one chunk: chunk c holds those from c * chunkSize. */
export const chunkSize = 256

/**
 * Graph inputs: `inverse_temperature` [N, 1], 1 / T (anything for a row that takes the likeliest token), `draw` [N, 1],
 * uniform in [0, 1), or negative for a row that takes the likeliest token, and `logit_rows` [L], the rows whose logits the
 * host asks for.
 *
 * Outputs, for C = ceil(V / 256) chunks:
 * - `logits` [L, V];
 * - `chunk` [N] int64, drawn by the probabilities of the chunks at T (inverse of their cumulative sums), or the first that
 *   holds the largest logit;
 * - `chunk_logits` [N, 256], its logits; behind the end of the vocabulary a large negative number;
 * - `peak_logit` [N], the largest; `peak_probability` [N], its probability; `tempered_peak_probability` [N], that at T.
 *
 * With z = 1 or 1 / T, log Σ exp(z logits) = z peak_logit − log of the peak's probability. The host takes this logarithm,
 * since ONNX Runtime rounds an element of a short vector otherwise than one of a long one, and a row's bits would depend
 * on its batch.
 * @param logits [N, V]
 */
export function nextToken(logits: Tensor): Map<string, Tensor> {
  const [rows, vocabulary] = logits.shape as [string, number]
  const chunks = Math.ceil(vocabulary / chunkSize)
  const padded = padLast(logits, chunks * chunkSize - vocabulary)
  const chunked = (x: Tensor): Tensor => reshape(x, [rows, chunks, chunkSize])
  const draw = input('draw', 'float32', [rows, 1])

  const p = softmax(mul(padded, input('inverse_temperature', 'float32', [rows, 1])))
  const reached = cumulativeSum(sum(chunked(p), [-1]))
  // Rounded or not, draw * total lies below the total: some chunk exceeds it, and the first that does is not empty.
  const isBeyond = less(mul(draw, reduceMax(reached, [-1], true)), reached)
  const peaks = reduceMax(chunked(padded), [-1])
  const chunk = argMax(where(less(draw, constant(0)), peaks, cast(isBeyond, 'float32')))
  return new Map([
    ['logits', gather(logits, input('logit_rows', 'int64', ['L']))],
    ['chunk', chunk],
    ['chunk_logits', gatherInRow(chunked(padded), chunk)],
    ['peak_logit', reduceMax(peaks, [-1])],
    ['peak_probability', reduceMax(softmax(logits), [-1])],
    ['tempered_peak_probability', reduceMax(p, [-1])],
  ])
}

/** [N, n] -> [N, n + count] */
function padLast(x: Tensor, count: number): Tensor {
  if (count === 0) return x
  const shape = x.shape.with(-1, (x.shape.at(-1) as number) + count)
  return node1({ type: 'Pad', inputs: [x, integers(0, 0, 0, count), constant(masked)], shape })
}

/** Sums over the last axis up to each place. [N, n] -> [N, n] */
function cumulativeSum(x: Tensor): Tensor {
  return node1({ type: 'CumSum', inputs: [x, integers(1)], shape: x.shape })
}

/** Where the largest of the last axis is; the first of several. [N, n] -> [N] int64 */
function argMax(x: Tensor): Tensor {
  return node1({ type: 'ArgMax', inputs: [x], attributes: { axis: -1, keepdims: 0 }, shape: x.shape.slice(0, -1), dtype: 'int64' })
}

/** Of each row, the slice at its index. x [N, n, m], indices [N] -> [N, m] */
function gatherInRow(x: Tensor, indices: Tensor): Tensor {
  const [rows, , size] = x.shape as [string, number, number]
  return node1({ type: 'GatherND', inputs: [x, unsqueeze(indices, 1)], attributes: { batch_dims: 1 }, shape: [rows, size] })
}
