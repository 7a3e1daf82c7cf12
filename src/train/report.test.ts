import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { z } from 'zod'
import { saveCheckpoint } from './checkpoint.ts'
import { sparkline } from './markdown.ts'
import { checkRecipe, formatRecipe } from './recipe.ts'
import type { Sample } from './records.ts'
import { buildReport } from './report.ts'
import { openRun } from './run-folder.ts'
import { summarizeRun } from './summary.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-report-'))
after(() => rm(root, { recursive: true, force: true }))

const methods = { sft: { settings: z.object({}) } }

interface Course {
  readonly name: string
  /** Held-out and general loss at steps 0, 5, 10, ... */
  readonly evaluations?: readonly (readonly [number, number])[]
  readonly overrides?: Record<string, unknown>
  readonly steps?: number
}

/** A run of `steps` steps of 100 tokens, its training loss falling from 2 towards 0. */
async function report({ name, evaluations = [], overrides = {}, steps = 20 }: Course): Promise<{ text: string; folder: string }> {
  const folder = join(root, name)
  const recipe = checkRecipe({ model: 'some/model', method: 'sft', data: 'train.jsonl', output: folder, ...overrides }, methods)
  const run = await openRun(folder, { recipe: formatRecipe(recipe) })
  for (const [i, [loss, general_loss]] of evaluations.entries()) {
    run.logEvent({ step: 5 * i, type: 'evaluation', loss })
    run.logEvent({ step: 5 * i, type: 'evaluation', general_loss })
  }
  for (let step = 1; step <= steps; step++) {
    run.logStep({
      step, epoch: step / 10, loss: 2 / step, grad_norm: 1, lr: 1e-4, tokens: 100 * step,
      tokens_per_second: step === 1 ? 3 : 250, memory_mb: 900 + step, 'rewards/margins': step,
    })
  }
  const state = {
    step: steps, epoch: 2, loader: null, seed: 0, best: null, evaluationsSinceBest: 0, tokens: 100 * steps, elapsedSeconds: 3725.4,
  }
  const checkpoint = { parameters: new Map(), optimizer: { step: steps, moments: new Map() }, state }
  await run.checkpoints.save(steps, (directory) => saveCheckpoint(directory, checkpoint))
  run.close()
  return { text: buildReport(folder, recipe), folder }
}

const nextOf = (text: string): string => text.slice(text.indexOf('## What to try next')).split('\n\n').slice(1).join(' ').trim()

test('the summary takes its figures from the run\'s files', async () => {
  const { folder } = await report({ name: 'summary', evaluations: [[2, 3], [1, 3.1], [1.5, 3.3]] })
  const summary = summarizeRun(folder)
  assert.deepEqual(
    { ...summary, losses: summary.losses.length },
    {
      steps: 20, epochs: 2, tokens: 2000, tokensPerSecond: 250, peakMemoryMb: 920, elapsedSeconds: 3725.4, resumptions: 0, losses: 20, rewards: [], samples: [],
      metrics: new Map([['rewards/margins', { before: 1.5, after: 19.5 }]]),
      evaluations: [
        { step: 0, loss: 2, generalLoss: 3, metrics: {} }, { step: 5, loss: 1, generalLoss: 3.1, metrics: {} },
        { step: 10, loss: 1.5, generalLoss: 3.3, metrics: {} },
      ],
      best: { step: 5, loss: 1, generalLoss: 3.1, metrics: {}, objective: 1 },
      general: { before: 3, after: 3.3 },
      messages: [],
    },
  )
})

test('the report says what was done, what came of it, what it cost and how to use it', async () => {
  const { text, folder } = await report({ name: 'whole', evaluations: [[2, 3], [1.5, 3.01], [1.25, 3.03]], overrides: { eval: 'eval.jsonl' } })
  for (const part of [
    '# whole', '| Model | some/model |', '| Trained | LoRA, rank 8, alpha 16, all-linear |', '| Held-out data | eval.jsonl |',
    'from 1.5 to 0.1026', '| 10 (best) | 1.25 | 3.03 |', '| rewards/margins | 1.5 | 19.5 |',
    'Loss on the general set: 3 before, 3.03 after (+1.0%). General skills are kept.',
    '| Tokens trained on | 2000 |', '| Time | 1 h 2 min 5 s |', '| Tokens per second | 250 |', '| Peak memory | 920 MiB |',
    `posttrain chat --model some/model --adapter ${join(folder, 'adapter')}\n`,
  ]) assert.ok(text.includes(part), `${part} is not in the report:\n${text}`)
  assert.match(nextOf(text), /^The held-out loss was still falling at the end\./)
})

test('the advice follows from the losses', async () => {
  const cases: [string, readonly (readonly [number, number])[], Record<string, unknown>, RegExp][] = [
    ['overfit', [[2, 3], [1, 3], [1.2, 3]], {}, /^The held-out loss was lowest at step 5 \(1\) and rose to 1\.2 by step 10: overfitting\. Set `keep: best`/],
    ['kept', [[2, 3], [1, 3], [1.2, 3]], { keep: 'best', eval: 'e.jsonl' }, /overfitting\. The best checkpoint was kept/],
    ['forgetful', [[2, 3], [1, 3.07]], {}, /^The loss on the general set changed by \+2\.3%: the model forgets/],
    ['both', [[2, 3], [1, 3.1], [1.2, 3.2]], {}, /overfitting.*changed by \+6\.7%/],
    ['worse', [[2, 3], [2.5, 3]], {}, /^The held-out loss was lowest before training \(2\) and ended at 2\.5\. Lower the learning rate/],
    ['level', [[2, 3], [1, 3], [1.004, 3.05]], {}, /^The held-out loss has levelled off\./],
    ['unmeasured', [], {}, /^Give held-out rows/],
  ]
  for (const [name, evaluations, overrides, expected] of cases) {
    assert.match(nextOf((await report({ name, evaluations, overrides })).text), expected, name)
  }
})

/** A run of ten steps of a method, its metrics and evaluations as given. */
async function methodReport(name: string, course: {
  readonly steps: readonly Readonly<Record<string, number>>[]
  readonly evaluations: readonly Readonly<Record<string, number>>[]
  readonly samples?: readonly Pick<Sample, 'step' | 'prompt' | 'completion' | 'reward'>[]
}): Promise<string> {
  const folder = join(root, name)
  const recipe = checkRecipe({ model: 'some/model', method: 'sft', data: 'train.jsonl', eval: 'eval.jsonl', output: folder }, methods)
  const run = await openRun(folder, { recipe: formatRecipe(recipe) })
  course.evaluations.forEach((metrics, i) => { run.logEvent({ step: 5 * i, type: 'evaluation', ...metrics }) })
  course.steps.forEach((metrics, i) => {
    run.logStep({ step: i + 1, epoch: i, loss: 0, grad_norm: 1, lr: 1e-4, tokens: 100, tokens_per_second: 9, memory_mb: 9, ...metrics })
  })
  for (const sample of course.samples ?? []) run.logSample({ split: 'eval', components: {}, finish_reason: 'stop', ...sample })
  run.close()
  return buildReport(folder, recipe)
}

test('preferences: how often the chosen answer is preferred, before and after, and chosen answers that become unlikely', async () => {
  const evaluation = (loss: number, accuracy: number, margin: number, chosen: number) =>
    ({ loss, 'rewards/accuracies': accuracy, 'rewards/margins': margin, 'logps/chosen': chosen, 'logps/rejected': chosen - margin })
  const steps = [{ 'rewards/margins': 0.1 }, { 'rewards/margins': 0.9 }]
  const sound = await methodReport('preferred', { steps, evaluations: [evaluation(0.69, 0.5, 0, -60), evaluation(0.5, 0.8, 0.7, -64)] })
  assert.match(sound, /## Preference\n/)
  assert.ok(sound.includes('| Pairs in which the chosen answer is preferred | 0.5 | 0.8 | - | - |'), sound)
  assert.ok(sound.includes('| Margin between chosen and rejected | 0 | 0.7 | 0.1 | 0.9 |'), sound)
  assert.doesNotMatch(sound, /less likely|## Reward|## Answers/)
  const falling = await methodReport('falling', { steps, evaluations: [evaluation(0.69, 0.5, 0, -60), evaluation(0.4, 0.9, 2, -90)] })
  assert.match(nextOf(falling), /^The chosen answers have become less likely \(log-probability -60 before, -90 after\) while the margin .* rose/)
})

test('rewards: the held-out reward, groups that teach nothing, first and last answers', async () => {
  const figures = { reward_std: 0.1, frac_reward_null: 0, completion_length: 9, 'completions/clipped_ratio': 0.1 }
  const steps = [{ ...figures, reward: 0.2, frac_reward_zero_std: 0.1 }, { clip_ratio: 0 }, { ...figures, reward: 0.6, frac_reward_zero_std: 0.8 }]
  const answer = (step: number, completion: string, reward: number) => ({ step, prompt: [{ role: 'user', content: 'two | two' }], completion, reward })
  const text = await methodReport('rewarded', {
    steps,
    evaluations: [{ reward: 0.25 }, { reward: 0.5 }, { reward: 0.75 }],
    samples: [answer(0, 'five', 0), answer(5, 'three', 0), answer(10, `four ${'indeed '.repeat(60)}`, 1)],
  })
  for (const part of [
    '| 10 (best) | 0.75 | - |', '| Reward | 0.25 | 0.75 | 0.2 | 0.6 |', 'The held-out reward changed by +200.0%.', '| two \\| two | 0 | five | 0 |',
  ]) assert.ok(text.includes(part), `${part} is not in the report:\n${text}`)
  assert.match(text, /\|  \| 10 \| four indeed .*…/)
  assert.match(nextOf(text), /^In 80% of the last groups all answers had the same reward.*The held-out reward was still rising/)
  assert.doesNotMatch(text, /NaN|undefined|## Preference/)
  const worse = await methodReport('unlearned', { steps, evaluations: [{ reward: 0.5 }, { reward: 0.75 }, { reward: 0.5 }] })
  assert.match(nextOf(worse), /The held-out reward was highest at step 5 \(0\.75\) and fell to 0\.5 by step 10: overfitting\. Set `keep: best`/)
})

test('names from a recipe stay text in Markdown and one argument in a shell', async () => {
  const model = 'models/a|b <script> `x` it\'s'
  const { text } = await report({ name: 'escaped', overrides: { model } })
  assert.ok(text.includes('| Model | models/a\\|b \\<script\\> \\`x\\` it\'s |'), text)
  assert.ok(text.includes('--model \'models/a|b <script> `x` it\'\\\'\'s\' --adapter'), text)
})

test('full fine-tuning leaves a model, and a run without steps has a report all the same', async () => {
  const { text, folder } = await report({ name: 'full', overrides: { adapter: { type: 'none' } }, steps: 0 })
  assert.ok(text.includes(`posttrain chat --model ${join(folder, 'model')}\n`))
  assert.ok(text.includes('| Trained | all weights |'))
  assert.doesNotMatch(text, /NaN|undefined|Infinity/)
})

test('a sparkline shows the course, its bars from the lowest to the highest value', () => {
  assert.equal(sparkline([7, 6, 5, 4, 3, 2, 1, 0]), '█▇▆▅▄▃▂▁')
  assert.equal(sparkline([4, 4, 0, 0, 2, 2], 3), '█▁▅')
  assert.equal(sparkline([1, NaN, 2]), '▁ █')
  assert.equal(sparkline([3, 3]), '▁▁')
  assert.equal(sparkline(Array.from({ length: 1000 }, (_, i) => i)).length, 60)
  assert.equal(sparkline([]), '')
})
