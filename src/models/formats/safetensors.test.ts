import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { narrow, widen } from './float.ts'
import type { FloatType } from './float.ts'
import { elementsOf, openSafetensors, writeSafetensors } from './safetensors.ts'
import type { TensorInput } from './safetensors.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-safetensors-'))
after(() => rm(root, { recursive: true, force: true }))

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
function randomNumbers(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function randomTensor(name: string, random: () => number): TensorInput & { data: Float32Array } {
  const shape = Array.from({ length: Math.floor(random() * 4) }, () => Math.floor(random() * 5))
  const dtype = (['F32', 'F16', 'BF16'] as const)[Math.floor(random() * 3)]!
  const data = Float32Array.from({ length: elementsOf(shape) }, () => (random() - 0.5) * 10 ** (random() * 8 - 4))
  return { name, dtype, shape, data }
}

/** A file with this header and `dataBytes` zero bytes behind it. */
async function fileWith(name: string, header: string | object, dataBytes = 0, length?: bigint): Promise<string> {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const start = Buffer.alloc(8)
  start.writeBigUInt64LE(length ?? BigInt(json.length))
  const path = join(root, `${name.replaceAll(/\W/g, '-')}.safetensors`)
  await writeFile(path, Buffer.concat([start, json, Buffer.alloc(dataBytes)]))
  return path
}

test('what is written is read back, for random shapes and types', async () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = randomNumbers(seed)
    const count = Math.floor(random() * 6)
    const tensors = Array.from({ length: count }, (_, i) => randomTensor(`tensor "${i}" ü\n`, random))
    const path = join(root, 'random.safetensors')
    await writeSafetensors(path, tensors, { format: 'pt', seed: String(seed) })
    const file = openSafetensors(path)
    assert.deepEqual([...file.tensors.keys()].sort(), tensors.map(({ name }) => name).sort())
    assert.deepEqual(Object.fromEntries(file.metadata), { format: 'pt', seed: String(seed) })
    for (const { name, dtype, shape, data } of tensors) {
      const entry = file.tensors.get(name)!
      assert.deepEqual({ dtype: entry.dtype, shape: entry.shape }, { dtype, shape }, `seed ${seed}`)
      assert.deepEqual(file.read(name), widen(dtype, narrow(dtype, data)), `seed ${seed}, ${name}`)
      assert.equal(entry.begin % (dtype === 'F32' ? 4 : 2), 0, 'data begins at a multiple of the element size')
    }
    file.close()
  }
})

test('tensors are made only when their turn has come', async () => {
  const path = join(root, 'lazy.safetensors')
  const order: string[] = []
  const lazy = (name: string, dtype: FloatType): TensorInput =>
    ({ name, dtype, shape: [2], data: () => (order.push(name), new Float32Array(2)) })
  const tensors = [lazy('half', 'F16'), lazy('full', 'F32')]
  assert.deepEqual(order, [])
  await writeSafetensors(path, tensors)
  assert.deepEqual(order, ['full', 'half'])
})

test('a writer that fails leaves the old file and nothing beside it', async () => {
  const path = join(root, 'kept.safetensors')
  await writeSafetensors(path, [{ name: 'a', dtype: 'F32', shape: [1], data: new Float32Array([5]) }])
  const before = await readFile(path)
  const lies: TensorInput = { name: 'b', dtype: 'F32', shape: [3], data: new Float32Array(2) }
  await assert.rejects(writeSafetensors(path, [lies]), /"b" has 2 values; its shape is \[3\]/)
  await assert.rejects(writeSafetensors(path, [{ ...lies, name: '__metadata__' }]), /cannot be named/)
  assert.deepEqual(await readFile(path), before)
  assert.deepEqual((await readdir(root)).filter(name => name.includes('partial')), [])
})

const entry = (dtype: string, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets })
const a4 = entry('F32', [4], [0, 16])

const attacks: [name: string, header: string | object, dataBytes: number, expected: RegExp, length?: bigint][] = [
  ['header over the limit', {}, 0, /header claims 100000001 bytes, more than the format's limit/, 100_000_001n],
  ['header length overflows', {}, 0, /header claims 18446744073709551615 bytes/, 2n ** 64n - 1n],
  ['header longer than the file', {}, 0, /claims 1000 bytes, but the file has only 10/, 1000n],
  ['not JSON', '{"a":', 0, /header is not JSON/],
  ['not an object', '[1]', 0, /header is not a JSON object/],
  ['leading space', ' {}', 0, /header is not a JSON object/],
  ['duplicate tensor', `{"a":${JSON.stringify(a4)},"\\u0061":${JSON.stringify(a4)}}`,
    16, /the key "a" twice/],
  ['duplicate key in an entry', '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"shape":[4]}}', 16,
    /the key "shape" twice/],
  ['duplicate metadata', '{"__metadata__":{"x":"1","x":"2"}}', 0, /the key "x" twice/],
  ['metadata not text', { __metadata__: { x: 1 } }, 0, /__metadata__ "x" is not a string/],
  ['entry not an object', { a: [] }, 0, /tensor "a": its entry is not an object/],
  ['no dtype', { a: { shape: [4], data_offsets: [0, 16] } }, 16, /tensor "a": it has no dtype/],
  ['unknown dtype', { a: entry('F31', [4], [0, 16]) }, 16, /tensor "a": its dtype "F31" is unknown/],
  ['dtype of the prototype', { a: entry('toString', [4], [0, 16]) }, 16, /dtype "toString" is unknown/],
  ['negative dimension', { a: entry('F32', [-4], [0, 16]) }, 16,
    /tensor "a": its shape \[-4\] is not a list of whole numbers/],
  ['fractional dimension', { a: entry('F32', [4.5], [0, 18]) }, 18, /its shape \[4\.5\]/],
  ['dimension as text', { a: entry('F32', ['4'], [0, 16]) }, 16, /its shape/],
  ['shape overflows', { a: entry('F32', [2 ** 40, 2 ** 40], [0, 16]) }, 16, /the size of its shape .* overflows/],
  ['shape overflows to zero in 64 bits', { a: entry('F32', [2 ** 32, 2 ** 32], [0, 0]) }, 0, /overflows/],
  ['one offset', { a: entry('F32', [4], [0]) }, 16, /tensor "a": its data_offsets \[0\] are not two whole numbers/],
  ['negative offset', { a: entry('F32', [4], [-16, 0]) }, 16, /data_offsets \[-16,0\]/],
  ['offsets backwards', { a: entry('F32', [4], [16, 0]) }, 16, /run backwards/],
  ['offset beyond the file', { a: a4, b: entry('F32', [4], [16, 32]) }, 16,
    /tensor "b": its data ends at byte \d+, beyond the file's \d+/],
  ['size mismatch', { a: entry('F16', [4], [0, 16]) }, 16, /F16 \[4\] takes 8 bytes, but its data_offsets span 16/],
  ['overlap', { a: a4, b: entry('F32', [4], [8, 24]) }, 24, /tensor "b": its data overlaps/],
  ['same range twice', { a: a4, b: a4 }, 16, /overlaps/],
  ['gap', { a: a4, b: entry('F32', [4], [20, 36]) }, 36, /tensor "b": 4 bytes before its data belong to no tensor/],
  ['gap at the start', { a: entry('F32', [4], [8, 24]) }, 24, /tensor "a": 8 bytes before/],
  ['bytes left over', { a: a4 }, 20, /its last 4 bytes belong to no tensor/],
]

for (const [name, header, dataBytes, expected, length] of attacks) {
  test(`refused: ${name}`, async () => {
    const path = await fileWith(name, header, dataBytes, length)
    assert.throws(() => openSafetensors(path), (error: Error) => {
      assert.equal(error.name, 'UserError')
      assert.match(error.message, expected)
      assert.ok(error.message.includes(path), 'names the file')
      return true
    })
  })
}

test('sound corner cases are read', async () => {
  const header = {
    __metadata__: {},
    empty: entry('F32', [0, 7], [0, 0]),
    scalar: entry('F16', [], [0, 2]),
    ['__proto__']: entry('BF16', [1], [2, 4]),
  }
  const file = openSafetensors(await fileWith('corner', `${JSON.stringify(header)}   `, 4))
  assert.equal(file.read('empty').length, 0)
  assert.deepEqual([...file.read('scalar')], [0])
  assert.deepEqual([...file.read('__proto__')], [0])
  file.close()
})

test('truncated, empty, missing, and a type that is not read', async () => {
  const path = await fileWith('truncated', { a: a4 }, 16)
  await truncate(path, 70)
  assert.throws(() => openSafetensors(path), /tensor "a": its data ends at byte \d+, beyond the file's 70/)
  await truncate(path, 3)
  assert.throws(() => openSafetensors(path), /it has 3 bytes, too few for a header/)
  const none = join(root, 'none')
  assert.throws(() => openSafetensors(none), { name: 'UserError', message: /none: there is no such file/ })
  const integers = openSafetensors(await fileWith('integers', { a: entry('I64', [2], [0, 16]) }, 16))
  assert.throws(() => integers.read('a'), /tensor "a" is stored as I64/)
  assert.throws(() => integers.read('b'), /has no tensor "b"/)
  integers.close()
})

test('a file that shrinks while it is open', async () => {
  const path = await fileWith('shrinks', { a: a4 }, 16)
  const file = openSafetensors(path)
  await truncate(path, 64)
  assert.throws(() => file.read('a'), { name: 'UserError', message: /ends at byte 64/ })
  file.close()
})

test('pickles are refused, whatever they are called', async () => {
  const path = join(root, 'pickle.safetensors')
  for (const start of ['504b0304140000000000', '80028a0a6cfc9c46f9206aa850192e80', '80049501020000000000008c']) {
    await writeFile(path, Buffer.from(start, 'hex'))
    assert.throws(() => openSafetensors(path), { name: 'UserError', message: /pickled weights.*save_pretrained/ })
  }
})
