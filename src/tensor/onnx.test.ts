/** Models as ONNX Runtime understands them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Program, type HostTensor } from '../runtime/program.ts'
import { encodeOnnx } from './onnx.ts'
import { add, cast, concat, gather, matmul, mul, neg, reshape, split, sum, transpose } from './operators.ts'
import { constant, input, integers, weight, type Tensor } from './tensor.ts'

async function run(outputs: Record<string, Tensor>, feeds: Record<string, HostTensor> = {}): Promise<Record<string, HostTensor>> {
  const program = await Program.compile(new Map(Object.entries(outputs)), { device: 'cpu', threads: 1 })
  const results = await program.run(feeds)
  await program.release()
  return results
}

function floats(...values: number[]): HostTensor {
  return { data: Float32Array.from(values), shape: [values.length] }
}

const x = input('x', 'float32', ['N'])
const feeds = { x: floats(1, 2, 3) }

function valuesOf(results: Record<string, HostTensor>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]]))
}

test('one value may be returned under several names', async () => {
  const twice = mul(x, 2)
  assert.deepEqual(valuesOf(await run({ a: twice, b: twice, c: neg(twice) }, feeds)), { a: [2, 4, 6], b: [2, 4, 6], c: [-2, -4, -6] })
})

test('an input or a constant may be returned, beside values made from it', async () => {
  const two = constant(2)
  const results = await run({ same: x, two, twice: mul(x, two), again: x }, feeds)
  assert.deepEqual(valuesOf(results), { same: [1, 2, 3], two: [2], twice: [2, 4, 6], again: [1, 2, 3] })
})

test('an input may be returned under its own name', async () => {
  assert.deepEqual(valuesOf(await run({ x, twice: mul(x, 2) }, feeds)), { x: [1, 2, 3], twice: [2, 4, 6] })
})

test('a graph without inputs is a constant', async () => {
  assert.deepEqual(valuesOf(await run({ y: add(constant(Float32Array.of(1, 2)), 0.5) })), { y: [1.5, 2.5] })
})

test('inputs that share a name are one; those that no output needs are not asked for', async () => {
  const again = input('x', 'float32', ['N'])
  const model = encodeOnnx(new Map([['y', add(x, again)]]), () => assert.fail('there is no weight'))
  assert.deepEqual(model.inputs, ['x'])
  assert.deepEqual(valuesOf(await run({ y: add(x, again) }, { ...feeds, unused: floats(0) })), { y: [2, 4, 6] })
})

test('an input that was not fed is named', async () => {
  await assert.rejects(run({ y: neg(x) }), /input x was not fed/)
})

test('an output with the name of an input that it is not is refused with that name', async () => {
  await assert.rejects(run({ x: neg(x) }, feeds), /output x has the name of an input/)
})

test('negative, integer and list attributes arrive', async () => {
  const m = input('m', 'float32', [2, 3])
  const fed = { m: { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] } }
  const results = await run({ turned: transpose(m, [1, 0]), total: sum(m, [-1]), product: matmul(m, m, { transposeB: true }) }, fed)
  assert.deepEqual(valuesOf(results), { turned: [1, 4, 2, 5, 3, 6], total: [6, 15], product: [14, 32, 32, 77] })
})

test('nodes of several outputs, of which not all are used, and of integers', async () => {
  const [, second] = split(constant(Float32Array.of(1, 2, 3, 4, 5)), [2, 3], 0)
  const ids = cast(constant(Float32Array.of(2, 0)), 'int64')
  const results = await run({ second: second!, ids, rows: gather(second!, ids), joined: concat([second!, second!], 0), fixed: integers(-7, 2 ** 40) })
  assert.deepEqual(valuesOf(results), {
    second: [3, 4, 5], ids: [2n, 0n], rows: [5, 3], joined: [3, 4, 5, 3, 4, 5], fixed: [-7n, 2n ** 40n],
  })
})

test('sizes that are known only at run time stay open', async () => {
  const m = input('m', 'float32', ['B', 'S', 2])
  const program = await Program.compile(new Map([['y', reshape(m, ['B*S', 2])]]), { device: 'cpu' })
  for (const [b, s] of [[1, 3], [4, 2]] as const) {
    const { y } = await program.run({ m: { data: new Float32Array(b * s * 2), shape: [b, s, 2] } })
    assert.deepEqual(y!.shape, [b * s, 2])
  }
  await program.release()
})

test('a chain of many thousand nodes overflows no stack', () => {
  let y: Tensor = x
  for (let i = 0; i < 20_000; i++) y = neg(y)
  assert.ok(encodeOnnx(new Map([['y', y]]), () => assert.fail('there is no weight')).bytes.length > 20_000)
})

test('a weight without a file is named', async () => {
  await assert.rejects(run({ y: neg(weight('model.norm.weight', 'float32', [4])) }), /model\.norm\.weight/)
})
