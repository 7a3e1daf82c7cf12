import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { linearModules, parameterShapes } from '../models/graph/decoder.ts'
import { loraShapes } from '../models/graph/lora.ts'
import { openHuggingFace } from '../models/formats/huggingface.ts'
import { Random } from '../random.ts'
import { fullPolicy, initialAdapter, isDecayed, parameterFeeds, targetModules } from './policy.ts'

const model = openHuggingFace(join(import.meta.dirname, '../models/fixtures/tiny-llama'))
const { config } = model

function uniform(seed: number): () => number {
  const random = new Random(seed)
  return () => random.uint32() / 2 ** 32
}

test('a fresh adapter: A uniform within ±1/√in, B zero, so that the first step starts from the base', () => {
  const lora = { rank: 64, alpha: 16, rankStabilized: false, modules: linearModules(config) }
  const { parameters } = initialAdapter(config, lora, uniform(3))
  for (const [name, shape] of loraShapes(config, lora)) {
    const [rows, columns] = shape as [number, number]
    const values = parameters.get(name)!
    assert.equal(values.length, rows * columns)
    if (name.includes('lora_B')) {
      assert.ok(values.every((value) => value === 0))
      continue
    }
    const bound = 1 / Math.sqrt(columns)
    assert.ok(values.every((value) => Math.abs(value) <= bound))
    // A uniform distribution has the variance bound²/3; five standard errors of its estimate are allowed.
    const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length
    const expected = bound ** 2 / 3
    assert.ok(Math.abs(variance / expected - 1) < 5 * Math.sqrt(0.8 / values.length), `${name}: variance ${variance}, not ${expected}`)
  }
})

test('equal seeds make equal adapters, other seeds others', () => {
  const lora = { rank: 2, alpha: 4, rankStabilized: false, modules: linearModules(config) }
  const make = (seed: number) => initialAdapter(config, lora, uniform(seed)).parameters
  assert.deepEqual(make(1), make(1))
  assert.notDeepEqual(make(1), make(2))
})

test('targets: all linear layers but the head, a kind, several, or one layer by its whole name', () => {
  const all = targetModules(config, 'all-linear')
  assert.equal(all.length, 7 * config.layers)
  assert.ok(!all.some((name) => name.includes('lm_head')))
  assert.deepEqual(targetModules(config, 'q_proj'), ['model.layers.0.self_attn.q_proj', 'model.layers.1.self_attn.q_proj'])
  assert.equal(targetModules(config, ['q_proj', 'down_proj']).length, 4)
  assert.deepEqual(targetModules(config, ['model.layers.1.mlp.up_proj']), ['model.layers.1.mlp.up_proj'])
  assert.deepEqual(targetModules(config, ['all-linear', 'q_proj']), all)
})

test('a target that no layer has is refused, with the one that was meant', () => {
  const refused: [string[], RegExp][] = [
    [['q_proj', 'v_porj'], /no linear layer .* called v_porj; did you mean v_proj\?/],
    [['lm_head'], /lm_head; known are all-linear, q_proj/],
    [['proj'], /proj/],
  ]
  for (const [targets, message] of refused) {
    assert.throws(() => targetModules(config, targets), { name: 'UserError', exitCode: 2, message })
  }
})

test('weight decay spares norms and biases, and nothing else', () => {
  const spared = ['model.norm.weight', 'model.layers.0.input_layernorm.weight', 'model.layers.0.self_attn.q_norm.weight', 'model.layers.0.self_attn.q_proj.bias']
  const decayed = ['model.embed_tokens.weight', 'model.layers.0.mlp.up_proj.weight', 'model.layers.0.mlp.up_proj.lora_A.weight']
  assert.deepEqual(spared.map(isDecayed), spared.map(() => false))
  assert.deepEqual(decayed.map(isDecayed), decayed.map(() => true))
})

test('full fine-tuning trains every weight of the model, each an input of its stored shape', () => {
  const policy = fullPolicy(model)
  const shapes = parameterShapes(config)
  assert.deepEqual([...policy.parameters.keys()], [...shapes.keys()])
  const feeds = parameterFeeds(policy)
  for (const [name, shape] of shapes) {
    assert.deepEqual(feeds[name]!.shape, shape)
    assert.equal(feeds[name]!.data, policy.values.get(name), 'fed without a copy: the optimizer updates it in place')
    assert.deepEqual(policy.values.get(name), model.read(name))
  }
})
