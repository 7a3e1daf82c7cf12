/** Losses, metrics, gradient norms and final weights against TRL's trainers, step by step (bench/parity/make_*.py). */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { answerTree, asTree, type RenderedTree } from '../data/tree.ts'
import { methods } from '../methods/index.ts'
import { openFixturePolicy } from './fixtures/policy.ts'
import { Learner } from './learner.ts'
import { openLearning } from './learning/index.ts'
import { definite, type LearningContext } from './learning/learning.ts'
import { clipGradients, createAdamW } from './optimizer.ts'
import { isDecayed, type Policy } from './policy.ts'
import { checkRecipe, methodSettings, type Recipe } from './recipe.ts'
import type { RunFolder } from './run-folder.ts'
import { scheduleFactor } from './schedule.ts'

interface Fixture {
  readonly model: string
  readonly recipe: Record<string, unknown>
  readonly rows: readonly unknown[]
  readonly tokens: readonly Readonly<Record<string, number[]>>[]
  readonly head?: number[]
  readonly steps: readonly Readonly<Record<string, number>>[]
  readonly final: Readonly<Record<string, { readonly norm: number; readonly first: readonly number[] }>>
}

const folder = mkdtempSync(join(tmpdir(), 'posttrain-parity-'))
after(() => { rmSync(folder, { recursive: true }) })

for (const method of ['sft', 'dpo', 'kto', 'reward']) {
  const directory = join(import.meta.dirname, 'fixtures', method)
  for (const file of readdirSync(directory)) {
    const fixture = JSON.parse(readFileSync(join(directory, file), 'utf8')) as Fixture
    test(`10 steps as TRL's: ${method}, ${file.replace('.json', '')}`, async (context) => {
      const worst = await compare(fixture, join(folder, method + file))
      context.diagnostic(`largest relative difference: loss ${worst.loss.toExponential(1)}, gradient norm ${worst.norm.toExponential(1)}`)
    })
  }
}

/** TRL's reward trainer has names of its own. */
const ourNames: Readonly<Record<string, string>> = { margin: 'rewards/margins', accuracy: 'rewards/accuracies' }
/** What TRL logs beside, and we do not. */
const notLogged = new Set(['nll_loss', 'log_odds_ratio', 'log_odds_chosen', 'min_reward', 'mean_reward', 'max_reward'])

async function compare(fixture: Fixture, runFolder: string): Promise<{ loss: number; norm: number }> {
  const recipe = checkRecipe({ model: fixture.model, data: 'rows', ...fixture.recipe }, methods)
  const { policy } = openFixturePolicy(fixture.model, recipe.adapter.type, folder, { head: fixture.head })
  const context = contextOf(fixture, recipe, policy, runFolder)
  const method = methods[recipe.method]!
  const learning = await openLearning(method, methodSettings(recipe) as Record<string, unknown>, context)
  const learner = await Learner.compile(policy, learning.loss, context.placement)
  const { betas, eps, weight_decay, lr: peak, max_grad_norm } = recipe.optimizer
  const adamw = createAdamW(policy.values, { betas, eps, weightDecay: weight_decay, rule: (name) => ({ decay: isDecayed(name) }) })
  const worst = { loss: 0, norm: 0 }

  for (const [step, { loss, grad_norm, lr: expectedLr, tokens: _, ...metrics }] of fixture.steps.entries()) {
    const { batches, metrics: before } = await learning.next(() => rowsOf(fixture.rows.length, step, recipe.batch), step)
    const result = await learner.run(batches)
    const norm = clipGradients(result.gradients, max_grad_norm)
    const lr = peak * scheduleFactor(recipe.schedule, step, fixture.steps.length)
    adamw.step(result.gradients, lr)
    assertNear(result.loss, loss!, 1e-4, `loss of step ${step}`)
    assertNear(norm, grad_norm!, 1e-3, `gradient norm of step ${step}`)
    assertNear(lr, expectedLr!, 1e-6, `learning rate of step ${step}`)
    worst.loss = Math.max(worst.loss, Math.abs(result.loss - loss!) / Math.max(Math.abs(loss!), 1e-2))
    worst.norm = Math.max(worst.norm, Math.abs(norm - grad_norm!) / Math.max(grad_norm!, 1e-2))
    const ours = definite({ ...before, ...result.metrics })
    for (const [theirs, value] of Object.entries(metrics)) {
      const name = ourNames[theirs] ?? theirs
      // Before the first update both sides are equal but for rounding: which one is larger says nothing.
      const undecided = name === 'rewards/accuracies' && Math.abs(ours['rewards/margins']!) < 1e-5
      if (undecided || notLogged.has(name)) continue
      assert.ok(Math.abs(ours[name]! - value) <= 1e-4 * Math.max(1, Math.abs(value)), `${name} of step ${step}: ${ours[name]}, not ${value}`)
    }
    if (method.name === 'kto') assert.equal('rewards/chosen' in ours, 'rewards/chosen' in metrics, `metrics of an absent class, step ${step}`)
  }
  for (const [tensor, { norm }] of Object.entries(fixture.final)) {
    const values = policy.values.get(tensor.replace('base_model.model.', ''))!
    assertNear(Math.hypot(...values), norm, 1e-3, `norm of ${tensor}`)
  }
  await learner.release()
  await learning.release?.()
  return worst
}

/** What a run would make of the fixture's tokens. */
function contextOf(fixture: Fixture, recipe: Recipe, policy: Policy, path: string): LearningContext {
  const trees = fixture.tokens.map(treeOf)
  const sources = fixture.rows.map((row, i) => ({ where: `rows:${i + 1}`, row }))
  const unused = <Value>(what: string): Value => new Proxy({}, { get: () => { throw new Error(`${what} is not used here`) } }) as Value
  return {
    recipe,
    policy,
    initial: new Map([...policy.values].map(([name, values]) => [name, values.slice()])),
    placement: { device: 'cpu', threads: 1 },
    data: { rows: { trees, sources }, parts: [{ rows: trees.length }], heldOut: undefined, warnings: [] },
    folder: { path } as RunFolder,
    cache: folder,
    model: unused('the model'),
    tokenizer: unused('the tokenizer'),
    state: undefined,
    emit: () => undefined,
  }
}

function treeOf({ ids, mask, prompt, chosen, rejected, completion }: Readonly<Record<string, number[]>>): RenderedTree {
  if (ids !== undefined) return asTree({ ids: Int32Array.from(ids), mask: Uint8Array.from([0, ...mask!]) })
  return answerTree(Int32Array.from(prompt!), completion === undefined ? [chosen!, rejected!] : [completion])
}

/** Rows of an optimizer step in the file's order; the last batch of an epoch may be short. */
function rowsOf(count: number, step: number, batch: number): number[] {
  const start = (step % Math.ceil(count / batch)) * batch
  return Array.from({ length: Math.min(batch, count - start) }, (_, i) => start + i)
}

function assertNear(actual: number, expected: number, tolerance: number, what: string): void {
  const difference = Math.abs(actual - expected) / Math.max(Math.abs(expected), 1e-12)
  assert.ok(difference <= tolerance || Math.abs(actual - expected) < 1e-6, `${what}: ${actual} instead of ${expected}`)
}
