import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '../../random.ts'
import { widen } from './float.ts'
import { encodeGguf, ggufTypeById, ggufTypes } from './gguf-quants.ts'

interface Sample { readonly bytes: string; readonly values: string }
type TypeName = keyof typeof ggufTypes

/** Made by bench/parity/gguf_quants.py with ggml's own Python package. */
const fixture = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures', 'gguf-quants.json'), 'utf8')) as {
  dequantized: Record<TypeName, Sample>
  quantized: { Q8_0: Sample }
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

for (const [name, sample] of Object.entries(fixture.dequantized) as [TypeName, Sample][]) {
  test(`${name} is dequantized bit for bit as ggml does`, () => {
    const expected = widen('F32', bytes(sample.values))
    const actual = ggufTypes[name].dequantize(bytes(sample.bytes))
    assert.equal(actual.length, expected.length)
    assert.ok(expected.some(value => value !== 0))
    for (let i = 0; i < expected.length; i++) assert.equal(actual[i], expected[i], `value ${i}`)
  })
}

test('every block type has a fixture', () => {
  const blockTypes = [...ggufTypeById.values()].filter(type => type.blockValues > 1).map(type => type.name)
  assert.deepEqual(Object.keys(fixture.dequantized).sort(), blockTypes.sort())
})

test('Q8_0 is quantized byte for byte as ggml does', () => {
  const { values, bytes: expected } = fixture.quantized.Q8_0
  assert.deepEqual(encodeGguf('Q8_0', widen('F32', bytes(values))), bytes(expected))
})

test('Q8_0 comes back within half a step', () => {
  const random = new Random(1)
  const values = Float32Array.from({ length: 32 * 50 }, () => random.below(2001) / 1000 - 1)
  const back = ggufTypes.Q8_0.dequantize(encodeGguf('Q8_0', values))
  for (let block = 0; block < 50; block++) {
    const within = values.subarray(block * 32, block * 32 + 32)
    const step = Math.max(...within.map(Math.abs)) / 127
    within.forEach((value, i) => assert.ok(Math.abs(value - back[block * 32 + i]!) <= step * 0.51 + 127 * step / 2048))
  }
})
