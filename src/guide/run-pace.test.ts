import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { asTree } from '../data/tree.ts'
import { methods } from '../methods/index.ts'
import { tinyConfig } from '../models/random-model.ts'
import { checkRecipe, formatRecipe, type Recipe } from '../train/recipe.ts'
import { openRun } from '../train/run-folder.ts'
import { estimateStep } from './estimate.ts'
import type { Pace } from './pace.ts'
import { openRuns, type FinishedRun } from './run-facts.ts'
import { paceOfRuns } from './run-pace.ts'

const root = mkdtempSync(join(tmpdir(), 'run-pace-'))
after(() => { rmSync(root, { recursive: true }) })
const config = tinyConfig()
const trial: Pace = { factor: 2, quantized: 3, cores: 2, source: 'trial' }
const [batch, length] = [4, 32]

function recipeOf(output: string, method = 'sft'): Recipe {
  return checkRecipe({ model: 'm', method, data: 'd.jsonl', batch, base: { precision: 'f32' }, output }, methods)
}

/** A run whose steps took `slowness` times what is said of them. */
async function ended(name: string, slowness: number, steps = 12): Promise<FinishedRun> {
  const output = join(root, name)
  const recipe = recipeOf(output)
  const mask = new Uint8Array(length).fill(1, length / 2)
  const seconds = slowness * estimateStep({ recipe, config, pace: trial }, Array.from({ length: batch }, () => asTree({ ids: new Int32Array(length), mask })))
  const run = await openRun(output, { recipe: formatRecipe(recipe) })
  for (let step = 1; step <= steps; step++) {
    run.logStep({ step, epoch: 0, loss: 1, grad_norm: 1, lr: 1e-4, tokens: step * batch * length, tokens_per_second: (batch * length) / seconds, memory_mb: 9 })
  }
  await run.finish('# done\n')
  run.close()
  const [opened] = openRuns([{ path: output, name, adapter: name }])
  return opened!
}

test('runs that ended here say how fast it is: the median of the last', async () => {
  const runs = [await ended('a', 9), await ended('b', 3), await ended('c', 1.5), await ended('d', 2), await ended('e', 2.5), await ended('f', 1)]
  const { factor, source } = paceOfRuns(runs, config, trial)
  assert.equal(source, 'runs')
  assert.ok(Math.abs(factor - 2 * 2) < 1e-6, `${factor}`)
})

test('a run of a few steps says nothing', async () => {
  assert.deepEqual(paceOfRuns([await ended('short', 5, 9)], config, trial), trial)
  assert.deepEqual(paceOfRuns([], config, trial), trial)
})
