import assert from 'node:assert/strict'
import { test } from 'node:test'
import { halfToFloat, narrow, widen } from './float.ts'
import type { FloatType } from './float.ts'

/** Stored bit patterns of one value. */
function bits(dtype: FloatType, value: number): number {
  const bytes = narrow(dtype, new Float32Array([value]))
  return new Uint16Array(bytes.slice().buffer)[0]!
}

function value(dtype: FloatType, pattern: number): number {
  return widen(dtype, new Uint8Array(new Uint16Array([pattern]).buffer))[0]!
}

test('every half survives the way to f32 and back', () => {
  for (const dtype of ['F16', 'BF16'] as const) {
    const all = Uint16Array.from({ length: 1 << 16 }, (_, i) => i)
    const back = new Uint16Array(narrow(dtype, widen(dtype, new Uint8Array(all.buffer))).slice().buffer)
    const values = widen(dtype, new Uint8Array(all.buffer))
    for (let i = 0; i < all.length; i++) {
      if (Number.isNaN(values[i])) assert.ok(Number.isNaN(value(dtype, back[i]!)), `${dtype} NaN 0x${i.toString(16)}`)
      else assert.equal(back[i], i, `${dtype} 0x${i.toString(16)}`)
    }
  }
})

test('known values', () => {
  assert.equal(value('F16', 0x3c00), 1)
  assert.equal(value('F16', 0x0001), 2 ** -24)
  assert.equal(value('F16', 0x7bff), 65504)
  assert.equal(value('F16', 0xfc00), -Infinity)
  assert.equal(value('BF16', 0x3f80), 1)
  assert.equal(value('BF16', 0xc049), -3.140625)
  assert.equal(halfToFloat(0x3555), value('F16', 0x3555))
})

test('narrowing rounds to the nearest, ties to even, and overflows to infinity', () => {
  assert.equal(bits('F16', 1 + 2 ** -11), 0x3c00, 'a tie goes down to the even neighbour')
  assert.equal(bits('F16', 1 + 3 * 2 ** -11), 0x3c02, 'a tie goes up to the even neighbour')
  assert.equal(bits('F16', 1 + 2 ** -11 + 2 ** -20), 0x3c01, 'just above a tie goes up')
  assert.equal(bits('F16', 2 ** -25), 0, 'half of the smallest subnormal goes to zero')
  assert.equal(bits('F16', 65520), 0x7c00)
  assert.equal(bits('BF16', 1 + 2 ** -8), 0x3f80)
  assert.equal(bits('BF16', 1 + 3 * 2 ** -8), 0x3f82)
  assert.equal(bits('BF16', 1 + 2 ** -8 + 2 ** -20), 0x3f81)
  assert.equal(bits('BF16', 3.4e38), 0x7f80)
  assert.equal(bits('BF16', -0), 0x8000)
})

test('a NaN whose payload lies in the lower half stays a NaN', () => {
  const nan = new Float32Array(new Uint32Array([0x7f800001, 0xffffffff]).buffer)
  assert.ok(widen('BF16', narrow('BF16', nan)).every(Number.isNaN))
})

test('bytes at an odd place, and part of a larger array', () => {
  const bytes = new Uint8Array([9, 0x80, 0x3f, 0x00, 0xc0, 9])
  assert.deepEqual([...widen('BF16', bytes.subarray(1, 5))], [1, -2])
  const values = new Float32Array([7, 1, -2, 7]).subarray(1, 3)
  assert.deepEqual([...widen('F16', narrow('F16', values))], [1, -2])
  assert.deepEqual([...widen('F32', new Uint8Array([0, ...narrow('F32', values)]).subarray(1))], [1, -2])
})
