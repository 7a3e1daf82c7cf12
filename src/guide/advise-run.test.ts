import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { methods } from '../methods/index.ts'
import { Random } from '../random.ts'
import { checkRecipe, formatRecipe, methodSettings, parseRecipe, type Recipe, type RecipeInput } from '../train/recipe.ts'
import type { RunVerdict } from '../train/report-advice.ts'
import { openRun } from '../train/run-folder.ts'
import { adviseRun, type RunAdvice } from './advise-run.ts'

const root = mkdtempSync(join(tmpdir(), 'advise-run-'))
after(() => { rmSync(root, { recursive: true }) })

interface Course {
  readonly losses: readonly number[]
  /** Held-out losses, the first before training; one for each third step. */
  readonly heldOut?: readonly number[]
  readonly general?: readonly [before: number, after: number]
  /** What else a step has, `reward` and `kl` for instance. */
  readonly metrics?: (step: number) => Readonly<Record<string, number>>
  /** How it ended; well unless given. */
  readonly end?: 'failed' | 'interrupted'
}

/** The folder of a run with these figures. */
async function written(name: string, { losses, heldOut = [], general = [2, 2], metrics = () => ({}), end }: Course, recipe: Partial<RecipeInput> = {}): Promise<string> {
  const output = join(root, name)
  const method = recipe.method ?? 'sft'
  const measure = ['grpo', 'ppo'].includes(method) ? 'reward' : 'loss'
  const rows = heldOut.length > 0 ? { eval: 'eval.jsonl' } : {}
  const checked = checkRecipe({ model: 'some/model', method, data: 'train.jsonl', ...rows, output, ...recipe }, methods)
  const run = await openRun(output, { recipe: formatRecipe(checked) })
  heldOut.forEach((value, i) => { run.logEvent({ type: 'evaluation', step: 3 * i, [measure]: value, ...(i === 0 && { general_loss: general[0] }) }) })
  losses.forEach((loss, i) => {
    run.logStep({ step: i + 1, epoch: 0, loss, grad_norm: 1, lr: 1e-4, tokens: 100 * i, tokens_per_second: 9, memory_mb: 9, ...metrics(i + 1) })
  })
  if (end === undefined) {
    run.logEvent({ type: 'evaluation', step: losses.length, general_loss: general[1] })
    await run.finish('# done\n')
  } else if (end === 'failed') run.logEvent({ type: 'failed', step: losses.length, message: `Step ${losses.length}: the loss is not a finite number.` })
  run.close()
  return output
}

async function ended(name: string, course: Course, recipe: Partial<RecipeInput> = {}): Promise<RunAdvice> {
  return adviseRun(await written(name, course, recipe))
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

test('a run whose loss was not finite any more: a third of the learning rate', async () => {
  const found = await ended('nan', { losses: [2, 3, 9], heldOut: [2], end: 'failed' })
  assert.deepEqual(found.verdicts.map(({ kind }) => kind), ['diverged'])
  assert.match(found.verdicts[0]!.text, /^Step 3: the loss is not a finite number/)
  assert.equal(next(found).optimizer.lr, 6.7e-5)
})

test('without held-out rows: what the training’s own figures tell, or that nobody knows', async () => {
  const kinds = async (name: string, course: Course, method = 'sft') =>
    (await ended(name, course, { method, ...(method !== 'sft' && { [method]: { reward: { type: 'length', unit: 'words', max: 9 } } }) })).verdicts.map(({ kind }) => kind)
  assert.deepEqual(await kinds('blind', { losses: steps(2, 1) }), ['unmeasured'])
  assert.deepEqual(await kinds('rising', { losses: steps(2, 5) }), ['diverged'])
  assert.deepEqual(await kinds('short', { losses: [2, 5] }), ['unmeasured'], 'two steps may be two rows')
  const rewards = (from: number, to: number): Course => ({ losses: steps(0, 0), metrics: (step) => ({ reward: steps(from, to)[step - 1]!, reward_std: 0.3 }) })
  assert.deepEqual(await kinds('collapse', rewards(0.8, 0.1), 'grpo'), ['diverged'])
  assert.deepEqual(await kinds('climb', rewards(0.1, 0.8), 'grpo'), ['unmeasured'])
})

test('one measurement after training does not tell whether it levels off', async () => {
  const found = await ended('once', { losses: steps(2, 1, 3), heldOut: [2, 1] })
  assert.deepEqual(found.verdicts.map(({ kind }) => kind), ['unfinished'])
  assert.match(found.verdicts[0]!.text, /not measured in between: `eval_every`/)
})

test('underfit while it goes on from an adapter: its rank stays', async () => {
  const found = await ended('goes-on', { losses: steps(2, 1.2), heldOut: [2, 1.25, 1.2, 1.2, 1.2] }, { adapter: { init: 'runs/a/adapter' } })
  assert.deepEqual(found.verdicts.map(({ kind }) => kind), ['underfit'])
  const { adapter, optimizer } = next(found)
  assert.ok(adapter.type === 'lora' && adapter.rank === 8)
  assert.equal(optimizer.lr, 4e-4)
})

test('rows that are learned and do not carry over want other rows, not other steps', async () => {
  const found = await ended('memory', { losses: steps(2, 0.2), heldOut: [2, 2, 2, 2, 2] })
  assert.deepEqual(found.verdicts.map(({ kind }) => kind), ['levelled'])
  assert.match(found.verdicts[0]!.text, /fell from 1\.918 to 0\.2818, .*does not carry over/)
})

describe('reinforcement', () => {
  const reward = { type: 'length', unit: 'words', max: 9 }
  const rising = [0.1, 0.4, 0.6, 0.7, 0.8]
  const course = (metrics: Course['metrics'], heldOut = rising): Course => ({ losses: steps(0, 0), heldOut, metrics: (step) => ({ reward: step / 12, ...metrics?.(step) }) })

  test('far from where it began: a shorter leash', async () => {
    const grpo = await ended('grpo-far', course((step) => (step % 10 === 1 ? { kl: step / 4 } : {})), { method: 'grpo', grpo: { reward } })
    assert.deepEqual(grpo.verdicts.map(({ kind }) => kind), ['drifted'])
    assert.equal((methodSettings(next(grpo)) as { beta: number }).beta, 0.04)
    const ppo = await ended('ppo-far', course((step) => ({ kl: 3 * step, completion_length: 20 })), { method: 'ppo', ppo: { reward } })
    assert.deepEqual(ppo.verdicts.map(({ kind }) => kind), ['drifted'])
    assert.equal((methodSettings(next(ppo)) as { kl_coef: number }).kl_coef, 0.1)
    const near = await ended('ppo-near', course(() => ({ kl: 5, completion_length: 20 })), { method: 'ppo', ppo: { reward } })
    assert.deepEqual(near.verdicts.map(({ kind }) => kind), ['unfinished'])
  })

  test('a reward that may be hacked: longer answers, the same answers, worse ones on held-out prompts', async () => {
    const texts = async (name: string, ...args: Parameters<typeof course>) =>
      (await ended(name, course(...args), { method: 'grpo', grpo: { reward } })).verdicts.map(({ text }) => text).join(' ')
    assert.match(await texts('longer', (step) => ({ completion_length: 20 * step })), /grew from 30 to 230 tokens while the reward rose/)
    assert.match(await texts('same', (step) => ({ entropy: 2 / step ** 2 })), /entropy of the answers fell from 1\.25 to 0\.0/)
    assert.match(await texts('hacked', () => ({}), [0.1, 0.6, 0.5, 0.3, 0.2]), /held-out reward was highest at step 3 \(0\.6\) and fell to 0\.2/)
  })
})

describe('any curve of a shape is told by its shape', () => {
  /** Held-out loss by the share t of the run that is over; r is drawn anew for each run. */
  const shapes = {
    overfit: (t: number, r: number) => 1 + (t - 0.3 - 0.3 * r) ** 2,
    harmed: (t: number, r: number) => 2 + t * (0.1 + r),
    unfinished: (t: number, r: number) => 2 - t * (0.3 + r),
    level: (t: number, r: number) => 1 + Math.exp(-t * (12 + 8 * r)),
    unmoved: () => 2,
  } as const
  const random = new Random(7)
  const draw = (): number => random.uint32() / 2 ** 32
  const noisy = (value: number): number => value * (1 + 0.002 * (draw() - 0.5))

  async function drawn(shape: keyof typeof shapes, method: string, name: string, learnt = 0): Promise<RunAdvice> {
    const [r, measurements] = [draw(), 6 + Math.floor(10 * draw())]
    const curve = Array.from({ length: measurements + 1 }, (_, i) => noisy(shapes[shape](i / measurements, r)))
    const losses = Array.from({ length: 3 * measurements }, (_, i) => noisy(shapes[shape](i / 3 / measurements, r)) - learnt)
    const isReward = method === 'grpo'
    return await ended(`${name}-${draw()}`, { losses, heldOut: isReward ? curve.map((loss) => 3 - loss) : curve, ...(isReward && { metrics: () => ({ reward: 0.5 }) }) },
      { method, ...(isReward && { grpo: { reward: { type: 'length', unit: 'words', max: 9 } } }) })
  }

  const expected: readonly (readonly [shape: keyof typeof shapes, methods: readonly string[], kind: RunVerdict['kind'], learnt?: number])[] = [
    ['overfit', ['sft', 'dpo', 'kto', 'grpo'], 'overfit'], ['harmed', ['sft', 'dpo', 'grpo'], 'harmed'], ['unfinished', ['sft', 'kto', 'grpo'], 'unfinished'],
    ['level', ['sft'], 'underfit'], ['level', ['sft'], 'levelled', 0.4], ['level', ['dpo', 'kto'], 'plateau'], ['level', ['grpo'], 'levelled'],
    ['unmoved', ['sft', 'dpo', 'grpo'], 'unmoved'],
  ]
  for (const [shape, names, kind, learnt] of expected) {
    for (const method of names) {
      test(`${shape}, ${method}${learnt === undefined ? '' : ', rows learned by heart'}: ${kind}`, async () => {
        for (let i = 0; i < 12; i++) {
          const found = await drawn(shape, method, `${shape}-${method}-${kind}`, learnt)
          assert.deepEqual(found.verdicts.map((verdict) => verdict.kind), [kind], found.verdicts.map(({ text }) => text).join(' '))
          assert.equal(found.recipe === null, kind === 'plateau' || kind === 'levelled')
          if (found.recipe !== null) assert.match(next(found).output, /-next$/)
        }
      })
    }
  }
})

test('a run that has not ended is named, with what to do', async () => {
  await assert.rejects(async () => ended('cut', { losses: [2, 1], heldOut: [2], end: 'interrupted' }), { name: 'UserError', message: /was interrupted at step 2.*--resume/ })
})

test('a folder without a finished run is named', async () => {
  await assert.rejects(adviseRun(root), { name: 'UserError', message: /is no run's folder/ })
})
