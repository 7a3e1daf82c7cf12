import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProtobufWriter } from './protobuf.ts'

function bytesOf(write: (writer: ProtobufWriter) => unknown): number[] {
  const writer = new ProtobufWriter()
  write(writer)
  return [...writer.finish()]
}

/** A varint read back as the signed 64-bit number that it stands for. */
function readVarint(bytes: readonly number[]): bigint {
  const value = bytes.reduce((sum, byte, i) => sum | (BigInt(byte & 0x7f) << BigInt(7 * i)), 0n)
  return BigInt.asIntN(64, value)
}

test('the examples of the Protocol Buffers specification', () => {
  assert.deepEqual(bytesOf((writer) => writer.integer(1, 150)), [0x08, 0x96, 0x01])
  assert.deepEqual(bytesOf((writer) => writer.text(2, 'testing')), [0x12, 0x07, ...Buffer.from('testing')])
  assert.deepEqual(bytesOf((writer) => writer.message(3, (inner) => inner.integer(1, 150))), [0x1a, 0x03, 0x08, 0x96, 0x01])
})

test('whole numbers read back as they were; negative ones take ten bytes', () => {
  const values = [0, 1, 127, 128, 300, 2 ** 31, 2 ** 53 - 1, -1, -128, -(2 ** 31), 2n ** 63n - 1n, -(2n ** 63n)]
  for (const value of values) {
    const [tag, ...varint] = bytesOf((writer) => writer.integer(5, value))
    assert.equal(tag, 5 << 3)
    assert.equal(readVarint(varint), BigInt(value))
    assert.ok(varint.every((byte, i) => byte >= 128 === i < varint.length - 1), `continuation bits of ${value}`)
    if (value < 0) assert.equal(varint.length, 10)
  }
})

test('field numbers above 15 take a longer tag', () => {
  assert.deepEqual(bytesOf((writer) => writer.integer(20, 7)), [0xa0, 0x01, 0x07])
})

test('floats are four bytes, the lowest first', () => {
  assert.deepEqual(bytesOf((writer) => writer.float(2, -1.5)), [0x15, 0x00, 0x00, 0xc0, 0xbf])
})

test('lengths count bytes, not characters, and contents of any length fit', () => {
  assert.deepEqual(bytesOf((writer) => writer.text(1, 'ᵀ')), [0x0a, 0x03, 0xe1, 0xb5, 0x80])
  const large = Uint8Array.from({ length: 5000 }, (_, i) => i % 251)
  const written = bytesOf((writer) => writer.integer(1, 1).bytes(2, large).integer(3, 1))
  assert.deepEqual(written, [0x08, 0x01, 0x12, 0x88, 0x27, ...large, 0x18, 0x01])
})
