/** Every operator and function: its gradient against central finite differences. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Program, type HostTensor } from '../runtime/program.ts'
import * as functions from './functions.ts'
import { gradients } from './gradients.ts'
import * as operators from './operators.ts'
import { constant, input, type Tensor } from './tensor.ts'

interface Case {
  /** Shapes of the f32 inputs; the first axis of size 'n' in the graph is left open by the symbol 'B'. */
  readonly inputs: readonly (readonly number[])[]
  readonly build: (...inputs: Tensor[]) => Tensor
  /** Keeps inputs away from poles and kinks. */
  readonly positive?: boolean
}

const { add, sub, mul, div } = operators
const labels = operators.cast(constant(Float32Array.of(1, 0, 3)), 'int64')
const repeated = operators.cast(constant(Float32Array.of(2, 0, 2, 1)), 'int64')
const condition = operators.less(constant(Float32Array.of(1, -1, 1)), constant(0))
const causal = constant(Float32Array.of(0, -1e30, -1e30, 0, 0, -1e30, 0, 0, 0), [1, 1, 3, 3])
const angles = Float32Array.of(0.3, 1.2, 0.1, 2.2, -0.7, 0.4)
const rotations = {
  positions: operators.reshape(operators.cast(constant(Float32Array.of(2, 0, 1, 1, 0, 2)), 'int64'), [2, 3]),
  cos: constant(angles.map(Math.cos), [3, 2]),
  sin: constant(angles.map(Math.sin), [3, 2]),
}
const headWeights = constant(Float32Array.from({ length: 20 }, (_, i) => Math.sin(3 * i)), [5, 4])
const head = {
  forward: (x: Tensor) => operators.matmul(x, headWeights, { transposeB: true }),
  backward: (g: Tensor) => operators.matmul(g, headWeights),
}

const cases: Record<string, Case> = {
  neg: { inputs: [[2, 3]], build: operators.neg },
  exp: { inputs: [[2, 3]], build: operators.exp },
  log: { inputs: [[2, 3]], build: operators.log, positive: true },
  sqrt: { inputs: [[2, 3]], build: operators.sqrt, positive: true },
  sigmoid: { inputs: [[2, 3]], build: operators.sigmoid },
  tanh: { inputs: [[2, 3]], build: operators.tanh },
  softplus: { inputs: [[2, 3]], build: operators.softplus },
  logSigmoid: { inputs: [[2, 3]], build: operators.logSigmoid },
  add: { inputs: [[2, 3], [3]], build: add },
  sub: { inputs: [[2, 1, 3], [4, 1]], build: sub },
  mul: { inputs: [[2, 3], [2, 1]], build: mul },
  'mul of a tensor by itself': { inputs: [[2, 3]], build: (x) => mul(x, x) },
  'mul by a number': { inputs: [[2, 3]], build: (x) => mul(x, 3) },
  div: { inputs: [[2, 3], [3]], build: div, positive: true },
  maximum: { inputs: [[2, 3], [2, 3]], build: operators.maximum },
  minimum: { inputs: [[2, 3], [3]], build: operators.minimum },
  where: { inputs: [[2, 3], [3]], build: (a, b) => operators.where(condition, a, b) },
  stopGradient: { inputs: [[2, 3]], build: (x) => add(mul(x, 2), operators.stopGradient(mul(x, 0))) },
  'sum over everything': { inputs: [[2, 3]], build: (x) => operators.sum(x) },
  'sum over an axis': { inputs: [[2, 3]], build: (x) => operators.sum(x, [0]) },
  'sum, axes kept': { inputs: [[2, 3, 2]], build: (x) => operators.sum(x, [0, 2], true) },
  'mean over everything': { inputs: [[2, 3]], build: (x) => operators.mean(x) },
  'mean over an axis': { inputs: [[2, 3]], build: (x) => operators.mean(x, [-1]) },
  reshape: { inputs: [[2, 6]], build: (x) => operators.reshape(x, [3, 4]) },
  transpose: { inputs: [[2, 3, 4]], build: (x) => operators.transpose(x, [2, 0, 1]) },
  unsqueeze: { inputs: [[2, 3]], build: (x) => operators.unsqueeze(x, 1) },
  squeeze: { inputs: [[2, 1, 3]], build: (x) => operators.squeeze(x, 1) },
  expandLike: { inputs: [[1, 3]], build: (x) => operators.expandLike(x, constant(new Float32Array(6), [2, 3])) },
  concat: { inputs: [[2, 3], [2, 2]], build: (a, b) => operators.concat([a, b], 1) },
  split: { inputs: [[2, 5]], build: (x) => operators.split(x, [2, 3], 1)[1]! },
  gather: { inputs: [[3, 2]], build: (x) => operators.gather(x, repeated) },
  pick: { inputs: [[3, 4]], build: (x) => operators.pick(x, labels) },
  softmax: { inputs: [[2, 4]], build: operators.softmax },
  logSoftmax: { inputs: [[2, 4]], build: operators.logSoftmax },
  matmul: { inputs: [[2, 3], [3, 4]], build: (a, b) => operators.matmul(a, b) },
  'matmul, a transposed': { inputs: [[3, 2], [3, 4]], build: (a, b) => operators.matmul(a, b, { transposeA: true }) },
  'matmul, b transposed': { inputs: [[2, 3], [4, 3]], build: (a, b) => operators.matmul(a, b, { transposeB: true }) },
  'matmul, both transposed': { inputs: [[3, 2], [4, 3]], build: (a, b) => operators.matmul(a, b, { transposeA: true, transposeB: true }) },
  'matmul of batches': { inputs: [[2, 2, 3], [2, 3, 4]], build: (a, b) => operators.matmul(a, b) },
  'matmul of a batch by a matrix': { inputs: [[2, 2, 3], [3, 4]], build: (a, b) => operators.matmul(a, b) },
  'matmul of a batch by a transposed matrix': { inputs: [[2, 2, 3], [4, 3]], build: (a, b) => operators.matmul(a, b, { transposeB: true }) },
  rmsNorm: { inputs: [[2, 4], [4]], build: (x, scale) => functions.rmsNorm(x, scale, 1e-5) },
  siluGate: { inputs: [[2, 3], [2, 3]], build: functions.siluGate },
  rotate: { inputs: [[2, 2, 3, 4]], build: (x) => functions.rotate(x, rotations) },
  groupedAttention: {
    inputs: [[1, 4, 3, 2], [1, 2, 3, 2], [1, 2, 3, 2]],
    build: (q, k, v) => functions.groupedAttention(q, k, v, causal),
  },
  frozenLinear: { inputs: [[3, 4]], build: (x) => functions.frozenLinear(x, head) },
  tokenLogprobs: { inputs: [[3, 4]], build: (x) => functions.tokenLogprobs(x, labels, head, headWeights) },
}

for (const [name, { inputs, build, positive = false }] of Object.entries(cases)) {
  test(`gradient of ${name}`, async () => {
    const tensors = inputs.map((shape, i) => input(`x${i}`, 'float32', shape))
    const y = build(...tensors)
    // A fixed weight for each element of the result, so that its gradients do not cancel.
    const size = (y.shape as number[]).reduce((a, b) => a * b, 1)
    const mixing = constant(Float32Array.from({ length: size }, (_, i) => Math.cos(1 + 2 * i)), y.shape as number[])
    const loss = operators.sum(mul(y, mixing))
    const found = gradients(loss, tensors)
    const outputs = new Map([['loss', loss], ...found.map((gradient, i) => [`g${i}`, gradient!] as const)])
    const program = await Program.compile(outputs, { device: 'cpu', threads: 1 })
    const point = inputs.map((shape, i) => values(shape, i, positive))
    const run = (at: readonly HostTensor[]) => program.run(Object.fromEntries(at.map((value, i) => [`x${i}`, value])))

    const result = await run(point)
    for (const [i, { data, shape }] of point.entries()) {
      const gradient = result[`g${i}`]!
      assert.deepEqual(gradient.shape, shape)
      for (let j = 0; j < data.length; j++) {
        const step = 1e-2
        const lossAt = async (offset: number): Promise<number> => {
          const moved = Float32Array.from(data as Float32Array)
          moved[j]! += offset
          const { loss } = await run(point.with(i, { data: moved, shape }))
          return (loss!.data as Float32Array)[0]!
        }
        const numeric = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step)
        assert.ok(
          Math.abs(numeric - Number(gradient.data[j])) < 2e-3 * Math.max(1, Math.abs(numeric)),
          `input ${i}, element ${j}: ${gradient.data[j]}, by differences ${numeric}`,
        )
      }
    }
    await program.release()
  })
}

test('every operator and function that passes a gradient has a case', () => {
  const without = new Set(['less', 'equal', 'cast', 'reduceMax', 'sumTo', 'flattenRows', 'quantizedMatmul', 'cachedAttention'])
  const covered = Object.keys(cases).map((name) => name.split(/[ ,]/)[0]!)
  const exported = Object.entries({ ...operators, ...functions }).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []))
  assert.deepEqual(exported.filter((name) => !without.has(name) && !covered.includes(name)), [])
})

test('a frozen input costs no gradient and no node', () => {
  const x = input('x', 'float32', [2])
  const other = input('other', 'float32', [2])
  assert.deepEqual(gradients(operators.sum(x), [other]), [undefined])
})

function values(shape: readonly number[], seed: number, positive: boolean): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1)
  const data = Float32Array.from({ length: size }, (_, i) => {
    const value = Math.sin(1.3 + 5.7 * i + 2.1 * seed)
    return positive ? 1.5 + value / 2 : value
  })
  return { data, shape: [...shape] }
}
