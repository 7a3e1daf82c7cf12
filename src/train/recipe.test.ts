import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { z } from 'zod'

import { UserError } from '../errors.ts'
import { RecipeError } from './recipe-error.ts'
import { checkRecipe, formatRecipe, loadRecipe, methodSettings, parseRecipe, type RecipeMethods } from './recipe.ts'

const methods: RecipeMethods = {
  sft: { settings: z.object({}) },
  dpo: { settings: z.object({ beta: z.number().positive().default(0.1), loss: z.enum(['sigmoid', 'ipo']).default('sigmoid') }) },
  kto: { settings: z.object({ beta: z.number().positive().default(0.1) }), shuffle: false, minBatch: 2 },
}

const minimal = 'model: some/model\nmethod: sft\ndata: train.jsonl\n'
const folder = mkdtempSync(join(tmpdir(), 'recipe-'))
after(() => { rmSync(folder, { recursive: true }) })

/** The message that reading the recipe ends in; fails where it is accepted or the error is not the user's. */
function refusal(text: string): string {
  try {
    parseRecipe(text, 'r.yaml', methods)
  } catch (error) {
    assert.ok(error instanceof UserError, String(error))
    assert.equal(error.exitCode, 2)
    return error.message
  }
  return assert.fail('the recipe was accepted')
}

test('a minimal recipe gets the documented defaults', () => {
  assert.deepEqual(parseRecipe(minimal, 'r.yaml', methods), {
    model: 'some/model',
    method: 'sft',
    data: [{ path: 'train.jsonl', weight: 1 }],
    adapter: { type: 'lora', rank: 8, alpha: 16, targets: 'all-linear', init: undefined, use_rslora: false, use_dora: false, loraplus_ratio: 1 },
    base: { precision: 'auto' },
    optimizer: { name: 'adamw', lr: 2e-4, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0, max_grad_norm: 1 },
    schedule: { name: 'constant', warmup: 0 },
    batch: 8,
    epochs: 1,
    max_length: 1024,
    seed: 0,
    shuffle: true,
    template: 'auto',
    keep: 'last',
    checkpoint: { every_seconds: 60 },
    device: 'cpu',
    tokens_per_micro_batch: 512,
    sft: {},
    output: join('runs', 'sft'),
  })
})

test('every documented key is read', () => {
  const text = `
model: HuggingFaceTB/SmolLM2-135M-Instruct
method: dpo
data:
  - {path: a.jsonl, weight: 2}
  - b.jsonl
eval: eval.jsonl
adapter: {type: lora, rank: 4, targets: [q_proj, v_proj], init: adapters/start, use_rslora: true, use_dora: true, loraplus_ratio: 16}
base: {precision: int8}
optimizer: {name: adamw, lr: 2e-4, betas: [0.8, 0.99], eps: 1e-6, weight_decay: 0.1, max_grad_norm: 0.5}
schedule: {name: cosine, warmup: 0.03}
batch: 4
steps: 10
max_length: 512
seed: 7
shuffle: false
template: none
stop: {patience: 3}
keep: best
eval_every: 5
checkpoint: {every_seconds: 5, every_steps: 2}
device: webgpu
threads: 2
tokens_per_micro_batch: 256
dpo: {loss: ipo}
output: runs/icd10
`
  const recipe = parseRecipe(text, 'r.yaml', methods)
  assert.deepEqual(recipe.data, [{ path: 'a.jsonl', weight: 2 }, { path: 'b.jsonl', weight: 1 }])
  assert.deepEqual(recipe.adapter, { type: 'lora', rank: 4, alpha: 8, targets: ['q_proj', 'v_proj'], init: 'adapters/start', use_rslora: true, use_dora: true, loraplus_ratio: 16 })
  assert.deepEqual(methodSettings(recipe), { beta: 0.1, loss: 'ipo' })
  assert.equal(recipe.steps, 10)
  assert.equal(recipe.epochs, undefined)
  assert.deepEqual(parseRecipe(formatRecipe(recipe), 'again.yaml', methods), recipe)
  assert.deepEqual(checkRecipe(recipe, methods), recipe)
})

test('a method brings its own order of rows and smallest batch', () => {
  const kto = minimal.replace('sft', 'kto')
  assert.equal(parseRecipe(kto, 'r.yaml', methods).shuffle, false)
  assert.equal(parseRecipe(`${kto}shuffle: true\n`, 'r.yaml', methods).shuffle, true)
  assert.match(refusal(`${kto}batch: 1\n`), /^r\.yaml:4: batch method kto needs at least 2 rows/)
})

test('full fine-tuning takes a tenth of the learning rate and an f32 base', () => {
  const recipe = parseRecipe(`${minimal}adapter: {type: none}\n`, 'r.yaml', methods)
  assert.deepEqual(recipe.adapter, { type: 'none' })
  assert.equal(recipe.optimizer.lr, 2e-5)
  assert.equal(recipe.base.precision, 'f32')
})

const refused: Readonly<Record<string, readonly [text: string, message: RegExp]>> = {
  'unknown key': [`${minimal}bacth: 4\n`, /^r\.yaml:4: unknown key bacth; did you mean batch\?$/],
  'unknown key in a block': [`${minimal}optimizer:\n  lr: 1e-4\n  beta: [0.9, 0.9]\n`, /^r\.yaml:6: unknown key optimizer\.beta; did you mean betas\?$/],
  'unknown key in the method\'s block': ['model: m\nmethod: dpo\ndata: d\ndpo:\n  bata: 1\n', /^r\.yaml:5: unknown key dpo\.bata; did you mean beta\?$/],
  'unknown key in a data source': [`model: m\nmethod: sft\ndata:\n  - path: a\n    weigth: 2\n`, /^r\.yaml:5: unknown key data\.0\.weigth; did you mean weight\?$/],
  'another trainer\'s key': [`${minimal}learning_rate: 1e-4\n`, /^r\.yaml:4: unknown key learning_rate; did you mean optimizer\.lr\?$/],
  'a key unlike any': [`${minimal}stop: {zzzzzzzzzzzz: 1, patience: 1}\neval: e\n`, /unknown key stop\.zzzzzzzzzzzz; known here: patience/],
  'rank 0': [`${minimal}adapter:\n  rank: 0\n`, /^r\.yaml:5: adapter\.rank must be greater than 0, got 0$/],
  'fractional rank': [`${minimal}adapter: {rank: 1.5}\n`, /^r\.yaml:4: adapter\.rank must be a whole number, got 1\.5$/],
  'negative learning rate': [`${minimal}optimizer: {lr: -1}\n`, /^r\.yaml:4: optimizer\.lr must be greater than 0, got -1$/],
  'learning rate that is no number': [`${minimal}optimizer: {lr: .nan}\n`, /^r\.yaml:4: optimizer\.lr must be a number, got NaN$/],
  'infinite learning rate': [`${minimal}optimizer: {lr: .inf}\n`, /^r\.yaml:4: optimizer\.lr must be a number, got Infinity$/],
  'epochs and steps': [`${minimal}epochs: 1\nsteps: 5\n`, /^r\.yaml:5: steps epochs and steps are both given/],
  'unknown method': ['model: m\nmethod: sftt\ndata: d\n', /^r\.yaml:2: method must be one of sft, dpo, kto, got "sftt"; did you mean sft\?$/],
  'missing method': ['model: m\ndata: d\n', /^r\.yaml: method is missing: it must be one of sft/],
  'missing model': ['method: sft\ndata: d\n', /^r\.yaml: model is missing$/],
  'missing data': ['model: m\nmethod: sft\n', /^r\.yaml: data is missing$/],
  'no data': ['model: m\nmethod: sft\ndata: []\n', /^r\.yaml:3: data must not be empty$/],
  'negative weight': ['model: m\nmethod: sft\ndata: [{path: a, weight: -1}]\n', /^r\.yaml:3: data\.0\.weight must be greater than 0, got -1$/],
  'block of another method': [`${minimal}dpo: {beta: 0.1}\n`, /^r\.yaml:4: dpo belongs to method dpo, this recipe's is sft$/],
  'LoRA settings for full fine-tuning': [`${minimal}adapter: {type: none, rank: 8}\n`, /adapter\.rank has no meaning with type: none/],
  'int8 base for full fine-tuning': [`${minimal}adapter: {type: none}\nbase: {precision: int8}\n`, /^r\.yaml:5: base\.precision full fine-tuning/],
  'patience without evaluation': [`${minimal}stop: {patience: 2}\n`, /^r\.yaml:4: stop needs evaluation data/],
  'best without evaluation': [`${minimal}keep: best\n`, /^r\.yaml:4: keep best is chosen by evaluation loss/],
  'a string for a number': [`${minimal}batch: eight\n`, /^r\.yaml:4: batch must be a number, got "eight"$/],
  'a word that is none of the choices': [`${minimal}schedule: {name: cosin}\n`, /got "cosin"; did you mean cosine\?$/],
  'a key twice': [`${minimal}method: sft\n`, /^r\.yaml:4: not valid YAML: Map keys must be unique/],
  'no YAML': ['model: [a\n', /^r\.yaml:\d: not valid YAML/],
  'no mapping': ['- a\n- b\n', /^r\.yaml: a recipe is a mapping/],
  'an empty file': ['', /^r\.yaml: a recipe is a mapping/],
}

for (const [name, [text, message]] of Object.entries(refused)) {
  test(`refused: ${name}`, () => { assert.match(refusal(text), message) })
}

test('every fault of a recipe is named, not only the first', () => {
  assert.deepEqual(refusal(`${minimal}batch: 0\nadapter: {rank: 0}\n`).split('\n').length, 2)
})

test('every fault of the YAML is named with its line and column, and texts that stand for too many values are refused', () => {
  assert.throws(() => parseRecipe('model: m\nmodel: n\nmethod: [sft\n', 'r.yaml', methods), (error: unknown) => {
    assert.ok(error instanceof RecipeError)
    assert.deepEqual(error.issues.map(({ place, key }) => [place.line, place.column, key]), [[2, 1, ''], [4, 1, '']])
    return true
  })
  const bomb = ['a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]', ...'bcdefgh'.split('').map((name, i) => {
    const before = 'abcdefg'[i]!
    return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(', ')}]`
  })].join('\n')
  assert.match(refusal(bomb), /^r\.yaml: not valid YAML: Excessive alias count/)
})

test('--set overrides, adds, takes away, and is named when it is wrong', () => {
  const file = join(folder, 'mine.yaml')
  writeFileSync(file, `${minimal}epochs: 2\n`)
  const recipe = loadRecipe(file, ['optimizer.lr=1e-3', 'epochs=', 'steps=3', 'adapter.targets=[q_proj]', 'seed=1', 'seed=2'], methods)
  assert.equal(recipe.optimizer.lr, 1e-3)
  assert.equal(recipe.steps, 3)
  assert.equal(recipe.epochs, undefined)
  assert.equal(recipe.seed, 2)
  assert.deepEqual(recipe.adapter.type === 'lora' && recipe.adapter.targets, ['q_proj'])
  assert.equal(recipe.output, join('runs', 'mine'))
  const refuse = (set: string) => () => loadRecipe(file, [set], methods)
  assert.throws(refuse('adapter.rank=0'), { message: '--set adapter.rank=0: adapter.rank must be greater than 0, got 0' })
  assert.throws(refuse('adaptor.rank=1'), { message: '--set adaptor.rank=1: unknown key adaptor; did you mean adapter?' })
  assert.throws(refuse('rank'), /--set rank: write it as key=value/)
  assert.throws(refuse('__proto__.a=1'), /write it as key=value/)
  assert.throws(refuse('seed=[1'), /--set seed=\[1: the value is not valid YAML/)
})

test('input files are found beside the recipe where the working directory has none', () => {
  const place = join(folder, 'icd10')
  mkdirSync(place)
  writeFileSync(join(place, 'train.jsonl'), '')
  const file = join(place, 'recipe.yaml')
  writeFileSync(file, `${minimal}eval: elsewhere.jsonl\n`)
  const recipe = loadRecipe(file, [], methods)
  assert.deepEqual(recipe.data, [{ path: join(place, 'train.jsonl'), weight: 1 }])
  assert.equal(recipe.eval, 'elsewhere.jsonl')
  assert.equal(recipe.model, 'some/model')
  assert.equal(recipe.output, join('runs', 'icd10'))
  assert.throws(() => loadRecipe(join(folder, 'none.yaml'), [], methods), /none\.yaml: the recipe cannot be read/)
})
