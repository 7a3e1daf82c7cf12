import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { methods } from '../methods/index.ts'
import { checkRecipe, formatRecipe, parseRecipe, type Recipe, type RecipeInput } from '../train/recipe.ts'
import { openRun } from '../train/run-folder.ts'
import { adviseRun, type RunAdvice } from './advise-run.ts'

const root = mkdtempSync(join(tmpdir(), 'advise-run-'))
after(() => { rmSync(root, { recursive: true }) })

interface Course {
  readonly losses: readonly number[]
  /** Held-out losses, the first before training; one for each third step. */
  readonly heldOut: readonly number[]
  readonly general?: readonly [before: number, after: number]
}

/** A finished run with these figures. */
async function ended(name: string, { losses, heldOut, general = [2, 2] }: Course, recipe: Partial<RecipeInput> = {}): Promise<RunAdvice> {
  const output = join(root, name)
  const checked = checkRecipe({ model: 'some/model', method: 'sft', data: 'train.jsonl', eval: 'eval.jsonl', output, ...recipe }, methods)
  const run = await openRun(output, { recipe: formatRecipe(checked) })
  heldOut.forEach((loss, i) => { run.logEvent({ type: 'evaluation', step: 3 * i, loss, ...(i === 0 && { general_loss: general[0] }) }) })
  losses.forEach((loss, i) => {
    run.logStep({ step: i + 1, epoch: 0, loss, grad_norm: 1, lr: 1e-4, tokens: 100 * i, tokens_per_second: 9, memory_mb: 9 })
  })
  run.logEvent({ type: 'evaluation', step: losses.length, general_loss: general[1] })
  await run.finish('# done\n')
  run.close()
  return adviseRun(output)
}

const steps = (from: number, to: number, count = 12): number[] => Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1))

function next({ recipe }: RunAdvice): Recipe {
  return parseRecipe(recipe!, 'next.yaml', methods)
}

test('underfit: held-out loss level, training loss no lower: the rank is raised', async () => {
  const found = await ended('underfit', { losses: steps(2, 1.2), heldOut: [2, 1.25, 1.2, 1.2, 1.2] })
  assert.deepEqual(found.verdicts.map(({ kind }) => kind), ['underfit'])
  assert.match(found.verdicts[0]!.text, /from 8 to 16/)
  const { adapter } = next(found)
  assert.ok(adapter.type === 'lora' && adapter.rank === 16 && adapter.alpha === 32)
})

test('overfit: held-out loss rose after its best: the next run stops there', async () => {
  const found = await ended('overfit', { losses: steps(2, 0.1), heldOut: [2, 1, 0.8, 0.9, 1.2] })
  assert.deepEqual(found.verdicts.map(({ kind }) => kind), ['overfit'])
  const { steps: wanted, stop, keep, epochs } = next(found)
  assert.deepEqual({ wanted, stop, keep, epochs }, { wanted: 6, stop: { patience: 2 }, keep: 'best', epochs: undefined })
})

test('an offline method that has levelled off leads to reinforcement', async () => {
  const found = await ended('plateau', { losses: steps(0.69, 0.4), heldOut: [0.69, 0.5, 0.5, 0.499, 0.499] }, { method: 'dpo' })
  assert.deepEqual(found.verdicts.map(({ kind }) => kind), ['plateau'])
  assert.deepEqual(found.techniques, ['grpo', 'rlhf'])
  assert.equal(found.recipe, null)
})

test('still falling: more epochs, not more rank', async () => {
  const found = await ended('unfinished', { losses: steps(2, 0.9), heldOut: [2, 1.6, 1.3, 1.1, 0.9] })
  assert.deepEqual(found.verdicts.map(({ kind }) => kind), ['unfinished'])
  const { adapter, epochs } = next(found)
  assert.ok(adapter.type === 'lora' && adapter.rank === 8)
  assert.equal(epochs, 2)
})

test('harm and forgetting: half the learning rate', async () => {
  const harmed = await ended('harmed', { losses: steps(2, 3), heldOut: [2, 2.5, 2.6, 2.7, 2.8] })
  assert.deepEqual(harmed.verdicts.map(({ kind }) => kind), ['harmed'])
  assert.equal(next(harmed).optimizer.lr, 1e-4)
  const forgetful = await ended('forgetful', { losses: steps(2, 0.5), heldOut: [2, 1.6, 1.3, 1.1, 0.9], general: [2, 2.5] })
  assert.deepEqual(forgetful.verdicts.map(({ kind }) => kind), ['forgets'])
})

test('level, with the training rows learned by heart: more rows, no other recipe', async () => {
  const found = await ended('level', { losses: steps(2, 0.1), heldOut: [2, 1, 0.95, 0.95, 0.95] })
  assert.deepEqual(found.verdicts.map(({ kind }) => kind), ['levelled'])
  assert.equal(found.recipe, null)
})

test('a folder without a finished run is named', async () => {
  await assert.rejects(adviseRun(root), { name: 'UserError', message: /is no run's folder/ })
})
