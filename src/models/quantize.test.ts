import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../random.ts'
import { Program } from '../runtime/program.ts'
import { quantizedMatmul } from '../tensor/functions.ts'
import { input } from '../tensor/tensor.ts'
import { dequantizeInt8, quantizeInt8, transposed } from './quantize.ts'

function randomMatrix(size: number, seed: number, spread = 1): Float32Array {
  const random = new Random(seed)
  return Float32Array.from({ length: size }, () => (random.uint32() / 2 ** 32 - 0.5) * spread)
}

const sizes: [outputs: number, inputs: number, block: number][] = [[3, 64, 64], [4, 100, 64], [2, 32, 32], [5, 7, 64], [1, 129, 64]]

test('each weight comes back within half a step of its block, zero as zero, the largest exactly', () => {
  for (const [outputs, inputs, block] of sizes) {
    const w = randomMatrix(outputs * inputs, outputs)
    w[1] = 0
    const { values, scales } = quantizeInt8(w, outputs, inputs, block)
    const blocks = Math.ceil(inputs / block)
    assert.deepEqual([values.length, scales.length], [outputs * blocks * block, outputs * blocks])
    const all = dequantizeInt8({ values, scales }, outputs, inputs, block)
    w.forEach((value, i) => {
      assert.ok(Math.abs(all[i]! - value) <= 0.5001 * scales[Math.floor(i / inputs) * blocks + Math.floor((i % inputs) / block)]!)
    })
    for (let row = 0; row < outputs; row++) {
      for (let i = 0; i < blocks * block; i++) {
        const scale = scales[row * blocks + Math.floor(i / block)]!
        const restored = (values[row * blocks * block + i]! - 128) * scale
        // Beyond the row's end lies padding, which must add nothing to a sum.
        const expected = i < inputs ? w[row * inputs + i]! : 0
        assert.ok(Math.abs(restored - expected) <= scale * 0.5001, `[${row}, ${i}]: ${restored} instead of ${expected}`)
        if (expected === 0) assert.equal(restored, 0)
      }
    }
    for (const value of values) assert.ok(value >= 1, 'the range is symmetric: −128 is not used')
  }
})

test('a block of zeros, and one of very small or very large values', () => {
  const { values, scales } = quantizeInt8(new Float32Array(64), 1, 64)
  assert.ok(values.every((value) => value === 128))
  assert.ok(scales.every((scale) => Number.isFinite(scale) && scale > 0))
  for (const size of [1e-30, 1e30]) {
    const { values, scales } = quantizeInt8(Float32Array.of(size, -size), 1, 2)
    assert.deepEqual([values[0], values[1]], [255, 1])
    assert.ok(Math.abs(scales[0]! * 127 - size) <= size * 1e-6)
  }
})

test('ONNX Runtime multiplies by what was stored', async () => {
  const [outputs, inputs, block, rows] = [5, 128, 64, 3]
  const w = randomMatrix(outputs * inputs, 1)
  const x = randomMatrix(rows * inputs, 2)
  const { values, scales } = quantizeInt8(w, outputs, inputs, block)
  const product = quantizedMatmul(input('x', 'float32', ['N', inputs]), {
    values: input('values', 'uint8', [outputs, inputs / block, block]),
    scales: input('scales', 'float32', [outputs * (inputs / block)]),
    bits: 8, block, inputs, outputs,
  })
  const program = await Program.compile(new Map([['y', product]]), { device: 'cpu', threads: 1 })
  const { y } = await program.run({
    x: { data: x, shape: [rows, inputs] },
    values: { data: values, shape: [outputs, inputs / block, block] },
    scales: { data: scales, shape: [scales.length] },
  })
  await program.release()
  for (let row = 0; row < rows; row++) {
    for (let out = 0; out < outputs; out++) {
      let expected = 0
      for (let i = 0; i < inputs; i++) expected += x[row * inputs + i]! * w[out * inputs + i]!
      const actual = Number(y!.data[row * outputs + out])
      // Weights and activations are each rounded to 1/127 of the largest of their block.
      assert.ok(Math.abs(actual - expected) < 0.05, `[${row}, ${out}]: ${actual} instead of ${expected}`)
    }
  }
})

test('transposed: twice is the same again, and every element is in its place', () => {
  for (const [rows, columns] of [[1, 1], [3, 5], [64, 33], [70, 31]] as const) {
    const matrix = randomMatrix(rows * columns, 9)
    const turned = transposed(matrix, rows, columns)
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) assert.equal(turned[c * rows + r], matrix[r * columns + c])
    assert.deepEqual(transposed(turned, columns, rows), matrix)
  }
})
