/** Losses, gradient norms and final weights against TRL's SFTTrainer, step by step (bench/parity/make_sft.py). */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parameterShapes } from '../models/graph/decoder.ts'
import { onePerBin } from '../models/graph/forward.ts'
import { openHuggingFace, type ModelWeights } from '../models/formats/huggingface.ts'
import { loadAdapter } from '../models/peft.ts'
import { methods } from '../methods/index.ts'
import { WeightFile } from '../runtime/weights.ts'
import { Learner } from './learner.ts'
import { clipGradients, createAdamW } from './optimizer.ts'
import { fullPolicy, isDecayed, loraPolicy, type Policy } from './policy.ts'
import { checkRecipe, type Recipe } from './recipe.ts'
import { scheduleFactor } from './schedule.ts'

interface Fixture {
  readonly model: string
  readonly recipe: Record<string, unknown>
  readonly tokens: readonly { readonly ids: number[]; readonly mask: number[] }[]
  readonly steps: readonly { readonly loss: number; readonly grad_norm: number; readonly lr: number; readonly tokens: number }[]
  readonly final: Readonly<Record<string, { readonly norm: number; readonly first: readonly number[] }>>
}

const fixtures = join(import.meta.dirname, 'fixtures/sft')
const folder = mkdtempSync(join(tmpdir(), 'posttrain-learner-'))
after(() => { rmSync(folder, { recursive: true }) })

for (const file of readdirSync(fixtures)) {
  const fixture = JSON.parse(readFileSync(join(fixtures, file), 'utf8')) as Fixture
  test(`10 steps as TRL's: ${file.replace('.json', '')}`, async () => {
    const recipe = checkRecipe({ model: fixture.model, data: 'rows', ...fixture.recipe }, methods)
    const policy = openPolicy(fixture.model, recipe)
    const learner = await Learner.compile(policy, methods['sft']!, {}, { device: 'cpu', threads: 1 })
    const { betas, eps, weight_decay, lr: peak, max_grad_norm } = recipe.optimizer
    const adamw = createAdamW(policy.values, { betas, eps, weightDecay: weight_decay, rule: (name) => ({ decay: isDecayed(name) }) })

    for (const [step, expected] of fixture.steps.entries()) {
      const rows = batchOf(fixture.tokens, step, recipe.batch)
      const { loss, gradients } = await learner.differentiate([onePerBin(rows.map((row) => row.ids), rows.map((row) => row.mask))])
      const norm = clipGradients(gradients, max_grad_norm)
      const lr = peak * scheduleFactor(recipe.schedule, step, fixture.steps.length)
      adamw.step(gradients, lr)
      assertNear(loss, expected.loss, 1e-4, `loss of step ${step}`)
      assertNear(norm, expected.grad_norm, 1e-3, `gradient norm of step ${step}`)
      assertNear(lr, expected.lr, 1e-6, `learning rate of step ${step}`)
    }
    for (const [tensor, { norm }] of Object.entries(fixture.final)) {
      const values = policy.values.get(tensor.replace('base_model.model.', ''))!
      assertNear(Math.hypot(...values), norm, 1e-3, `norm of ${tensor}`)
    }
    await learner.release()
  })
}

function openPolicy(name: string, recipe: Recipe): Policy {
  const directory = join(import.meta.dirname, '../models/fixtures', name)
  const model: ModelWeights = openHuggingFace(directory)
  if (recipe.adapter.type === 'none') return fullPolicy(model)
  const weights = WeightFile.prepare(join(folder, `${name}.bin`), [...parameterShapes(model.config).keys()], (key) => model.read(key))
  return loraPolicy(model.config, loadAdapter(join(directory, 'adapter'), model.config), 'f32', weights)
}

/** Rows of an optimizer step in the file's order; the last batch of an epoch may be short. */
function batchOf<Row>(rows: readonly Row[], step: number, batch: number): Row[] {
  const perEpoch = Math.ceil(rows.length / batch)
  const start = (step % perEpoch) * batch
  return rows.slice(start, start + batch)
}

function assertNear(actual: number, expected: number, tolerance: number, what: string): void {
  const difference = Math.abs(actual - expected) / Math.max(Math.abs(expected), 1e-12)
  assert.ok(difference <= tolerance || Math.abs(actual - expected) < 1e-9, `${what}: ${actual} instead of ${expected}`)
}
