import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parameterShapes } from '../graph/decoder.ts'
import { parseHuggingFaceConfig } from './huggingface-config.ts'
import { openHuggingFace } from './huggingface.ts'
import { openModel } from '../open.ts'
import { openSafetensors, writeSafetensors } from './safetensors.ts'
import type { TensorInput } from './safetensors.ts'

const fixtures = join(import.meta.dirname, '../fixtures')
const root = await mkdtemp(join(tmpdir(), 'posttrain-huggingface-'))
const userError = (message: RegExp) => ({ name: 'UserError', message })
after(() => rm(root, { recursive: true, force: true }))

let copies = 0
async function copyOf(fixture: string): Promise<string> {
  const directory = join(root, `${fixture}-${copies++}`)
  await cp(join(fixtures, fixture), directory, { recursive: true })
  return directory
}

async function edit(path: string, change: (value: Record<string, unknown>) => object): Promise<void> {
  await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>)))
}

const parse = (config: object, generation?: object) => parseHuggingFaceConfig(config, generation, 'M/config.json')

for (const fixture of ['tiny-llama', 'tiny-mistral', 'tiny-qwen2', 'tiny-qwen3']) {
  test(`${fixture}: every tensor is there, in f32, with its shape`, async () => {
    const model = await openModel(join(fixtures, fixture))
    for (const [name, shape] of parameterShapes(model.config)) {
      assert.deepEqual(model.tensors.get(name)!.shape, shape)
      assert.equal(model.read(name).length, shape.reduce((a, b) => a * b, 1))
    }
    assert.throws(() => model.read('model.layers.9.norm.weight'), userError(/has no tensor/))
    model.close()
  })
}

test('left-out keys have transformers\' defaults; null is not the same as left out', () => {
  const llama = parse({ model_type: 'llama' })
  assert.deepEqual(llama, {
    architecture: 'llama', hiddenSize: 4096, intermediateSize: 11_008, layers: 32, heads: 32, kvHeads: 32, headDim: 128,
    vocabSize: 32_000, normEps: 1e-6, ropeTheta: 1e4, ropeScaling: { type: 'none' }, tieEmbeddings: false,
    qkvBias: false, outputBias: false, mlpBias: false, qkNorm: false, maxPositions: 2048, slidingWindow: undefined,
    bosTokenId: 1, eosTokenIds: [2], padTokenId: undefined,
  })
  const mistral = parse({ model_type: 'mistral' })
  assert.deepEqual([mistral.kvHeads, mistral.intermediateSize, mistral.slidingWindow], [8, 14_336, 4096])
  assert.equal(parse({ model_type: 'mistral', sliding_window: null }).slidingWindow, undefined)
  const qwen3 = parse({ model_type: 'qwen3', num_attention_heads: 16, num_key_value_heads: null })
  assert.deepEqual([qwen3.headDim, qwen3.kvHeads, qwen3.eosTokenIds, qwen3.slidingWindow], [128, 16, [], undefined])
  assert.deepEqual(parse({ model_type: 'llama', eos_token_id: null }).eosTokenIds, [])
})

test('biases and norms by architecture', () => {
  const flags = (config: object) => {
    const { qkvBias, outputBias, mlpBias, qkNorm } = parse(config)
    return { qkvBias, outputBias, mlpBias, qkNorm }
  }
  const none = { qkvBias: false, outputBias: false, mlpBias: false, qkNorm: false }
  assert.deepEqual(flags({ model_type: 'llama' }), none)
  const llama = { model_type: 'llama', attention_bias: true, mlp_bias: true }
  assert.deepEqual(flags(llama), { ...none, qkvBias: true, outputBias: true, mlpBias: true })
  assert.deepEqual(flags({ model_type: 'mistral', attention_bias: true }), none)
  assert.deepEqual(flags({ model_type: 'qwen2' }), { ...none, qkvBias: true })
  const qwen3 = { model_type: 'qwen3', attention_bias: true }
  assert.deepEqual(flags(qwen3), { ...none, qkvBias: true, outputBias: true, qkNorm: true })
})

test('every end token counts, from both files, once', () => {
  const config = { model_type: 'qwen2', eos_token_id: 5, pad_token_id: -1 }
  assert.deepEqual(parse(config, { eos_token_id: [7, 5], pad_token_id: 3 }).eosTokenIds, [5, 7])
  assert.equal(parse(config, { pad_token_id: 3 }).padTokenId, 3)
  assert.equal(parse(config).padTokenId, undefined)
})

test('rope settings in the spellings of old and new releases', () => {
  const rope = (config: object) => {
    const { ropeTheta, ropeScaling } = parse({ model_type: 'llama', ...config })
    return [ropeTheta, ropeScaling]
  }
  const linear = { type: 'linear', factor: 4 }
  assert.deepEqual(rope({ rope_theta: 5e5, rope_scaling: null }), [5e5, { type: 'none' }])
  assert.deepEqual(rope({ rope_scaling: { type: 'linear', factor: 4 } }), [1e4, linear])
  assert.deepEqual(rope({ rope_scaling: { rope_type: 'linear', factor: 4 } }), [1e4, linear])
  assert.deepEqual(rope({ rope_parameters: { rope_type: 'linear', factor: 4, rope_theta: 7 } }), [7, linear])
  assert.deepEqual(rope({ rope_theta: 9, rope_parameters: { rope_type: 'default' } }), [9, { type: 'none' }])
  const llama3 = {
    rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64,
  }
  assert.deepEqual(rope({ rope_scaling: llama3 })[1],
    { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaxPositions: 64 })
})

test('a sliding window that all layers share', () => {
  const qwen = { model_type: 'qwen2', num_hidden_layers: 4, use_sliding_window: true, sliding_window: 128 }
  assert.equal(parse({ ...qwen, max_window_layers: 0 }).slidingWindow, 128)
  assert.equal(parse({ ...qwen, max_window_layers: 4 }).slidingWindow, undefined)
  assert.equal(parse({ ...qwen, use_sliding_window: false, max_window_layers: 2 }).slidingWindow, undefined)
  assert.equal(parse({ ...qwen, layer_types: Array<string>(4).fill('sliding_attention') }).slidingWindow, 128)
  assert.throws(() => parse({ ...qwen, max_window_layers: 2 }), userError(/2 of 4 layers have a sliding window/))
})

const refusals: [name: string, config: object, expected: RegExp][] = [
  ['unknown architecture', { model_type: 'gemma2' },
    /model_type "gemma2" is not implemented\. posttrain has llama, mistral, qwen2, qwen3/],
  ['a near name', { model_type: 'qwen2_moe' }, /"qwen2_moe" is not implemented.*nearest is qwen2/],
  ['no architecture', { model_type: undefined }, /M\/config\.json.*[^]*model_type/],
  ['yarn', { rope_scaling: { type: 'yarn', factor: 4 } }, /rope_scaling of type "yarn" is not implemented/],
  ['dynamic', { rope_scaling: { type: 'dynamic', factor: 2 } }, /"dynamic" is not implemented/],
  ['longrope', { rope_parameters: { rope_type: 'longrope' } }, /rope_parameters of type "longrope" is not implemented/],
  ['linear without a factor', { rope_scaling: { type: 'linear' } }, /of type "linear" has no factor/],
  ['mixture of experts', { num_local_experts: 8 }, /mixture of experts \(num_local_experts: 8\)/],
  ['quantized weights', { quantization_config: { quant_method: 'gptq' } }, /stored quantized/],
  ['another activation', { hidden_act: 'gelu' }, /hidden_act "gelu"/],
  ['partial rotary', { partial_rotary_factor: 0.5 }, /partial_rotary_factor 0\.5/],
  ['partial rotary, new spelling', { rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } },
    /partial_rotary_factor 0\.5/],
  ['heads that do not divide', { hidden_size: 100, num_attention_heads: 3 }, /a head has 33\.3\d* dimensions/],
  ['key-value heads that do not divide', { num_attention_heads: 32, num_key_value_heads: 5 },
    /32 is not a multiple of num_key_value_heads 5/],
  ['negative size', { hidden_size: -4 }, /hidden_size/],
  ['text for a number', { num_hidden_layers: '2' }, /num_hidden_layers/],
]

for (const [name, config, expected] of refusals) {
  test(`refused: ${name}`, () => {
    assert.throws(() => parse({ model_type: 'llama', ...config }), { name: 'UserError', message: expected })
  })
}

test('code that comes with a model is not run, nor does it stop the model from being read', async () => {
  const directory = await copyOf('tiny-llama')
  await edit(join(directory, 'config.json'), config => ({ ...config, auto_map: { AutoModel: 'evil.Model' } }))
  await writeFile(join(directory, 'evil.py'), 'raise SystemExit')
  openHuggingFace(directory).close()
})

test('a missing shard, a shard outside the directory, an index that lies', async () => {
  const directory = await copyOf('tiny-qwen3')
  const index = join(directory, 'model.safetensors.index.json')
  const shard = join(directory, 'model-00002-of-00002.safetensors')
  await rename(shard, `${shard}.gone`)
  assert.throws(() => openHuggingFace(directory), userError(/shard model-00002-of-00002\.safetensors.*is missing/))
  await rename(`${shard}.gone`, shard)
  const second = openSafetensors(shard)
  const name = [...second.tensors.keys()][0]!
  second.close()
  const placeIn = (file: unknown) => edit(index, ({ weight_map: map, ...rest }) =>
    ({ ...rest, weight_map: { ...(map as object), [name]: file } }))
  for (const file of ['../x.safetensors', '/tmp/x.safetensors', 'a\\b.safetensors', 'x.bin', 3]) {
    await placeIn(file)
    assert.throws(
      () => openHuggingFace(directory),
      userError(/the shard of ".*" is .*, not the name of a \.safetensors file/),
    )
  }
  await placeIn('model-00001-of-00002.safetensors')
  assert.throws(
    () => openHuggingFace(directory),
    userError(/00001-of-00002\.safetensors has no tensor ".*", which .* places there/),
  )
  await writeFile(index, '{}')
  assert.throws(() => openHuggingFace(directory), userError(/has no weight_map/))
  await writeFile(index, '{')
  assert.throws(() => openHuggingFace(directory), userError(/index\.json cannot be read as JSON/))
})

test('missing tensors, wrong shapes and truncated weights are named', async () => {
  const directory = await copyOf('tiny-llama')
  await edit(join(directory, 'config.json'), config => ({ ...config, num_hidden_layers: 1e9 }))
  assert.throws(() => openHuggingFace(directory), userError(/1000000000 layers, but there are only 20 tensors/))
  await edit(join(directory, 'config.json'), config => ({ ...config, num_hidden_layers: 3 }))
  assert.throws(() => openHuggingFace(directory), userError(/the weights lack "model\.layers\.2\.\S+", .* and 6 more/))
  await edit(join(directory, 'config.json'), config => ({ ...config, num_hidden_layers: 2, intermediate_size: 64 }))
  assert.throws(() => openHuggingFace(directory), {
    name: 'UserError',
    message: /tensor "model\.layers\.0\.mlp\.gate_proj\.weight" has the shape \[48, 32\].*calls for \[64, 32\]/,
  })
  const untied = { intermediate_size: 48, tie_word_embeddings: false }
  await edit(join(directory, 'config.json'), config => ({ ...config, ...untied }))
  assert.throws(() => openHuggingFace(directory), userError(/lack "lm_head\.weight"/))
  await truncate(join(directory, 'model.safetensors'), 50_000)
  assert.throws(() => openHuggingFace(directory), userError(/beyond the file's 50000/))
})

test('what is not a model directory', async () => {
  const directory = await copyOf('tiny-llama')
  const adapter = join(directory, 'adapter')
  assert.throws(() => openHuggingFace(adapter), userError(/is an adapter, not a model/))
  await rm(join(directory, 'model.safetensors'))
  assert.throws(() => openHuggingFace(directory), userError(/has no weights/))
  await writeFile(join(directory, 'pytorch_model.bin'), 'x')
  assert.throws(() => openHuggingFace(directory), userError(/pytorch_model\.bin holds pickled weights/))
  await rm(join(directory, 'config.json'))
  assert.throws(() => openHuggingFace(directory), userError(/no config\.json/))
  await assert.rejects(openModel(join(directory, 'none')), userError(/There is no model at/))
  await assert.rejects(openModel(join(directory, 'pytorch_model.bin')), userError(/pickled weights/))
  await assert.rejects(openModel(join(adapter, 'adapter_model.safetensors')), userError(/give the directory/))
})

test('the hash follows the content of the weights, not their time or size', async () => {
  const hashOf = async (directory: string) => {
    const model = await openModel(directory)
    model.close()
    return model.hash
  }
  const directory = await copyOf('tiny-llama')
  const before = await hashOf(directory)
  assert.equal(before, await hashOf(join(fixtures, 'tiny-llama')), 'a copy has the same hash')
  const path = join(directory, 'model.safetensors')
  const bytes = await readFile(path)
  bytes[bytes.length - 1]! ^= 1
  await writeFile(path, bytes)
  assert.notEqual(await hashOf(directory), before)
  bytes[bytes.length - 1]! ^= 1
  await writeFile(path, bytes)
  assert.equal(await hashOf(directory), before)
  await edit(join(directory, 'config.json'), config => ({ ...config, rope_theta: 9 }))
  assert.notEqual(await hashOf(directory), before)
})

test('tensors that the configuration does not call for are left out', async () => {
  const directory = await copyOf('tiny-llama')
  const path = join(directory, 'model.safetensors')
  const file = openSafetensors(path)
  const tensors = [...file.tensors].map(([name, { shape }]): TensorInput =>
    ({ name, shape, dtype: 'F32', data: file.read(name) }))
  file.close()
  const name = 'model.layers.0.self_attn.rotary_emb.inv_freq'
  await writeSafetensors(path, [...tensors, { name, shape: [4], dtype: 'F32', data: new Float32Array(4) }])
  const model = openHuggingFace(directory)
  assert.deepEqual([...model.tensors.keys()], [...parameterShapes(model.config).keys()])
  model.close()
})
