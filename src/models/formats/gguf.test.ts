import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { UserError } from '../../errors.ts'
import { Random } from '../../random.ts'
import { ByteFile } from './byte-file.ts'
import { writeGgufModel } from './gguf-export.ts'
import { parseGguf } from './gguf-parser.ts'
import type { GgufField } from './gguf-parser.ts'
import { writeGguf } from './gguf-writer.ts'
import type { GgufTensorInput } from './gguf-writer.ts'
import { openGguf } from './gguf.ts'
import { openModel } from '../open.ts'
import { openSafetensors } from './safetensors.ts'

const fixtures = join(import.meta.dirname, '../fixtures')
const root = await mkdtemp(join(tmpdir(), 'posttrain-gguf-model-'))
after(() => rm(root, { recursive: true, force: true }))

/** Metadata and tensors of tiny-llama as a GGUF file has them. */
let fields: ReadonlyMap<string, GgufField>
let tensors: readonly GgufTensorInput[]

before(async () => {
  const path = join(root, 'tiny.gguf')
  const model = await openModel(join(fixtures, 'tiny-llama'))
  await writeGgufModel(path, model)
  model.close()
  const written = openGguf(path)
  written.close()
  fields = written.fields
  tensors = rawTensors(path)
})

/** The stored tensors, under their GGUF names and in the file's row order. */
function rawTensors(path: string): GgufTensorInput[] {
  const file = new ByteFile(path)
  const raw = [...parseGguf(file).tensors].map(([name, { type, shape, begin, bytes }]): GgufTensorInput =>
    ({ name, shape, type: 'F32', data: type.dequantize(file.read(begin, bytes)) }))
  file.close()
  return raw
}

interface Changes {
  readonly set?: Record<string, GgufField | undefined>
  readonly tensors?: (tensors: readonly GgufTensorInput[]) => readonly GgufTensorInput[]
}

/** tiny-llama's file with some metadata set (undefined: left out) and some tensors changed. */
async function changed({ set = {}, tensors: change = same => same }: Changes): Promise<string> {
  const path = join(root, 'changed.gguf')
  const metadata = new Map(fields)
  for (const [key, field] of Object.entries(set)) {
    if (field === undefined) metadata.delete(key)
    else metadata.set(key, field)
  }
  await writeGguf(path, metadata, change(tensors))
  return path
}

const whole = (value: number): GgufField => ({ type: 'uint32', value })
const text = (value: string): GgufField => ({ type: 'string', value })

test('a sound file opens', async () => {
  const model = openGguf(await changed({}))
  assert.equal(model.config.architecture, 'llama')
  assert.equal(model.metadata.get('tokenizer.ggml.model'), 'gpt2')
  model.close()
})

const refusals: [name: string, changes: Changes, expected: RegExp][] = [
  ['unknown architecture', { set: { 'general.architecture': text('gemma2') } },
    /architecture "gemma2" is not implemented.*llama, qwen2, qwen3/],
  ['no architecture', { set: { 'general.architecture': undefined } }, /architecture "undefined"/],
  ['mixture of experts', { set: { 'llama.expert_count': whole(8) } }, /mixture of experts \(llama\.expert_count: 8\)/],
  ['one part of several', { set: { 'split.count': { type: 'uint16', value: 3 } } }, /one of several parts.*gguf-split/],
  ['no layer count', { set: { 'llama.block_count': undefined } }, /has no llama\.block_count/],
  ['no layers', { set: { 'llama.block_count': whole(0) } }, /llama\.block_count: 0/],
  ['more layers than memory', { set: { 'llama.block_count': whole(2 ** 32 - 1) } },
    /4294967295 layers, but there are only \d+ tensors/],
  ['more layers than the weights', { set: { 'llama.block_count': whole(3) } },
    /lack "blk\.2\.attn_q\.weight".* and 6 more/],
  ['sizes by layer', { set: { 'llama.feed_forward_length': { type: 'array', of: 'int32', value: [48, 48] } } },
    /a list \(one for each layer\)/],
  ['layer count as text', { set: { 'llama.block_count': text('2') } },
    /llama\.block_count: 2, where posttrain reads one whole number/],
  ['no epsilon', { set: { 'llama.attention.layer_norm_rms_epsilon': undefined } },
    /has no llama\.attention\.layer_norm_rms_epsilon/],
  ['negative theta', { set: { 'llama.rope.freq_base': { type: 'float32', value: -1 } } },
    /rope\.freq_base: -1, which is not a positive number/],
  ['partial rotary', { set: { 'llama.rope.dimension_count': whole(4) } },
    /rope\.dimension_count: 4; only the size of a head, 8/],
  ['other value heads', { set: { 'llama.attention.value_length': whole(16) } }, /value_length: 16/],
  ['heads that do not divide', { set: { 'llama.attention.head_count_kv': whole(3) } }, /4 heads cannot share 3/],
  ['no key-value heads', { set: { 'llama.attention.head_count_kv': whole(0) } }, /4 heads cannot share 0/],
  ['yarn', { set: { 'llama.rope.scaling.type': text('yarn') } }, /rope scaling "yarn" is not implemented/],
  ['another width', { set: { 'llama.feed_forward_length': whole(64) } },
    /tensor "blk\.0\.ffn_gate\.weight" has the shape \[48, 32\].*\[64, 32\]/],
  ['no embeddings', { tensors: all => all.filter(({ name }) => name !== 'token_embd.weight') },
    /lack "token_embd\.weight"/],
  ['a missing norm', { tensors: all => all.filter(({ name }) => name !== 'blk.1.ffn_norm.weight') },
    /lack "blk\.1\.ffn_norm\.weight"/],
  ['rotary factors of no known rule', {
    tensors: all => all.map(tensor =>
      tensor.name === 'rope_freqs.weight' ? { ...tensor, data: Float32Array.of(1, 2, 3, 4) } : tensor),
  }, /rope_freqs\.weight follows no rule/],
]

for (const [name, changes, expected] of refusals) {
  test(`refused: ${name}`, async () => {
    const path = await changed(changes)
    assert.throws(() => openGguf(path), (error: Error) => {
      assert.equal(error.name, 'UserError')
      assert.match(error.message, expected)
      assert.ok(error.message.includes(path), 'names the file')
      return true
    })
  })
}

test('linear scaling, in the old and the new key', async () => {
  const withoutFactors: Changes['tensors'] = all => all.filter(({ name }) => name !== 'rope_freqs.weight')
  const decimal: GgufField = { type: 'float32', value: 4 }
  const newKeys = { 'llama.rope.scaling.type': text('linear'), 'llama.rope.scaling.factor': decimal }
  for (const set of [newKeys, { 'llama.rope.scale_linear': decimal }]) {
    const model = openGguf(await changed({ set, tensors: withoutFactors }))
    assert.deepEqual(model.config.ropeScaling, { type: 'linear', factor: 4 })
    model.close()
  }
})

test('rows of q and k are in Hugging Face\'s order, those of v untouched', () => {
  const model = openGguf(join(root, 'tiny.gguf'))
  const source = openSafetensors(join(fixtures, 'tiny-llama', 'model.safetensors'))
  const stored = (name: string) => tensors.find(tensor => tensor.name === name)!.data as Float32Array
  for (const [projection, moved] of [['q', true], ['k', true], ['v', false]] as const) {
    const name = `model.layers.1.self_attn.${projection}_proj.weight`
    assert.deepEqual(model.read(name), source.read(name))
    const equal = stored(`blk.1.attn_${projection}.weight`).every((value, i) => value === source.read(name)[i])
    assert.equal(equal, !moved)
  }
  source.close()
  model.close()
})

test('bytes changed at random give a model or a UserError, nothing else', async () => {
  const whole = await readFile(join(root, 'tiny.gguf'))
  const path = join(root, 'changed-bytes.gguf')
  const random = new Random(5)
  const outcomes = { opened: 0, refused: 0 }
  for (let i = 0; i < 300; i++) {
    const bytes = Buffer.from(whole)
    for (let change = 0; change < 3; change++) bytes[random.below(9000)] = [0, 0xff, 0x80, random.below(256)][random.below(4)]!
    await writeFile(path, bytes)
    try {
      const model = openGguf(path)
      for (const name of model.tensors.keys()) model.read(name)
      model.close()
      outcomes.opened++
    } catch (error) {
      assert.ok(error instanceof UserError, `round ${i}: ${String(error)}`)
      outcomes.refused++
    }
  }
  assert.ok(outcomes.opened > 30 && outcomes.refused > 30, JSON.stringify(outcomes))
})
