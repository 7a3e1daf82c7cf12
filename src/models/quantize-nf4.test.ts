/** NF4 against bitsandbytes (bench/parity/make_nf4.py), and what ONNX Runtime multiplies by against both. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '../random.ts'
import { Program } from '../runtime/program.ts'
import { dynamicValues, nf4Dequantized, nf4Matmul, nf4ScaleBlock, type Nf4Weight } from '../tensor/nf4.ts'
import { input } from '../tensor/tensor.ts'
import { dequantizeNf4, quantizeNf4 } from './quantize-nf4.ts'

interface Case {
  readonly shape: readonly [number, number]
  readonly weight: readonly number[]
  readonly codes: readonly number[]
  readonly scale_codes: readonly number[]
  readonly scale_scales: readonly number[]
  readonly offset: number
  readonly dequantized_sum: number
  readonly dequantized: readonly number[]
}
const cases = JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures/nf4.json'), 'utf8')) as Case[]

const different = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)))

test("codes, scales and values are those of bitsandbytes' double quantization", () => {
  for (const expected of cases) {
    const made = quantizeNf4(Float32Array.from(expected.weight))
    assert.equal(different(expected.codes, made.codes), 0)
    assert.equal(different(expected.scale_codes, made.scaleCodes), 0)
    assert.ok(different(expected.scale_scales, made.scaleScales) < 1e-7)
    assert.ok(Math.abs(made.offset[0]! - expected.offset) < 1e-7)
    const values = dequantizeNf4(made)
    assert.ok(different(expected.dequantized, values) < 1e-7)
    assert.ok(Math.abs(values.reduce((a, b) => a + b, 0) - expected.dequantized_sum) < 1e-4)
  }
})

test('the table of scale codes is ascending and has 256 values from just below −0.99 to 1', () => {
  assert.equal(dynamicValues.length, 256)
  assert.deepEqual([dynamicValues[127], dynamicValues[255]], [0, 1])
  for (let i = 1; i < 256; i++) assert.ok(dynamicValues[i]! > dynamicValues[i - 1]!)
})

test('ONNX Runtime multiplies by the same values, forward and backward', async () => {
  for (const { shape: [outputs, inputs], weight } of cases) {
    const blocks = quantizeNf4(Float32Array.from(weight))
    const scaleBlocks = blocks.scaleScales.length
    const w: Nf4Weight = {
      codes: input('codes', 'uint8', [blocks.codes.length]),
      scaleCodes: input('scaleCodes', 'uint8', [scaleBlocks, nf4ScaleBlock]),
      scaleScales: input('scaleScales', 'float32', [scaleBlocks, 1]),
      offset: input('offset', 'float32', [1]),
      outputs,
      inputs,
    }
    const graph = new Map([['w', nf4Dequantized(w)], ['y', nf4Matmul(input('x', 'float32', ['N', inputs]), w)]])
    const program = await Program.compile(graph, { device: 'cpu', threads: 1 })
    const random = new Random(outputs)
    const rows = 3
    const x = Float32Array.from({ length: rows * inputs }, () => random.uint32() / 2 ** 32 - 0.5)
    const results = await program.run({
      x: { data: x, shape: [rows, inputs] },
      codes: { data: blocks.codes, shape: [blocks.codes.length] },
      scaleCodes: { data: blocks.scaleCodes, shape: [scaleBlocks, nf4ScaleBlock] },
      scaleScales: { data: blocks.scaleScales, shape: [scaleBlocks, 1] },
      offset: { data: blocks.offset, shape: [1] },
    })
    await program.release()
    const values = dequantizeNf4(blocks)
    assert.ok(different(values, results['w']!.data as Float32Array) < 1e-7)
    for (let row = 0; row < rows; row++) {
      for (let out = 0; out < outputs; out++) {
        let expected = 0
        for (let i = 0; i < inputs; i++) expected += x[row * inputs + i]! * values[out * inputs + i]!
        assert.ok(Math.abs(Number(results['y']!.data[row * outputs + out]) - expected) < 1e-5)
      }
    }
  }
})

test('a weight that is no whole number of blocks is refused with what to take instead', () => {
  assert.throws(() => quantizeNf4(new Float32Array(65)), /blocks of 64.*65 values.*int4/)
})

test('a weight of zeros stays zeros', () => {
  assert.ok(dequantizeNf4(quantizeNf4(new Float32Array(64))).every((value) => value === 0))
})
