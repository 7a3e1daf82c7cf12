import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Random } from '../../random.ts'
import { ByteFile } from './byte-file.ts'
import { parseGguf } from './gguf-parser.ts'
import type { GgufField, GgufHeader } from './gguf-parser.ts'
import { writeGguf } from './gguf-writer.ts'
import type { GgufTensorInput } from './gguf-writer.ts'
import { openGguf } from './gguf.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-gguf-'))
after(() => rm(root, { recursive: true, force: true }))

async function parse(path: string): Promise<GgufHeader> {
  const file = new ByteFile(path)
  try {
    return parseGguf(file)
  } finally {
    file.close()
  }
}

/** The pieces of a file, each a number of a given width or a string with its length before it. */
type Piece = { u32: number } | { u64: number | bigint } | { text: string } | { raw: Uint8Array | string }

function encode(pieces: readonly Piece[]): Buffer {
  return Buffer.concat(pieces.map((piece) => {
    if ('raw' in piece) return Buffer.from(piece.raw as string)
    if ('text' in piece) return encode([{ u64: Buffer.byteLength(piece.text) }, { raw: piece.text }])
    const bytes = Buffer.alloc('u32' in piece ? 4 : 8)
    if ('u32' in piece) bytes.writeUInt32LE(piece.u32)
    else bytes.writeBigUInt64LE(BigInt(piece.u64))
    return bytes
  }))
}

interface TensorPieces { name?: string; dimensions?: (number | bigint)[]; type?: number; offset?: number | bigint }

function tensor({ name = 'a', dimensions = [4], type = 0, offset = 0 }: TensorPieces): Piece[] {
  const shape: Piece[] = [{ u32: dimensions.length }, ...dimensions.map(u64 => ({ u64 }))]
  return [{ text: name }, ...shape, { u32: type }, { u64: offset }]
}

const header = (tensors: number | bigint, fields: number | bigint, version = 3): Piece[] =>
  [{ raw: 'GGUF' }, { u32: version }, { u64: tensors }, { u64: fields }]

const uint32Field = (key: string, value: number): Piece[] => [{ text: key }, { u32: 4 }, { u32: value }]
const data = (bytes: number): Piece => ({ raw: new Uint8Array(bytes) })

/** A file with one tensor (or more) and 256 bytes behind the header. */
const withTensors = (...tensors: TensorPieces[]): Piece[] =>
  [...header(tensors.length, 0), ...tensors.flatMap(tensor), data(256)]

const attacks: [name: string, pieces: Piece[], expected: RegExp][] = [
  ['too short', [{ raw: 'GGUF' }], /it has 4 bytes, too few/],
  ['another format', [{ raw: 'GGML' }, data(40)], /not a GGUF file: it does not begin with "GGUF"/],
  ['version 1', header(0, 0, 1), /GGUF version 1; posttrain reads versions 2 and 3/],
  ['big-endian', header(0, 0, 0x03000000), /big-endian byte order/],
  ['2^60 tensors', [...header(2n ** 60n, 0), data(64)], /the number of tensors is 1152921504606846976, more than fit/],
  ['2^63 metadata entries', [...header(0, 2n ** 63n), data(64)],
    /the number of metadata entries is \d+, more than fit/],
  ['key longer than the file', [...header(0, 1), { u64: 2n ** 62n }, data(64)],
    /the length of a metadata key is \d+, more than fit/],
  ['string longer than the file', [...header(0, 1), { text: 'k' }, { u32: 8 }, { u64: 1000 }, data(64)],
    /the length of "k" is 1000, more than fit/],
  ['array longer than the file', [...header(0, 1), { text: 'k' }, { u32: 9 }, { u32: 4 }, { u64: 2n ** 61n }, data(64)],
    /the length of "k" is \d+, more than fit/],
  ['array of arrays', [...header(0, 1), { text: 'k' }, { u32: 9 }, { u32: 9 }, { u64: 1 }, data(64)],
    /"k" is an array of arrays/],
  ['unknown value type', [...header(0, 1), { text: 'k' }, { u32: 13 }, data(64)], /"k" has the unknown value type 13/],
  ['key twice', [...header(0, 2), ...uint32Field('k', 1), ...uint32Field('k', 2)], /the key "k" twice/],
  ['ends in the metadata', [...header(0, 1), { text: 'a key without a value' }], /runs past the end of the file/],
  ['tensor twice', withTensors({}, { offset: 32 }), /the tensor "a" twice/],
  ['five dimensions', withTensors({ dimensions: [1, 1, 1, 1, 1] }), /tensor "a" has 5 dimensions; the most are 4/],
  ['2^31 dimensions', [...header(1, 0), { text: 'a' }, { u32: 2 ** 31 }, data(64)], /has 2147483648 dimensions/],
  ['dimension of zero', withTensors({ dimensions: [4, 0] }), /tensor "a" has a dimension of 0/],
  ['negative dimension', withTensors({ dimensions: [2n ** 64n - 4n] }), /has a dimension of 18446744073709551612/],
  ['dimensions that overflow 64 bits', withTensors({ dimensions: [2n ** 33n, 2n ** 33n] }),
    /the size of its shape .* overflows/],
  ['unknown quantization', withTensors({ type: 99 }), /tensor "a" is quantized as unknown type 99.*Q4_0, Q4_1/],
  ['quantization that is not read', withTensors({ dimensions: [256], type: 10 }),
    /quantized as Q2_K, which posttrain does not read/],
  ['part of a block', withTensors({ dimensions: [33], type: 2 }),
    /a row of 33 values is not made of Q4_0 blocks of 32/],
  ['beyond the file', withTensors({ dimensions: [100] }), /tensor "a" ends at byte \d+, beyond the file's \d+/],
  ['offset beyond the file', withTensors({ offset: 2n ** 60n }),
    /placed at offset 1152921504606846976; the tensors before it end at 0/],
  ['overlap', withTensors({}, { name: 'b', offset: 0 }),
    /tensor "b" is placed at offset 0; the tensors before it end at 32/],
  ['gap', withTensors({}, { name: 'b', offset: 64 }), /tensor "b" is placed at offset 64/],
  ['alignment 0', [...header(0, 1), ...uint32Field('general.alignment', 0)],
    /general\.alignment is 0, not a power of two/],
  ['alignment 24', [...header(0, 1), ...uint32Field('general.alignment', 24)],
    /general\.alignment is 24, not a power of two/],
  ['alignment 2^31', [...header(0, 1), ...uint32Field('general.alignment', 2 ** 31)],
    /general\.alignment is 2147483648/],
  ['alignment as text', [...header(0, 1), { text: 'general.alignment' }, { u32: 8 }, { text: '32' }],
    /general\.alignment is 32, not/],
]

for (const [name, pieces, expected] of attacks) {
  test(`refused: ${name}`, async () => {
    const path = join(root, `${name.replaceAll(/\W/g, '-')}.gguf`)
    await writeFile(path, encode(pieces))
    await assert.rejects(parse(path), (error: Error) => {
      assert.equal(error.name, 'UserError')
      assert.match(error.message, expected)
      assert.ok(error.message.includes(path), 'names the file')
      return true
    })
  })
}

test('what is written is read back, for random values of every type, across the reader\'s window', async () => {
  for (let seed = 0; seed < 8; seed++) {
    const random = new Random(seed)
    const words = (count: number): string[] => Array.from({ length: count }, () => 'ü'.repeat(random.below(40)))
    const fields = new Map<string, GgufField>([
      ['u8', { type: 'uint8', value: random.below(256) }],
      ['i8', { type: 'int8', value: random.below(256) - 128 }],
      ['u16', { type: 'uint16', value: random.below(1 << 16) }],
      ['i16', { type: 'int16', value: -random.below(1 << 15) }],
      ['u32', { type: 'uint32', value: random.uint32() }],
      ['i32', { type: 'int32', value: -random.below(2 ** 31) }],
      ['u64', { type: 'uint64', value: 2n ** 63n + BigInt(random.uint32()) }],
      ['i64', { type: 'int64', value: -random.uint32() }],
      ['f32', { type: 'float32', value: Math.fround(random.uint32() / 7) }],
      ['f64', { type: 'float64', value: random.uint32() / 7 }],
      ['bool', { type: 'bool', value: random.below(2) === 1 }],
      ['words', { type: 'array', of: 'string', value: words(40_000) }],
      ['numbers', { type: 'array', of: 'int32', value: Array.from({ length: 3 }, () => random.below(9)) }],
      ['empty', { type: 'array', of: 'float32', value: [] }],
      ['last', { type: 'string', value: 'end' }],
    ])
    const shapes = Array.from({ length: 5 }, () => [1 + random.below(5), 32 * (1 + random.below(3))])
    const tensors = shapes.map((shape, i): GgufTensorInput => ({
      name: `tensor ${i}`, shape, type: (['F32', 'F16', 'BF16', 'Q8_0'] as const)[i % 4]!,
      data: Float32Array.from({ length: shape[0]! * shape[1]! }, () => random.below(255) - 127),
    }))
    const path = join(root, 'random.gguf')
    await writeGguf(path, fields, tensors)
    const parsed = await parse(path)
    assert.deepEqual(parsed.fields, fields)
    const bytes = await readFile(path)
    for (const { name, type, shape, data } of tensors) {
      const entry = parsed.tensors.get(name)!
      assert.equal(entry.type.name, type)
      assert.deepEqual(entry.shape, shape)
      assert.equal(entry.begin % 32, 0)
      const values = entry.type.dequantize(bytes.subarray(entry.begin, entry.begin + entry.bytes))
      if (type === 'Q8_0') assert.ok(values.every((value, i) => Math.abs(value - (data as Float32Array)[i]!) < 0.6))
      else assert.deepEqual(values, data)
    }
  }
})

test('a file cut anywhere is refused', async () => {
  const path = join(root, 'cut.gguf')
  const fields = new Map<string, GgufField>([['general.architecture', { type: 'string', value: 'llama' }]])
  await writeGguf(path, fields, [{ name: 'token_embd.weight', type: 'F32', shape: [4, 8], data: new Float32Array(32) }])
  const whole = await readFile(path)
  for (let length = 0; length < whole.length; length += 7) {
    await writeFile(path, whole)
    await truncate(path, length)
    assert.throws(() => openGguf(path), { name: 'UserError' }, `cut at ${length} of ${whole.length}`)
  }
})
