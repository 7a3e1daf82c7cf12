/** What preference and reinforcement learning get wrong where nobody looks (REFERENCE: users' pains; verl, OpenRLHF, axolotl). */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { dataKinds, type DataKind } from '../../data/kinds.ts'
import { renderTrees, type RenderedTree } from '../../data/tree.ts'
import type { Precision } from '../../models/graph/linear-maps.ts'
import { openModel } from '../../models/open.ts'
import { loadAdapter } from '../../models/peft.ts'
import { prepareWeights } from '../../models/prepare.ts'
import { methods } from '../../methods/index.ts'
import { loadModel } from '../../generate/model.ts'
import { Learner } from '../learner.ts'
import { readLines } from '../lines.ts'
import { loraPolicy } from '../policy.ts'
import { checkRecipe, methodSettings } from '../recipe.ts'
import type { StepMetrics } from '../records.ts'
import type { RunFolder } from '../run-folder.ts'
import { train } from '../train.ts'
import { criticHeadName, withScalarHead } from './heads.ts'
import { openLearning } from './index.ts'
import { mismatched } from './labelled.ts'
import { definite, type Learning } from './learning.ts'
import { PolicyForward } from './policy-forward.ts'

const root = mkdtempSync(join(tmpdir(), 'posttrain-traps-'))
after(() => { rmSync(root, { recursive: true }) })
const path = join(import.meta.dirname, '../../models/fixtures/tiny-llama')
const model = await openModel(path)
after(() => { model.close() })

interface Setting {
  readonly method: string
  readonly block?: Record<string, unknown>
  readonly rows: readonly unknown[]
  readonly precision?: Precision
}

/** A method's learning over rows, as a run has it before its first step: the fixture's adapter, not a fresh one. */
async function opened({ method, block = {}, rows, precision = 'f32' }: Setting) {
  const recipe = checkRecipe({ model: path, method, data: 'rows', batch: rows.length, [method]: block }, methods)
  const bare = loraPolicy(model.config, loadAdapter(join(path, 'adapter'), model.config), precision, prepareWeights(model, precision, root))
  const policy = method === 'ppo' ? withScalarHead(bare, criticHeadName, new Float32Array(model.config.hiddenSize)) : bare
  const placement = { device: 'cpu', threads: 1 } as const
  const kind = dataKinds[methods[method]!.rows] as DataKind<unknown>
  const located = rows.map((row, i) => ({ where: `rows:${i + 1}`, row }))
  const rendered = renderTrees(located, kind.render, model.tokenizer, { maxLength: 256, endTokenIds: model.config.eosTokenIds })
  const samples: unknown[] = []
  const learning = await openLearning(methods[method]!, methodSettings(recipe) as Record<string, unknown>, {
    recipe, policy, placement, model,
    initial: new Map([...policy.values].map(([name, values]) => [name, values.slice()])),
    data: { rows: rendered, parts: [{ rows: rows.length }], heldOut: rendered, warnings: [] },
    tokenizer: model.tokenizer,
    folder: { path: mkdtempSync(join(root, 'run-')), logSample: (sample) => samples.push(sample), logEvent: () => undefined } as Partial<RunFolder> as RunFolder,
    cache: root,
    state: undefined,
    emit: () => undefined,
  })
  const learner = await Learner.compile(policy, learning.loss, placement, { observe: learning.observed ?? {} })
  const everyRow = (): number[] => rows.map((_, i) => i)
  return {
    policy, placement, learning, learner, samples, everyRow, trees: rendered.trees,
    async [Symbol.asyncDispose]() {
      await learner.release()
      await learning.release?.()
    },
  }
}

async function step({ learning, learner, everyRow }: { learning: Learning; learner: Learner; everyRow: () => number[] }, number = 1) {
  const { batches, metrics: before } = await learning.next(everyRow, number)
  const result = await learner.run(batches)
  const metrics: Record<string, number> = definite({ ...before, ...result.metrics, ...learning.observe?.(result) })
  return { batches, loss: result.loss, gradients: result.gradients, metrics }
}

const largest = (gradients: ReadonlyMap<string, Float32Array>): number =>
  Math.max(...[...gradients.values()].map((gradient) => gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0)))

const pairRows = ['one', 'two and more'].map((word) => ({ prompt: `say ${word}`, chosen: word, rejected: `not ${word}` }))
const thumbs = (labels: readonly boolean[]) => labels.map((label, i) => ({ prompt: `say ${i}`, completion: `${'word '.repeat(i + 1)}${i}`, label }))
const questions = ['one', 'two and more'].map((word) => ({ prompt: `say ${word}` }))
const byLength = { type: 'length', unit: 'characters', max: 4, falloff: 40 }

describe('the reference is the policy of step 0, its initial adapter included', () => {
  for (const loss of ['sigmoid', 'ipo', 'hinge']) {
    test(`dpo, ${loss}: at the start nothing is preferred`, async () => {
      await using run = await opened({ method: 'dpo', block: { loss }, rows: pairRows })
      const { loss: first, metrics } = await step(run)
      assert.ok(Math.abs(first - { sigmoid: Math.LN2, ipo: 25, hinge: 1 }[loss]!) < 1e-4, `loss ${first}`)
      assert.ok(Math.abs(metrics['rewards/margins']!) < 1e-5 && Math.abs(metrics['rewards/chosen']!) < 1e-5)
    })
  }

  test('the base alone would be another reference', async () => {
    await using run = await opened({ method: 'dpo', rows: pairRows })
    const forward = await PolicyForward.compile(run.policy, run.placement)
    const base = new Map([...run.policy.values].map(([name, values]) => [name, new Float32Array(values.length)]))
    const [[ours], [bare]] = [await forward.branchSums(run.trees, {}), await forward.branchSums(run.trees, {}, base)]
    await forward.release()
    assert.ok(Math.abs(ours![0]! - bare![0]!) > 0.1, `${ours![0]} and ${bare![0]}`)
  })

  test('kto, grpo, ppo: the first KL is 0', async () => {
    for (const [method, block, rows] of [
      ['kto', {}, thumbs([true, false, true])],
      ['grpo', { reward: byLength, max_new_tokens: 5, beta: 0.1 }, questions],
      ['ppo', { reward: byLength, max_new_tokens: 5 }, questions],
    ] as const) {
      await using run = await opened({ method, block, rows })
      const { metrics } = await step(run)
      assert.ok(Math.abs(metrics['kl']!) < 1e-5, `${method}: ${metrics['kl']}`)
    }
  })
})

describe('kto', () => {
  test('a step of one class only: a loss, a gradient, and no mean of the class that is not there', async () => {
    for (const [label, present, absent] of [[true, 'rewards/chosen', 'rewards/rejected'], [false, 'rewards/rejected', 'rewards/chosen']] as const) {
      await using run = await opened({ method: 'kto', rows: thumbs([label, label, label]) })
      const { loss, gradients, metrics } = await step(run)
      assert.ok(Math.abs(loss - 0.5) < 1e-5, `loss ${loss}`)
      assert.ok(Number.isFinite(largest(gradients)) && largest(gradients) > 1e-4)
      assert.deepEqual([present in metrics, absent in metrics, 'rewards/margins' in metrics], [true, false, false])
    }
  })

  test('an odd count, a weight of its own for each class, weight 0 too: the loss is the formula\'s', async () => {
    for (const [desirable, undesirable] of [[1, 1], [1.5, 0.5], [1, 0]] as const) {
      const labels = [true, false, true, true, false]
      await using run = await opened({ method: 'kto', block: { desirable_weight: desirable, undesirable_weight: undesirable }, rows: thumbs(labels) })
      const forward = await PolicyForward.compile(run.policy, run.placement)
      const before = (await forward.branchSums(run.trees, {})).map(([sum]) => sum!)
      for (const values of run.policy.values.values()) values.forEach((value, i) => { values[i] = value * (1 + 0.3 * Math.sin(i)) })
      const after = (await forward.branchSums(run.trees, {})).map(([sum]) => sum!)
      await forward.release()
      const { loss, metrics } = await step(run)
      const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
      const gap = (i: number): number => 0.1 * (after[i]! - before[i]! - metrics['kl']!)
      const expected = labels.reduce((sum, up, i) => sum + (up ? desirable * (1 - sigmoid(gap(i))) : undesirable * (1 - sigmoid(-gap(i)))), 0) / labels.length
      assert.ok(Math.abs(loss - expected) < 1e-5, `${loss}, not ${expected}`)
      assert.ok(Math.abs(loss - 0.5 * (desirable * 3 + undesirable * 2) / 5) > 1e-3, 'the policy has moved')
    }
  })

  test('a row that is alone in its step: z is that of its neighbour\'s answer, not of its own', async () => {
    await using run = await opened({ method: 'kto', rows: thumbs([true, false, true]) })
    const strangers = mismatched(run.trees, [2], 256)
    assert.deepEqual([strangers[0]!.stem.ids, strangers[0]!.branches[0]!.ids], [run.trees[2]!.stem.ids, run.trees[1]!.branches[0]!.ids])
    const forward = await PolicyForward.compile(run.policy, run.placement)
    const sumsOf = async (trees: readonly RenderedTree[]): Promise<number[]> => (await forward.branchSums(trees, {})).map(([sum]) => sum!)
    const [stranger, own] = [await sumsOf(strangers), await sumsOf([run.trees[2]!])]
    for (const values of run.policy.values.values()) values.forEach((value, i) => { values[i] = value * (1 + 0.3 * Math.sin(i)) })
    const expected = (await sumsOf(strangers))[0]! - stranger[0]!
    const ownReward = (await sumsOf([run.trees[2]!]))[0]! - own[0]!
    await forward.release()
    const { metrics } = await run.learning.next(() => [2], 1)
    assert.ok(Math.abs(metrics!['kl']! - Math.max(0, expected)) < 1e-4, `${metrics!['kl']}, not ${expected}`)
    assert.ok(Math.abs(Math.max(0, ownReward) - Math.max(0, expected)) > 1e-2, 'the two differ')
  })
})

describe('answers of the policy itself', () => {
  const grpo = (block: Record<string, unknown> = {}, precision: Precision = 'f32'): Setting =>
    ({ method: 'grpo', block: { reward: byLength, group_size: 4, max_new_tokens: 8, ...block }, rows: questions, precision })

  test('a group of equal rewards: a gradient of exactly 0', async () => {
    const equal = { type: 'string_check', name: 'never', input: '{{sample.output_text}}', reference: 'no answer is this', operation: 'eq' }
    for (const scale_rewards of ['group', 'batch', 'none']) {
      await using run = await opened(grpo({ reward: equal, scale_rewards }))
      const { loss, gradients, metrics } = await step(run)
      assert.deepEqual([Math.abs(loss), largest(gradients), metrics['frac_reward_zero_std']], [0, 0, 1])
    }
    await using run = await opened(grpo())
    assert.ok(largest((await step(run)).gradients) > 1e-4, 'unequal rewards have a gradient')
  })

  for (const precision of ['f32', 'int8'] as const) {
    for (const [method, temperature] of [['grpo', 1], ['grpo', 0.7], ['ppo', 0.7]] as const) {
      test(`${method} at temperature ${temperature}, ${precision}: the first ratio is exactly 1, and sampling agrees with training`, async () => {
        const block = { reward: byLength, temperature, max_new_tokens: 12, ...(method === 'grpo' ? { epsilon: 1e-9 } : { cliprange: 1e-9 }) }
        await using run = await opened({ method, block, rows: questions, precision })
        const { batches, loss, metrics } = await step(run)
        // With next to no room around 1, a ratio that is off by one rounding would be clipped.
        assert.equal(metrics['clip_ratio'], 0)
        const surrogate = batches.reduce((total, { feeds }) => {
          const [advantages, weights] = ['advantages', 'weights'].map((name) => feeds[name]!.data as Float32Array)
          return total - advantages!.reduce((sum, advantage, n) => sum + advantage * weights![n]!, 0)
        }, 0)
        assert.ok(Math.abs((method === 'grpo' ? loss : metrics['loss/policy']!) - surrogate) < 1e-6)
        const [mean, max] = [metrics['sampling/logp_difference_mean']!, metrics['sampling/logp_difference_max']!]
        assert.ok(mean <= max && max > 0)
        if (precision === 'f32') assert.ok(max <= 1e-4, `${max} apart`)
        else assert.ok(mean < 0.01, `${mean} apart`)
      })
    }
  }

  test('importance weights come on in the step after one whose sampling was off by more than 0.01, and go off again', async () => {
    await using run = await opened(grpo())
    const corrected = []
    for (const change of [0, 0.5, 0, 0]) {
      const { batches } = await run.learning.next(run.everyRow, corrected.length + 1)
      const before = new Map([...run.policy.values].map(([name, values]) => [name, values.slice()]))
      // As if the trained policy computed otherwise than the one that sampled.
      for (const values of run.policy.values.values()) values.forEach((value, i) => { values[i] = value * (1 + change * Math.sin(i)) })
      const result = await run.learner.run(batches)
      const logged = run.learning.observe!(result)
      assert.equal(logged['sampling/logp_difference_mean']! > 0.01, change > 0)
      for (const [name, values] of before) run.policy.values.get(name)!.set(values)
      corrected.push((batches[0]!.feeds['corrected']!.data as Float32Array)[0])
    }
    assert.deepEqual(corrected, [0, 0, 1, 0])
  })

  test('an importance weight is at most its cap and takes from the loss what was sampled too often', async () => {
    await using run = await opened(grpo({ importance_cap: 1.5 }))
    const { batches } = await run.learning.next(run.everyRow, 1)
    const [off, on] = [0, 1].map((corrected) => batches.map(({ batch, feeds }) => ({ batch, feeds: {
      ...feeds,
      corrected: { data: Float32Array.of(corrected), shape: [] },
      // Half of the tokens were far likelier when they were sampled, half far less likely.
      sampled: { ...feeds['sampled']!, data: (feeds['sampled']!.data as Float32Array).map((value, n) => value + (n % 2 === 0 ? 40 : -40)) },
      advantages: { ...feeds['advantages']!, data: (feeds['advantages']!.data as Float32Array).map(() => 1) },
    } })))
    const [plain, weighted] = [await run.learner.run(off!), await run.learner.run(on!)]
    const sumOver = (odd: number): number => batches.reduce((total, { feeds }) =>
      total + (feeds['weights']!.data as Float32Array).reduce((sum, weight, n) => sum + (n % 2 === odd ? weight : 0), 0), 0)
    assert.ok(Math.abs(plain.loss + sumOver(0) + sumOver(1)) < 1e-5)
    assert.ok(Math.abs(weighted.loss + 1.5 * sumOver(1)) < 1e-5, `${weighted.loss}`)
  })
})

test('α/r survives: the adapter that a run leaves scores as the run itself did at its end', async () => {
  const data = join(root, 'pairs.jsonl')
  writeFileSync(data, pairRows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const { output, directory } = await train({
    model: path, method: 'dpo', data, eval: data, steps: 4, batch: 2, base: { precision: 'f32' }, optimizer: { lr: 0.01 },
    adapter: { rank: 3, alpha: 17, use_rslora: true }, output: join(root, 'run'),
  })
  const measured = readLines<StepMetrics>(join(directory, 'events.jsonl')).findLast((event) => 'logps/chosen' in event)!
  await using tuned = await loadModel(path, { adapter: output, precision: 'f32' })
  const kind = dataKinds.pairs
  const { trees } = renderTrees(pairRows.map((row) => ({ where: '', row })), kind.render, tuned.tokenizer, { maxLength: 256 })
  const sums = await Promise.all(trees.map(async ({ stem, branches: [chosen] }) => {
    const [logprobs] = await tuned.score([{ ids: [...stem.ids, ...chosen!.ids] }])
    return logprobs!.slice(stem.ids.length - 1).reduce((sum, value) => sum + value, 0)
  }))
  const mean = sums.reduce((sum, value) => sum + value, 0) / sums.length
  assert.ok(Math.abs(mean - measured['logps/chosen']!) < 1e-4 * Math.abs(mean), `${mean} and ${measured['logps/chosen']}`)
  assert.ok(measured['rewards/margins']! > 0.1, 'the adapter has learned something')
})
