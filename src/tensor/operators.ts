/**
 * Every operator next to its gradient: the shape of the result, the ONNX node, the vector-Jacobian product.
 * A product may come out in the result's broadcast shape: `gradients` sums it down to the input's.
 * Operators without a rule (comparisons, integers) pass no gradient.
 */
import { differentiable, node, node1, repeated } from './operator.ts'
import { axisOf, broadcastShapes, formatShape, sameShape, times, type Dim, type Shape } from './shape.ts'
import { constant, integers, Tensor, type DType } from './tensor.ts'

type UnaryRule = (gradient: Tensor, x: Tensor, y: Tensor) => Tensor
type BinaryRule = (gradient: Tensor, a: Tensor, b: Tensor) => readonly [Tensor, Tensor]

function unary(type: string, rule: UnaryRule): (x: Tensor) => Tensor {
  return (x) => {
    const y = node1({ type, inputs: [x], shape: x.shape })
    const [result] = differentiable([x], [y], ([g]) => [rule(g!, x, y)])
    return result!
  }
}

function binary(type: string, rule: BinaryRule): (a: Tensor | number, b: Tensor | number) => Tensor {
  return (left, right) => {
    const a = asTensor(left)
    const b = asTensor(right)
    const y = node1({ type, inputs: [a, b], shape: broadcastShapes(a.shape, b.shape) })
    return differentiable([a, b], [y], ([g]) => rule(g!, a, b))[0]!
  }
}

function asTensor(value: Tensor | number): Tensor {
  return typeof value === 'number' ? constant(value) : value
}

// Elementwise

export const neg = unary('Neg', (g) => neg(g))
export const exp = unary('Exp', (g, _x, y) => mul(g, y))
export const log = unary('Log', (g, x) => div(g, x))
export const sqrt = unary('Sqrt', (g, _x, y) => div(g, mul(y, 2)))
export const sigmoid = unary('Sigmoid', (g, _x, y) => mul(g, sub(y, mul(y, y))))
export const tanh = unary('Tanh', (g, _x, y) => sub(g, mul(g, mul(y, y))))
export const softplus = unary('Softplus', (g, x) => mul(g, sigmoid(x)))

export const add = binary('Add', (g) => [g, g])
export const sub = binary('Sub', (g) => [g, neg(g)])
export const mul = binary('Mul', (g, a, b) => [mul(g, b), mul(g, a)])
export const div = binary('Div', (g, a, b) => [div(g, b), neg(div(mul(g, a), mul(b, b)))])

/** log σ(x) = −softplus(−x), without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return neg(softplus(neg(x)))
}

/** The larger of two tensors, elementwise; where they are equal the gradient goes to `a`. */
export function maximum(a: Tensor | number, b: Tensor | number): Tensor {
  const [left, right] = [asTensor(a), asTensor(b)]
  return where(less(left, right), right, left)
}

/** The smaller of two tensors, elementwise; where they are equal the gradient goes to `a`. */
export function minimum(a: Tensor | number, b: Tensor | number): Tensor {
  const [left, right] = [asTensor(a), asTensor(b)]
  return where(less(right, left), right, left)
}

/** a < b, as booleans. */
export function less(a: Tensor, b: Tensor): Tensor {
  return node1({ type: 'Less', inputs: [a, b], shape: broadcastShapes(a.shape, b.shape), dtype: 'bool' })
}

/** a = b, as booleans. */
export function equal(a: Tensor, b: Tensor): Tensor {
  return node1({ type: 'Equal', inputs: [a, b], shape: broadcastShapes(a.shape, b.shape), dtype: 'bool' })
}

/** `a` where the condition holds, else `b`. */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  const shape = broadcastShapes(condition.shape, broadcastShapes(a.shape, b.shape))
  const y = node1({ type: 'Where', inputs: [condition, a, b], shape })
  const zero = constant(0)
  return differentiable([a, b], [y], ([g]) => [where(condition, g!, zero), where(condition, zero, g!)])[0]!
}

/** The same values through which no gradient passes. */
export function stopGradient(x: Tensor): Tensor {
  return new Tensor(x.shape, x.dtype, x.source)
}

export function cast(x: Tensor, dtype: DType): Tensor {
  return node1({ type: 'Cast', inputs: [x], attributes: { to: onnxType[dtype] }, shape: x.shape, dtype })
}

/** TensorProto.DataType of the ONNX specification. */
export const onnxType: Readonly<Record<DType, number>> = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 }

// Reductions; `axes` undefined: over everything

export function sum(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  const y = reduce('ReduceSum', x, axes, keepDims)
  return differentiable([x], [y], ([g]) => [expandLike(restoreAxes(g!, x, axes, keepDims), x)])[0]!
}

export function mean(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  const y = reduce('ReduceMean', x, axes, keepDims)
  const rule = (g: Tensor): Tensor => {
    // The count may be known at run time only: the mean of a tensor of ones over the sum of it.
    const ones = expandLike(constant(1), x)
    const count = reduce('ReduceSum', ones, axes, true)
    return div(expandLike(restoreAxes(g, x, axes, keepDims), x), count)
  }
  return differentiable([x], [y], ([g]) => [rule(g!)])[0]!
}

/** The largest value along `axes`. Passes no gradient. */
export function reduceMax(x: Tensor, axes: readonly number[], keepDims = false): Tensor {
  return reduce('ReduceMax', x, axes, keepDims)
}

function reduce(type: string, x: Tensor, axes: readonly number[] | undefined, keepDims: boolean): Tensor {
  const reduced = new Set(axes?.map((axis) => axisOf(axis, x.shape.length)) ?? x.shape.keys())
  const shape = x.shape.flatMap((dim, axis) => (reduced.has(axis) ? (keepDims ? [1] : []) : [dim]))
  const inputs = reduced.size === 0 ? [x] : [x, integers(...[...reduced].sort((a, b) => a - b))]
  return node1({ type, inputs, attributes: { keepdims: keepDims ? 1 : 0 }, shape })
}

/** A reduced gradient with its lost axes back as ones, so that it broadcasts against `x`. */
function restoreAxes(g: Tensor, x: Tensor, axes: readonly number[] | undefined, keepDims: boolean): Tensor {
  if (keepDims || axes === undefined) return g
  return unsqueeze(g, ...axes.map((axis) => axisOf(axis, x.shape.length)))
}

/** Sums a broadcast tensor down to `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x
  const extra = x.shape.length - shape.length
  const axes = x.shape.flatMap((dim, axis) => (axis < extra || (shape[axis - extra] === 1 && dim !== 1) ? [axis] : []))
  const summed = axes.length === 0 ? x : sum(x, axes, true)
  const result = extra === 0 ? summed : squeeze(summed, ...Array.from({ length: extra }, (_, axis) => axis))
  if (!sameShape(result.shape, shape)) throw new RangeError(`a gradient of ${formatShape(x.shape)} for ${formatShape(shape)}`)
  return result
}

// Shape

/** `shape` must have as many elements as x; at most one of its symbolic sizes may stand at another place than in x. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x
  if (times(...x.shape) !== times(...shape)) {
    throw new RangeError(`cannot reshape ${formatShape(x.shape)} to ${formatShape(shape)}`)
  }
  const y = node1({ type: 'Reshape', inputs: [x, integers(...reshapeTarget(x.shape, shape))], shape })
  return differentiable([x], [y], ([g]) => [canReshape(shape, x.shape) ? reshape(g!, x.shape) : reshapeLike(g!, x)])[0]!
}

/** ONNX's reshape argument: 0 copies a size from the same axis, −1 is inferred. */
function reshapeTarget(from: Shape, to: Shape): number[] {
  const target = to.map((dim, axis) => (typeof dim === 'number' ? dim : dim === from[axis] ? 0 : -1))
  if (target.filter((dim) => dim === -1).length > 1) {
    throw new RangeError(`reshape from ${formatShape(from)} to ${formatShape(to)} leaves more than one size open`)
  }
  return target
}

function canReshape(from: Shape, to: Shape): boolean {
  return to.filter((dim, axis) => typeof dim !== 'number' && dim !== from[axis]).length <= 1
}

/** Reshapes to the shape that `like` has when the graph runs. */
function reshapeLike(x: Tensor, like: Tensor): Tensor {
  return node1({ type: 'Reshape', inputs: [x, shapeOf(like)], shape: like.shape })
}

function shapeOf(x: Tensor): Tensor {
  return node1({ type: 'Shape', inputs: [x], shape: [x.shape.length], dtype: 'int64' })
}

/** Broadcasts x to the shape of `like`. */
export function expandLike(x: Tensor, like: Tensor): Tensor {
  if (sameShape(x.shape, like.shape)) return x
  const y = node1({ type: 'Expand', inputs: [x, shapeOf(like)], shape: like.shape })
  return differentiable([x], [y], ([g]) => [g])[0]!
}

export function unsqueeze(x: Tensor, ...axes: readonly number[]): Tensor {
  const rank = x.shape.length + axes.length
  const added = new Set(axes.map((axis) => axisOf(axis, rank)))
  const dims = x.shape.values()
  const shape = Array.from({ length: rank }, (_, axis): Dim => (added.has(axis) ? 1 : dims.next().value!))
  const y = node1({ type: 'Unsqueeze', inputs: [x, integers(...added)], shape, dtype: x.dtype })
  return differentiable([x], [y], ([g]) => [squeeze(g!, ...added)])[0]!
}

export function squeeze(x: Tensor, ...axes: readonly number[]): Tensor {
  const removed = new Set(axes.map((axis) => axisOf(axis, x.shape.length)))
  const shape = x.shape.filter((_, axis) => !removed.has(axis))
  const y = node1({ type: 'Squeeze', inputs: [x, integers(...removed)], shape, dtype: x.dtype })
  return differentiable([x], [y], ([g]) => [unsqueeze(g!, ...removed)])[0]!
}

/** Axis i of the result is axis `order[i]` of x. */
export function transpose(x: Tensor, order: readonly number[]): Tensor {
  const shape = order.map((axis) => x.shape[axis]!)
  const inverse = order.map((_, axis) => order.indexOf(axis))
  const y = node1({ type: 'Transpose', inputs: [x], attributes: { perm: order }, shape, dtype: x.dtype })
  return differentiable([x], [y], ([g]) => [transpose(g!, inverse)])[0]!
}

export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const first = parts[0]!
  const at = axisOf(axis, first.shape.length)
  const sizes = parts.map((part) => part.shape[at]!)
  const total = sizes.every((size) => typeof size === 'number') ? sizes.reduce((a, b) => a + b) : `(${sizes.join('+')})`
  const y = node1({ type: 'Concat', inputs: parts, attributes: { axis: at }, shape: first.shape.with(at, total), dtype: first.dtype })
  return differentiable(parts, [y], ([g]) => split(g!, sizes as number[], at))[0]!
}

/** Cuts x along `axis` into pieces of the given sizes. */
export function split(x: Tensor, sizes: readonly number[], axis: number): Tensor[] {
  const at = axisOf(axis, x.shape.length)
  const shapes = sizes.map((size) => x.shape.with(at, size))
  const parts = node({
    type: 'Split',
    inputs: [x, integers(...sizes)],
    attributes: { axis: at },
    outputs: shapes.map((shape) => ({ shape, dtype: x.dtype })),
  })
  return differentiable([x], parts, (gs) => [concat(gs.map((g, i) => g ?? mul(parts[i]!, 0)), at)])
}

// Products

export interface MatMulOptions {
  /** Take the transpose of the last two axes of a (of b). */
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

/** a · b over the last two axes, leading axes broadcast. [.., m, k] x [.., k, n] -> [.., m, n] */
export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatMulOptions = {}): Tensor {
  const [m, ka] = lastTwo(a.shape, transposeA)
  const [kb, n] = lastTwo(b.shape, transposeB)
  if (ka !== kb) throw new RangeError(`matmul of ${formatShape(a.shape)} and ${formatShape(b.shape)}: ${ka} is not ${kb}`)
  const shape = [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n]
  const plain = !transposeA && !transposeB
  const y = plain
    ? node1({ type: 'MatMul', inputs: [a, b], shape })
    : node1({
        type: 'FusedMatMul',
        domain: 'com.microsoft',
        inputs: [a, b],
        attributes: { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 },
        shape,
      })
  const leftGradient = (g: Tensor): Tensor =>
    transposeA
      ? matmul(b, g, { transposeA: transposeB, transposeB: true })
      : matmul(g, b, { transposeB: !transposeB })
  const rightGradient = (g: Tensor): Tensor => {
    // Where b has no leading axes, those of a are folded into one product instead of being summed afterwards.
    const fold = b.shape.length === 2 && !transposeA ? flattenRows : (x: Tensor): Tensor => x
    const left = fold(repeated(a))
    return transposeB
      ? matmul(fold(g), left, { transposeA: true, transposeB: transposeA })
      : matmul(left, fold(g), { transposeA: !transposeA })
  }
  return differentiable([a, b], [y], ([g]) => [leftGradient(g!), rightGradient(g!)])[0]!
}

/** [.., m, n] -> [.. * m, n] */
export function flattenRows(x: Tensor): Tensor {
  return reshape(x, [times(...x.shape.slice(0, -1)), x.shape.at(-1)!])
}

function lastTwo(shape: Shape, transposed: boolean): [Dim, Dim] {
  if (shape.length < 2) throw new RangeError(`matmul needs two axes, not ${formatShape(shape)}`)
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!]
  return transposed ? [columns, rows] : [rows, columns]
}

// Indexing

/** Rows of x by index along the first axis. x [n, ..], indices [..i] int64 -> [..i, ..] */
export function gather(x: Tensor, indices: Tensor): Tensor {
  const shape = [...indices.shape, ...x.shape.slice(1)]
  const y = node1({ type: 'Gather', inputs: [x, indices], attributes: { axis: 0 }, shape, dtype: x.dtype })
  return differentiable([x], [y], ([g]) => [scatterAdd(x, indices, g!)])[0]!
}

/** Zeros of the shape of `like`, with each row of `rows` added at its index along the first axis. */
function scatterAdd(like: Tensor, indices: Tensor, rows: Tensor): Tensor {
  const zeros = node1({ type: 'ConstantOfShape', inputs: [shapeOf(like)], shape: like.shape })
  return node1({
    type: 'ScatterND',
    inputs: [zeros, unsqueeze(indices, indices.shape.length), rows],
    attributes: { reduction: 'add' },
    shape: like.shape,
  })
}

/** One element of each row of the last axis. x [.., n], indices [..] int64 -> [..] */
export function pick(x: Tensor, indices: Tensor): Tensor {
  const at = unsqueeze(indices, indices.shape.length)
  const y = node1({ type: 'GatherElements', inputs: [x, at], attributes: { axis: -1 }, shape: at.shape })
  const ruled = differentiable([x], [y], ([g]) => [
    node1({ type: 'ScatterElements', inputs: [mul(x, 0), at, g!], attributes: { axis: -1 }, shape: x.shape }),
  ])[0]!
  return squeeze(ruled, -1)
}

// Normalization over the last axis

export function softmax(x: Tensor): Tensor {
  const y = node1({ type: 'Softmax', inputs: [x], attributes: { axis: -1 }, shape: x.shape })
  return differentiable([x], [y], ([g]) => [mul(y, sub(g!, sum(mul(g!, y), [-1], true)))])[0]!
}

export function logSoftmax(x: Tensor): Tensor {
  const y = node1({ type: 'LogSoftmax', inputs: [x], attributes: { axis: -1 }, shape: x.shape })
  return differentiable([x], [y], ([g]) => [sub(g!, mul(exp(y), sum(g!, [-1], true)))])[0]!
}
