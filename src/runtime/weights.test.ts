import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { weight } from '../tensor/tensor.ts'
import { Program } from './program.ts'
import { WeightFile } from './weights.ts'

const root = mkdtempSync(join(tmpdir(), 'posttrain-weights-'))
after(() => { rmSync(root, { recursive: true }) })
let folder = root
beforeEach(() => { folder = mkdtempSync(join(root, 'case-')) })

const stored = new Map<string, Float32Array | Uint8Array>([
  ['first', Float32Array.of(1, 2, 3)],
  ['second', Uint8Array.of(7, 8)],
  ['third', Float32Array.of(-4)],
])

/** Prepares the three weights; `asked` hears of each whose values are made. */
function prepare(path = join(folder, 'base.bin'), asked: string[] = []): WeightFile {
  return WeightFile.prepare(path, [...stored.keys()], (name) => {
    asked.push(name)
    return stored.get(name)!
  })
}

function assertWhole(file: WeightFile): void {
  const bytes = readFileSync(file.path)
  for (const [name, values] of stored) {
    const { offset, length } = file.locate(name)
    assert.deepEqual(bytes.subarray(offset, offset + length), Buffer.from(values.buffer), name)
  }
}

test('weights lie at page boundaries, and a graph reads them', async () => {
  const file = prepare()
  assertWhole(file)
  for (const name of stored.keys()) assert.equal(file.locate(name).offset % 4096, 0)
  const outputs = new Map([['first', weight('first', 'float32', [3])], ['third', weight('third', 'float32', [1])]])
  const program = await Program.compile(outputs, { device: 'cpu', weights: file })
  const { first, third } = await program.run({})
  assert.deepEqual([first!.data, third!.data], [stored.get('first'), stored.get('third')])
  await program.release()
})

test('values are asked for once; a file that is whole is taken as it is', () => {
  const asked: string[] = []
  prepare(undefined, asked)
  assertWhole(prepare(undefined, asked))
  assert.deepEqual(asked, [...stored.keys()])
})

test('a file that is short, that has no index, or whose index is damaged is made again', () => {
  const spoilings: ((path: string) => void)[] = [
    (path) => { truncateSync(path, 4097) },
    (path) => { rmSync(path) },
    (path) => { rmSync(path.replace(/bin$/, 'json')) },
    (path) => { truncateSync(path.replace(/bin$/, 'json'), 9) },
    (path) => { writeFileSync(path.replace(/bin$/, 'json'), '{}') },
  ]
  for (const spoil of spoilings) {
    const asked: string[] = []
    spoil(prepare().path)
    assertWhole(prepare(undefined, asked))
    assert.deepEqual(asked, [...stored.keys()], String(spoil))
  }
})

test('a file of the same name with other weights is made again', () => {
  const path = join(folder, 'base.bin')
  WeightFile.prepare(path, ['first'], () => Float32Array.of(9))
  assertWhole(prepare(path))
})

test('where the system refuses to write, the reason is said', () => {
  writeFileSync(join(folder, 'file'), '')
  assert.throws(() => prepare(join(folder, 'file', 'base.bin')), { name: 'UserError', message: /Cannot write .*base\.bin: a part of this path is a file/ })
})

test('a failure on the way leaves nothing behind', () => {
  const path = join(folder, 'base.bin')
  assert.throws(() => WeightFile.prepare(path, ['a', 'b'], (name) => {
    if (name === 'b') throw new Error('the disk is full')
    return Float32Array.of(1)
  }), /the disk is full/)
  assert.deepEqual(readdirSync(folder), [])
})

test('a weight that is not in the file is named', () => {
  assert.throws(() => prepare().locate('fourth'), /no weight fourth in .*base\.bin/)
})

test('processes that prepare at the same time all end with whole weights', async () => {
  const path = join(folder, 'base.bin')
  const script = join(folder, 'prepare.mjs')
  writeFileSync(script, `
    import { WeightFile } from ${JSON.stringify(new URL('weights.ts', import.meta.url).href)}
    const file = WeightFile.prepare(${JSON.stringify(path)}, ['a', 'b'], (name) => new Float32Array(200_000).fill(name === 'a' ? 1 : 2))
    process.stdout.write(JSON.stringify([file.locate('a'), file.locate('b')]))
  `)
  const all = await Promise.all(Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, [script])))
  const bytes = readFileSync(path)
  for (const { stdout } of all) {
    const places = JSON.parse(stdout) as { offset: number; length: number }[]
    places.forEach(({ offset, length }, i) => {
      const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + length))
      assert.ok(values.every((value) => value === i + 1))
    })
  }
  assert.deepEqual(readdirSync(folder).sort(), ['base.bin', 'base.json', 'prepare.mjs'])
})
