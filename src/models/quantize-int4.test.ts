import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../random.ts'
import { Program } from '../runtime/program.ts'
import { int4Block, int4Dequantized, int4Matmul, type Int4Weight } from '../tensor/int4.ts'
import { input } from '../tensor/tensor.ts'
import { dequantizeInt4, quantizeInt4 } from './quantize-int4.ts'

function uniform(size: number, seed: number): Float32Array {
  const random = new Random(seed)
  return Float32Array.from({ length: size }, () => random.uint32() / 2 ** 32 - 0.5)
}

const shapes = [[3, 64], [4, 100], [5, 7], [1, 33]] as const

test('each weight comes back within half a step of its block: a fifteenth of the range, or what is better', () => {
  for (const [outputs, inputs] of shapes) {
    const w = uniform(outputs * inputs, outputs)
    const restored = dequantizeInt4(quantizeInt4(w, outputs, inputs), outputs, inputs)
    let [error, bound] = [0, 0]
    for (let row = 0; row < outputs; row++) {
      for (let start = 0; start < inputs; start += int4Block) {
        const at = [row * inputs + start, row * inputs + Math.min(start + int4Block, inputs)] as const
        const [block, again] = [w.subarray(...at), restored.subarray(...at)]
        const step = (Math.max(...block) - Math.min(...block)) / 15
        const squares = block.reduce((sum, value, i) => sum + (value - again[i]!) ** 2, 0)
        assert.ok(squares <= block.length * (step / 2) ** 2 * 1.001)
        error += squares
        bound += (block.length * step ** 2) / 12
      }
    }
    assert.ok(error < 1.3 * bound, 'rounding errs by step²/12 on average')
  }
})

test('what was read from Q4_0 or Q4_1 blocks comes back as it was', () => {
  const random = new Random(8)
  const code = (): number => random.uint32() % 16
  for (const minimum of [-1.25, 0.375, undefined]) {
    // Both kinds of blocks have their extreme codes in use: the scale was chosen for that.
    const extremes = minimum === undefined ? [0] : [0, 15]
    const codes = [...extremes, ...Array.from({ length: int4Block - extremes.length }, () => (minimum === undefined ? Math.min(code(), 12) : code()))]
    const w = Float32Array.from(codes, (c) => (minimum === undefined ? (c - 8) * 0.0625 : c * 0.0625 + minimum))
    const restored = dequantizeInt4(quantizeInt4(w, 1, int4Block), 1, int4Block)
    w.forEach((value, i) => { assert.ok(Math.abs(restored[i]! - value) < 1e-7, `minimum ${minimum}, [${i}]`) })
  }
})

test('equal values and zeros are exact', () => {
  for (const value of [0, 0.3, -2]) {
    const restored = dequantizeInt4(quantizeInt4(new Float32Array(64).fill(value), 2, 32), 2, 32)
    assert.ok(restored.every((each) => Math.abs(each - value) < 1e-7))
  }
})

test('ONNX Runtime multiplies by what was stored, forward and backward', async () => {
  for (const [outputs, inputs] of shapes) {
    const blocks = quantizeInt4(uniform(outputs * inputs, outputs).map((value) => value + 0.3), outputs, inputs)
    const perRow = Math.ceil(inputs / int4Block)
    const w: Int4Weight = {
      codes: input('codes', 'uint8', [outputs, perRow, int4Block / 2]),
      scales: input('scales', 'float32', [outputs * perRow]),
      offsets: input('offsets', 'float32', [outputs, perRow]),
      outputs,
      inputs,
    }
    const rows = 3
    const x = uniform(rows * inputs, 2)
    const graph = new Map([['w', int4Dequantized(w)], ['y', int4Matmul(input('x', 'float32', [1, 'N', inputs]), w)]])
    const program = await Program.compile(graph, { device: 'cpu', threads: 1 })
    const results = await program.run({
      x: { data: x, shape: [1, rows, inputs] },
      codes: { data: blocks.codes, shape: [outputs, perRow, int4Block / 2] },
      scales: { data: blocks.scales, shape: [outputs * perRow] },
      offsets: { data: blocks.offsets, shape: [outputs, perRow] },
    })
    await program.release()
    const values = dequantizeInt4(blocks, outputs, inputs)
    values.forEach((value, i) => { assert.ok(Math.abs(Number(results['w']!.data[i]) - value) < 1e-6) })
    for (let at = 0; at < rows * outputs; at++) {
      const [row, out] = [Math.floor(at / outputs), at % outputs]
      let expected = 0
      for (let i = 0; i < inputs; i++) expected += x[row * inputs + i]! * values[out * inputs + i]!
      // Activations are rounded to 1/127 of the largest of their block.
      assert.ok(Math.abs(Number(results['y']!.data[at]) - expected) < 0.03, `[${row}, ${out}]: ${results['y']!.data[at]} instead of ${expected}`)
    }
  }
})
