import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UserError } from '../errors.ts'
import { rmsNorm } from '../tensor/functions.ts'
import { gradients } from '../tensor/gradients.ts'
import { nodesInOrder } from '../tensor/onnx.ts'
import { matmul, mul, sum } from '../tensor/operators.ts'
import { input, type Tensor } from '../tensor/tensor.ts'
import { explainDevice } from './device.ts'
import { Program } from './program.ts'
import { lowerForWebgpu } from './webgpu.ts'

test('the graph for WebGPU uses none of the kernels that are missing or wrong, and computes the same', async () => {
  const x = input('x', 'float32', ['B', 2, 3])
  const y = input('y', 'float32', ['B', 4, 3])
  const w = input('w', 'float32', [3, 5])
  const scale = input('scale', 'float32', [3])
  const product = matmul(matmul(rmsNorm(x, scale, 1e-5), y, { transposeB: true }), y)
  const projected = matmul(w, product, { transposeA: true, transposeB: true })
  const loss = sum(mul(projected, projected))
  const outputs = new Map<string, Tensor>([['loss', loss], ['product', product]])
  gradients(loss, [x, y, scale]).forEach((gradient, i) => outputs.set(`gradient ${i}`, gradient!))

  const lowered = lowerForWebgpu(outputs)
  const typesOf = (graph: ReadonlyMap<string, Tensor>) => new Set(nodesInOrder(graph.values()).map(({ type }) => type))
  assert.ok(typesOf(outputs).has('FusedMatMul'))
  assert.ok(!typesOf(lowered).has('FusedMatMul'))
  const norms = nodesInOrder(lowered.values()).filter(({ type }) => type === 'SimplifiedLayerNormalization')
  assert.deepEqual(norms.map((node) => node.outputs), [1])

  const values = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => Math.sin(seed + 1.7 * i))
  const feeds = {
    x: { data: values(12, 1), shape: [2, 2, 3] },
    y: { data: values(24, 2), shape: [2, 4, 3] },
    w: { data: values(15, 3), shape: [3, 5] },
    scale: { data: values(3, 4), shape: [3] },
  }
  const [expected, actual] = await Promise.all([outputs, lowered].map(async (graph) => {
    const program = await Program.compile(graph, { device: 'cpu', threads: 1 })
    const results = await program.run(feeds)
    await program.release()
    return results
  }))
  for (const [name, { data, shape }] of Object.entries(expected!)) {
    assert.deepEqual(actual![name]!.shape, shape)
    for (const [i, value] of data.entries()) {
      const difference = Math.abs(Number(value) - Number(actual![name]!.data[i]))
      assert.ok(difference <= 1e-5 * Math.max(1, Math.abs(Number(value))), `${name}[${i}] differs by ${difference}`)
    }
  }
})

test('a missing GPU is said in words, with what to install; another failure passes through as it is', () => {
  const missing = new Error('webgpu_context.cc:136 Failed to get a WebGPU adapter: No supported adapters')
  const explained = explainDevice('webgpu', missing)
  assert.ok(explained instanceof UserError)
  assert.equal(explained.exitCode, 2)
  assert.match(explained.message, /finds no GPU/)
  assert.match(explained.message, /device cpu/)
  assert.equal(explainDevice('cpu', missing), missing)
  const other = new Error('Invalid model')
  assert.equal(explainDevice('webgpu', other), other)
})
