import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { UserError } from '../errors.ts'
import { Random } from '../random.ts'
import { linearModules } from './graph/decoder.ts'
import { openHuggingFace } from './formats/huggingface.ts'
import { loraScale, loraShapes, type Adapter, type LoraConfig } from './graph/lora.ts'
import { loadAdapter, saveAdapter } from './peft.ts'
import { openSafetensors, writeSafetensors } from './formats/safetensors.ts'

const fixtures = join(import.meta.dirname, 'fixtures')
const { config } = openHuggingFace(join(fixtures, 'tiny-llama'))
const given = join(fixtures, 'tiny-llama/adapter')
const root = mkdtempSync(join(tmpdir(), 'posttrain-peft-'))
after(() => { rmSync(root, { recursive: true }) })
let folder = root
beforeEach(() => { folder = join(mkdtempSync(join(root, 'case-')), 'adapter') })

function randomAdapter(lora: LoraConfig): Adapter {
  const random = new Random(5)
  const shapes = loraShapes(config, lora)
  const values = (size: number) => Float32Array.from({ length: size }, () => random.uint32() / 2 ** 32 - 0.5)
  return { config: lora, parameters: new Map([...shapes].map(([name, shape]) => [name, values(shape.reduce((a, b) => a * b, 1))])) }
}

/** A copy of PEFT's adapter with other settings. */
function withSettings(settings: Record<string, unknown>): string {
  cpSync(given, folder, { recursive: true })
  const path = join(folder, 'adapter_config.json')
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...settings }))
  return folder
}

/** A copy of PEFT's adapter with some tensors changed, left out (undefined) or added. */
async function withTensors(change: (name: string) => { name: string; shape: number[] } | undefined, more: string[] = []): Promise<string> {
  cpSync(given, folder, { recursive: true })
  const path = join(folder, 'adapter_model.safetensors')
  const file = openSafetensors(path)
  const names = [...file.tensors.keys()].flatMap((name) => change(name) ?? []).concat(more.map((name) => ({ name, shape: [1] })))
  file.close()
  const tensors = names.map(({ name, shape }) => ({ name, dtype: 'F32' as const, shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) }))
  await writeSafetensors(path, tensors)
  return folder
}

function shapeOf(name: string): number[] {
  return [...loraShapes(config, loadAdapter(given, config).config).get(name.replace('base_model.model.', ''))!]
}

function assertRefused(directory: string, message: RegExp): void {
  assert.throws(() => loadAdapter(directory, config), (error) => {
    assert.ok(error instanceof UserError, String(error))
    assert.match(error.message, message)
    assert.ok(error.message.includes(directory), 'the file is named')
    return true
  })
}

const subsets: Record<string, readonly string[]> = {
  'all linear layers': linearModules(config),
  'two kinds': linearModules(config).filter((name) => /q_proj|down_proj/.test(name)),
  'one layer of one block': ['model.layers.1.mlp.up_proj'],
}

for (const [name, modules] of Object.entries(subsets)) {
  for (const rankStabilized of [false, true]) {
    test(`saved and loaded again: ${name}${rankStabilized ? ', rsLoRA' : ''}`, async () => {
      const adapter = randomAdapter({ rank: 3, alpha: 7, rankStabilized, modules })
      await saveAdapter(folder, adapter, config, 'some/base')
      const loaded = loadAdapter(folder, config)
      assert.deepEqual(loaded.config, adapter.config)
      assert.deepEqual(loaded.parameters, adapter.parameters)
      assert.equal(loraScale(loaded.config), 7 / (rankStabilized ? Math.sqrt(3) : 3))
      assert.deepEqual(readdirSync(folder).sort(), ['adapter_config.json', 'adapter_model.safetensors'])
    })
  }
}

test('the names of target modules mean exactly the adapted layers, as PEFT matches them', async () => {
  for (const modules of Object.values(subsets)) {
    await saveAdapter(folder, randomAdapter({ rank: 1, alpha: 1, rankStabilized: false, modules }), config, null)
    const settings = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as { target_modules: string[] }
    const matched = linearModules(config).filter((module) => settings.target_modules.some((target) => module === target || module.endsWith(`.${target}`)))
    assert.deepEqual(matched, modules)
  }
})

test('what does not fit the base is named, with its shape where that is it', async () => {
  assertRefused(withSettings({ r: 5 }), /lora_A\.weight is \[\d+, 32\], not \[5, 32\] \(rank 5\)/)
  const other = openHuggingFace(join(fixtures, 'tiny-qwen3')).config
  assert.throws(() => loadAdapter(given, { ...other, hiddenSize: 40 }), /made for another base model/)
})

test('tensors that are missing, of another shape or of no layer are named', async () => {
  const kept = (name: string) => ({ name, shape: shapeOf(name) })
  const victim = /layers\.0\.self_attn\.q_proj\.lora_B/
  assertRefused(await withTensors((name) => (victim.test(name) ? undefined : kept(name))), /q_proj\.lora_B\.weight is missing/)
  const shape = (name: string) => (victim.test(name) ? { name, shape: shapeOf(name).toReversed() } : kept(name))
  assertRefused(await withTensors(shape), /q_proj\.lora_B\.weight is \[\d+, \d+\], not/)
  const stray = 'base_model.model.model.layers.9.mlp.up_proj.lora_A.weight'
  assertRefused(await withTensors(kept, [stray]), /layers\.9\.mlp\.up_proj\.lora_A\.weight has no place/)
  assertRefused(await withTensors(() => undefined), /holds no LoRA matrices/)
})

test('what is not implemented is refused by its key', () => {
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ init_lora_weights: 'pissa' }, /init_lora_weights is set: an adapter whose base was changed with it/],
    [{ bias: 'all' }, /bias is set/],
    [{ fan_in_fan_out: true }, /fan_in_fan_out is set/],
    [{ modules_to_save: ['lm_head'] }, /modules_to_save is set/],
    [{ rank_pattern: { q_proj: 2 } }, /rank_pattern is set/],
    [{ alpha_pattern: { q_proj: 2 } }, /alpha_pattern is set/],
    [{ peft_type: 'IA3' }, /peft_type/],
    [{ r: 0 }, /: r: /],
    [{ lora_alpha: '16' }, /lora_alpha/],
  ]
  for (const [settings, message] of refused) assertRefused(withSettings(settings), message)
})

test('keys that change nothing are no obstacle', () => {
  const harmless = { use_dora: false, bias: 'none', modules_to_save: null, rank_pattern: {}, use_rslora: null, base_model_name_or_path: null, new_key: 1 }
  assert.deepEqual(loadAdapter(withSettings(harmless), config).parameters, loadAdapter(given, config).parameters)
})

test('a directory without weights, with pickled ones or with a damaged configuration', () => {
  withSettings({})
  rmSync(join(folder, 'adapter_model.safetensors'))
  assertRefused(folder, /there is no adapter_model\.safetensors/)
  writeFileSync(join(folder, 'adapter_model.bin'), 'anything')
  assertRefused(folder, /adapter_model\.bin/)
  writeFileSync(join(folder, 'adapter_config.json'), '{"r": ')
  assertRefused(folder, /adapter_config\.json: not a readable adapter configuration/)
})
