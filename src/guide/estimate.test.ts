import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { linearModules } from '../models/graph/decoder.ts'
import { tinyConfig } from '../models/random-model.ts'
import { answerTree } from '../data/tree.ts'
import type { RecipeInput } from '../train/recipe.ts'
import { train } from '../train/train.ts'
import { estimateRecipe } from './gather.ts'
import { trainingMemory } from './memory.ts'
import { cpuShare, secondsOf, type Pace } from './pace.ts'
import { addWork, batchWork, decodeWork, noWork, sizesOf, timesWork } from './work.ts'
import { sampledSteps, shapesOf, tokensOf, withAnswers } from './workload.ts'

const root = mkdtempSync(join(tmpdir(), 'estimate-'))
after(() => { rmSync(root, { recursive: true }) })
const model = join(import.meta.dirname, '../models/fixtures/tiny-llama')

function write(name: string, rows: readonly object[]): string {
  const path = join(root, name)
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return path
}

const words = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven']
const sft = write('sft.jsonl', words.map((word, i) => ({ messages: [{ role: 'user', content: `say ${word}` }, { role: 'assistant', content: word.repeat(i + 1) }] })))
const pairs = write('pairs.jsonl', words.map((word) => ({ prompt: word, chosen: `${word}!`, rejected: `no ${word}` })))
const thumbs = write('thumbs.jsonl', words.map((word, i) => ({ prompt: word, completion: word, label: i % 2 === 0 })))

describe('what is counted is what a run counts', () => {
  const recipes: Readonly<Record<string, Omit<RecipeInput, 'model'>>> = {
    'rows that fill no whole step': { method: 'sft', data: sft, batch: 4, epochs: 2 },
    'steps': { method: 'sft', data: sft, batch: 4, steps: 5 },
    'pairs': { method: 'dpo', data: pairs, batch: 3, epochs: 1 },
    'thumbs': { method: 'kto', data: thumbs, batch: 4, epochs: 1 },
    'rows that are drawn twice': { method: 'sft', data: [{ path: sft, weight: 2 }], batch: 4 },
  }
  for (const [name, part] of Object.entries(recipes)) {
    test(name, async () => {
      const recipe = { ...part, model, base: { precision: 'f32' }, output: join(root, name) } as RecipeInput
      const estimate = await estimateRecipe({ recipe, modelPath: model })
      const { steps, tokens } = await train(recipe)
      assert.equal(estimate.steps, steps)
      // Rows of the steps whose work is counted stand for those of all.
      assert.ok(Math.abs(estimate.tokens / tokens - 1) < 0.2, `${estimate.tokens} tokens of ${tokens}`)
    })
  }
})

test('an estimate says what its parts are', async () => {
  const recipe: RecipeInput = { model, method: 'dpo', data: pairs, eval: pairs, base: { precision: 'f32' } }
  const { seconds, parts, memoryMb, memory, cpuSeconds } = await estimateRecipe({ recipe, modelPath: model })
  assert.deepEqual(parts.map(({ name }) => name), ['setup', 'reference', 'training', 'evaluation', 'saving'])
  const near = (sum: number, whole: number): void => { assert.ok(Math.abs(sum - whole) < 1, `${sum}, ${whole}`) }
  near(parts.reduce((sum, part) => sum + part.seconds, 0), seconds)
  near(memory.reduce((sum, { mb }) => sum + mb, 0), memoryMb)
  assert.ok(cpuSeconds >= seconds)
})

test('answers that are longer take longer, and are said', async () => {
  const prompts = write('prompts.jsonl', words.map((word) => ({ prompt: word, answer: word })))
  const reward = { type: 'length', unit: 'words', max: 3 }
  const ofLimit = (max_new_tokens: number) => estimateRecipe({
    recipe: { model, method: 'grpo', data: prompts, base: { precision: 'f32' }, grpo: { reward, max_new_tokens } }, modelPath: model,
  })
  const [short, long] = [await ofLimit(10), await ofLimit(100)]
  assert.equal(short.basis.answerTokens, 6)
  const sampling = ({ parts }: typeof short): number => parts.find(({ name }) => name === 'sampling')!.seconds
  assert.ok(sampling(long) > 5 * sampling(short))
  assert.ok(long.memoryMb > short.memoryMb)
})

test('reward models read every answer, and take memory; what trains every weight takes long to save', async () => {
  const prompts = write('judged.jsonl', words.map((word) => ({ prompt: word })))
  const rewardModel = { type: 'reward_model', adapter: 'runs/reward/adapter' }
  const judged = (reward: unknown) => estimateRecipe({ recipe: { model, method: 'ppo', data: prompts, base: { precision: 'f32' }, ppo: { reward, max_new_tokens: 50 } }, modelPath: model })
  const [none, one, two] = [await judged({ type: 'length', unit: 'words', max: 3 }), await judged(rewardModel), await judged([{ grader: rewardModel }, { grader: rewardModel }])]
  assert.ok(none.seconds < one.seconds && one.seconds < two.seconds)
  const base = ({ memory }: typeof none): number => memory.find(({ name }) => name === 'base')!.mb
  assert.ok(base(none) < base(one) && base(one) < base(two))
  const saving = async (adapter: RecipeInput['adapter'], steps = 4): Promise<number> =>
    (await estimateRecipe({ recipe: { model, method: 'sft', data: sft, adapter, steps, checkpoint: { every_steps: 2 } }, modelPath: model })).parts.find(({ name }) => name === 'saving')!.seconds
  assert.ok(await saving({ type: 'none' }) > await saving({ rank: 1 }))
  assert.ok(await saving({ type: 'none' }, 40) > 5 * await saving({ type: 'none' }))
})

describe('work', () => {
  const config = tinyConfig()
  const modules = linearModules(config)
  const sizes = sizesOf(config, { rank: 4, modules })
  // q, o: 32 x 32; k, v: 16 x 32; gate, up, down: 64 x 32; two layers.
  const linear = 2 * (2 * 1024 + 2 * 512 + 3 * 2048)

  test('products are counted by their shapes', () => {
    assert.equal(sizes.linear, linear)
    const shape = { bins: 3, length: 16, targets: 10 }
    const [forward, both] = [batchWork(sizes, shape, false), batchWork(sizes, shape, true)]
    assert.equal(forward.linear, 48 * linear)
    assert.equal(both.linear, 2 * forward.linear, 'a frozen weight takes no gradient')
    assert.equal(forward.head, 10 * 64 * 32)
    assert.equal(forward.scores, 3 * 16 * 16 * 4 * 2)
    assert.equal(forward.dense, 48 * 4 * 2 * (2 * 64 + 2 * 48 + 3 * 96))
    const full = batchWork(sizesOf(config, undefined), shape, true)
    assert.equal(full.dense, 48 * linear + 10 * 64 * 32, 'each weight takes a gradient')
  })

  test('DoRA’s norms are products of as many rows as its rank, once for each run', () => {
    const shape = { bins: 3, length: 16, targets: 10 }
    const [plain, dora] = [batchWork(sizes, shape, true), batchWork(sizesOf(config, { rank: 4, modules, dora: true }), shape, true)]
    assert.equal(dora.linear - plain.linear, 4 * linear)
    assert.equal(dora.weights, linear)
  })

  test('decoding reads every weight for each token of the longest answer', () => {
    const { weights, linear: products, runs } = decodeWork(sizes, { rows: 8, prompt: 20, tokens: 5, steps: 10 })
    assert.equal(weights, 10 * (linear + 64 * 32))
    assert.equal(products, 40 * linear)
    assert.equal(runs, 10)
  })

  test('work adds up, and time is in proportion', () => {
    const work = batchWork(sizes, { bins: 1, length: 8, targets: 4 }, true)
    assert.deepEqual(addWork(work, noWork, work), timesWork(work, 2))
    const pace = (factor: number, cores: number, quantized = factor): Pace => ({ factor, quantized, cores, source: 'assumed' })
    const seconds = secondsOf(work, 'f32', pace(1, 1))
    assert.ok(Math.abs(secondsOf(work, 'f32', pace(3, 1)) / seconds - 3) < 1e-9)
    assert.ok(secondsOf(work, 'f32', pace(1, 2)) < seconds)
    assert.ok(secondsOf(work, 'int8', pace(1, 1)) < seconds)
    assert.ok(secondsOf(work, 'int4', pace(1, 1, 2)) > secondsOf(work, 'int4', pace(1, 1)))
    assert.equal(secondsOf(work, 'nf4', pace(1, 1, 2)), secondsOf(work, 'nf4', pace(1, 1)), 'unpacked and multiplied in f32')
    assert.equal(cpuShare(pace(1, 1)), 1)
  })
})

describe('a sample of the rows', () => {
  const trees = Array.from({ length: 100 }, (_, i) => answerTree(new Int32Array(5), [new Int32Array(i % 10 + 1)]))

  test('steps take different rows, and no more than are counted', () => {
    const steps = sampledSteps({ rows: 1e6, trees }, 4)
    assert.equal(steps.length, 24)
    assert.equal(new Set(steps.flat()).size, 96)
    assert.equal(sampledSteps({ rows: 3, trees: trees.slice(0, 3) }, 8).length, 1)
  })

  test('answers of a group share their prompt', () => {
    const [tree] = withAnswers(trees.slice(0, 1), 3, 7)
    assert.equal(tokensOf([tree!]), 5 + 21)
    assert.equal(shapesOf([tree!], {}).length, 1)
  })
})

test('more layers, longer rows and more precise weights take more memory', () => {
  const config = tinyConfig({ hiddenSize: 576, intermediateSize: 1536, layers: 30, heads: 9, kvHeads: 3, headDim: 64, vocabSize: 49152 })
  const f32 = trainingMemory(config, 'f32', 512)
  assert.ok(trainingMemory(config, 'int8', 512) < f32 && trainingMemory(config, 'nf4', 512) < trainingMemory(config, 'int8', 512))
  assert.ok(trainingMemory(config, 'f32', 1024) > f32)
  assert.ok(trainingMemory({ ...config, layers: 15 }, 'f32', 512) < f32)
})
