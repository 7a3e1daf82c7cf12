import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openSafetensors, writeSafetensors } from '../models/formats/safetensors.ts'
import { loadCheckpoint, restoreParameters, saveCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { createAdamW } from './optimizer.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-checkpoint-'))
after(() => rm(root, { recursive: true, force: true }))

/** Values that a rounding, a swapped tensor or a lost sign of zero would change. */
function awkward(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => [1 / 3, -0, 1e-40, 3.4e38, -1e-8][i % 5]! * (i + 1))
}

function example(): Checkpoint {
  const parameters = new Map([['layers.0.lora_A', awkward(6)], ['layers.0.lora_B', awkward(3)]])
  const optimizer = createAdamW(parameters, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01 })
  for (let i = 0; i < 3; i++) optimizer.step(new Map([...parameters].map(([name, { length }]) => [name, awkward(length)])), 1e-3)
  return {
    parameters,
    optimizer: optimizer.state(),
    state: {
      step: 3, epoch: 0.1 + 0.2, seed: 7, tokens: 12_345, elapsedSeconds: 1.25, evaluationsSinceBest: 1,
      loader: { order: [2, 0, 1], random: '0123456789abcdef' }, best: { step: 2, loss: 1 / 3 },
    },
  }
}

async function saved(name: string): Promise<string> {
  const directory = join(root, name)
  await mkdir(directory)
  await saveCheckpoint(directory, example(), new Map([['layers.0.lora_A', [2, 3]]]))
  return directory
}

test('a checkpoint comes back bit by bit', async () => {
  const directory = await saved('whole')
  const loaded = loadCheckpoint(directory)
  const { parameters, optimizer, state } = example()
  assert.deepEqual(loaded.parameters, parameters)
  assert.ok(Object.is(loaded.parameters.get('layers.0.lora_A')?.[1], -0))
  assert.equal(loaded.optimizer.step, 3)
  assert.deepEqual(new Map([...loaded.optimizer.moments].sort()), new Map([...optimizer.moments].sort()))
  assert.deepEqual(loaded.state, state)
})

test('parameters are stored with their shapes', async () => {
  const file = openSafetensors(join(await saved('shapes'), 'parameters.safetensors'))
  assert.deepEqual([...file.tensors].map(([name, { shape }]) => [name, shape]), [['layers.0.lora_A', [2, 3]], ['layers.0.lora_B', [3]]])
  file.close()
})

test('saved parameters are copied into the run\'s own arrays', async () => {
  const directory = await saved('restore')
  const parameters = new Map([['layers.0.lora_B', new Float32Array(3)], ['layers.0.lora_A', new Float32Array(6)]])
  const own = parameters.get('layers.0.lora_A')
  restoreParameters(parameters, loadCheckpoint(directory).parameters, directory)
  assert.equal(parameters.get('layers.0.lora_A'), own)
  assert.deepEqual(own, example().parameters.get('layers.0.lora_A'))
})

test('a checkpoint of another recipe is refused, naming the tensor, and nothing is copied', async () => {
  const directory = await saved('other')
  const stored = loadCheckpoint(directory).parameters
  const cases: [Record<string, number>, RegExp][] = [
    [{ 'layers.0.lora_A': 12, 'layers.0.lora_B': 3 }, /layers\.0\.lora_A has 6 values there and 12 in this run/],
    [{ 'layers.0.lora_A': 6 }, /layers\.0\.lora_B has 3 values there and no in this run/],
    [{ 'layers.0.lora_A': 6, 'layers.0.lora_B': 3, 'layers.1.lora_A': 6 }, /layers\.1\.lora_A has no values there/],
  ]
  for (const [lengths, message] of cases) {
    const parameters = new Map(Object.entries(lengths).map(([name, length]) => [name, new Float32Array(length)]))
    assert.throws(() => restoreParameters(parameters, stored, directory), { name: 'UserError', message })
    assert.ok([...parameters.values()].every((values) => values.every((value) => value === 0)))
  }
})

test('a damaged state names the file and the key', async () => {
  const directory = await saved('state')
  const path = join(directory, 'state.json')
  const text = await readFile(path, 'utf8')
  const state = JSON.parse(text) as Record<string, unknown>
  const cases: [string, RegExp][] = [
    [text.slice(0, 30), /state\.json is damaged: .*JSON/],
    ['', /state\.json is damaged/],
    ['[]', /state\.json is damaged: .*object/],
    [JSON.stringify({ ...state, step: -1 }), /state\.json is damaged, key step/],
    [JSON.stringify({ ...state, tokens: '5' }), /key tokens/],
    [JSON.stringify({ ...state, best: { step: 1 } }), /key best\.loss/],
    [JSON.stringify({ ...state, extra: 1 }), /extra/],
    [JSON.stringify({ ...state, loader: undefined }), /key loader/],
  ]
  for (const [content, message] of cases) {
    await writeFile(path, content)
    assert.throws(() => loadCheckpoint(directory), { name: 'UserError', message })
  }
  await rm(path)
  assert.throws(() => loadCheckpoint(directory), { name: 'UserError', message: /state\.json/ })
})

test('damaged tensors name the file', async () => {
  const directory = await saved('tensors')
  const path = join(directory, 'optimizer.safetensors')
  const bytes = await readFile(path)
  await writeFile(path, bytes.subarray(0, bytes.length - 4))
  assert.throws(() => loadCheckpoint(directory), { name: 'UserError', message: /optimizer\.safetensors/ })
  await writeSafetensors(path, [])
  assert.throws(() => loadCheckpoint(directory), { name: 'UserError', message: /optimizer\.safetensors does not say/ })
})

test('a state that could not be read back is not written', async () => {
  const directory = join(root, 'unwritable')
  await mkdir(directory)
  const checkpoint = example()
  await assert.rejects(saveCheckpoint(directory, { ...checkpoint, state: { ...checkpoint.state, epoch: NaN } }), /epoch/)
})
