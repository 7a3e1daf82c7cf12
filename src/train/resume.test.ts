/** Every method: a run that is stopped and resumed, wherever, is bit by bit the run that never stopped. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { Method } from '../methods/method.ts'
import { methods } from '../methods/index.ts'
import { runAndKill } from './fixtures/kill.ts'
import { readLines } from './lines.ts'
import { checkRecipe, type RecipeInput } from './recipe.ts'
import type { Sample, StepMetrics, StoredEvent } from './records.ts'
import { runTraining } from './run.ts'
import { runPaths } from './run-folder.ts'
import type { StopRequest } from './stop.ts'

const root = mkdtempSync(join(tmpdir(), 'posttrain-resume-'))
after(() => { rmSync(root, { recursive: true }) })
const model = join(import.meta.dirname, '../models/fixtures/tiny-llama')

const words = ['one', 'two and a few words more', 'three', 'four of them', 'five']
const rowsOfKind: Readonly<Record<Method['rows'], (word: string, i: number) => object>> = {
  sft: (word) => ({ messages: [{ role: 'user', content: `say ${word}` }, { role: 'assistant', content: word }] }),
  pairs: (word) => ({ prompt: `say ${word}`, chosen: word, rejected: `not ${word}` }),
  labelled: (word, i) => ({ prompt: `say ${word}`, completion: word, label: i % 2 === 0 }),
  prompts: (word) => ({ prompt: `say ${word}`, answer: word }),
}

function dataOf(kind: Method['rows']): string {
  const path = join(root, `${kind}.jsonl`)
  writeFileSync(path, words.map((word, i) => `${JSON.stringify(rowsOfKind[kind](word, i))}\n`).join(''))
  return path
}

const reward = { type: 'length', unit: 'characters', max: 4, falloff: 40 }
const rollouts = { reward, max_new_tokens: 6 }
const critic = { ...rollouts, iterations: 2 }

/** What can be different about a run, by name; its method comes first. */
const cases: Readonly<Record<string, Record<string, unknown>>> = {
  sft: {},
  'sft, every weight': { adapter: { type: 'none' } },
  dpo: {},
  'dpo, orpo': { loss: 'orpo' },
  kto: {},
  reward: { center_rewards_coefficient: 0.01 },
  grpo: { ...rollouts, group_size: 3 },
  'grpo, two iterations with a reference': { ...rollouts, group_size: 3, iterations: 2, beta: 0.04 },
  'grpo, int8': { ...rollouts, group_size: 3, base: { precision: 'int8' } },
  'ppo, shared critic': critic,
  'ppo, separate critic': { ...critic, critic: 'separate' },
  'ppo, steered coefficient': { ...critic, kl_target: 0.01, kl_horizon: 10 },
}

function recipeOf(name: string, folder: string, overrides: Partial<RecipeInput> = {}) {
  const method = name.split(',')[0]!
  const { adapter, base = { precision: 'f32' }, ...block } = cases[name]!
  const data = dataOf(methods[method]!.rows)
  return checkRecipe({
    model, method, data, eval: data, eval_every: 2, batch: 2, steps: 6, base, threads: 1, max_length: 64, optimizer: { lr: 0.01 },
    keep: 'best', output: join(root, folder), ...(adapter === undefined ? {} : { adapter }), [method]: block, ...overrides,
  }, methods)
}

/**
 * Runs the recipe in this thread, stopping after each of `stops` and going on.
 * @param lost a file of the run's folder that is gone at each stop
 * @returns the steps it stopped at
 */
async function trained(recipe: ReturnType<typeof recipeOf>, stops: readonly number[] = [], lost?: string): Promise<number[]> {
  const stopped = []
  for (const [session, stop] of [...stops, Infinity].entries()) {
    let done = 0
    const request = { recipe, model, resume: session > 0, overwrite: false, cache: join(root, 'cache') }
    const { steps, finished } = await runTraining(request, (event) => { if (event.type === 'step') done = event.step }, () => (done >= stop ? 'pause' : undefined))
    assert.equal(finished, stop === Infinity)
    if (!finished) stopped.push(steps)
    if (!finished && lost !== undefined) rmSync(join(recipe.output, lost))
  }
  return stopped
}

const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16)

/** All that a run leaves but what depends on the clock. */
function resultOf(output: string): Record<string, unknown> {
  const paths = runPaths(output)
  const last = join(paths.checkpoints, readdirSync(paths.checkpoints).filter((name) => name.startsWith('step-')).sort().at(-1)!)
  const { learning, loader } = JSON.parse(readFileSync(join(last, 'state.json'), 'utf8')) as Record<string, unknown>
  const evaluations = readLines<StoredEvent>(paths.events).filter(({ type }) => type === 'evaluation').map(({ time: _, ...event }) => event)
  return {
    metrics: readLines<StepMetrics>(paths.metrics).map((line) => ({ ...line, tokens_per_second: 0, memory_mb: 0 })),
    samples: readLines<Sample>(paths.samples),
    evaluations,
    state: { learning, loader },
    parameters: digest(join(last, 'parameters.safetensors')),
    optimizer: digest(join(last, 'optimizer.safetensors')),
    result: existsSync(paths.adapter) ? digest(join(paths.adapter, 'adapter_model.safetensors')) : digest(join(paths.model, 'model.safetensors')),
  }
}

describe('a run that is stopped and resumed', () => {
  for (const name of Object.keys(cases)) {
    test(name, async () => {
      const [whole, parted] = ['whole', 'parted'].map((course) => recipeOf(name, `${course}-${name.replaceAll(/\W+/g, '-')}`))
      await trained(whole!)
      // A set of answers is used up before a run stops.
      const iterations = (cases[name]!['iterations'] as number | undefined) ?? 1
      assert.deepEqual(await trained(parted!, [1, 4]), [Math.max(1, iterations), 4])
      assert.deepEqual(resultOf(parted!.output), resultOf(whole!.output))
      const { metrics, samples } = resultOf(whole!.output) as { metrics: StepMetrics[]; samples: Sample[] }
      assert.deepEqual(metrics.map(({ step }) => step), [1, 2, 3, 4, 5, 6])
      assert.equal(samples.length > 0, methods[whole!.method]!.rows === 'prompts')
    })
  }
})

describe('a run that is told to finish ends as one that was to have so many steps', () => {
  /** @param requests what each session is told after step 3, or when it goes on from there */
  const finishedAt = async (recipe: ReturnType<typeof recipeOf>, requests: readonly StopRequest[]): Promise<number> => {
    let steps = 0
    for (const [session, told] of requests.entries()) {
      const request = { recipe, model, resume: session > 0, overwrite: false, cache: join(root, 'cache') }
      const result = await runTraining(request, (event) => { if (event.type === 'step') steps = event.step }, () => (steps >= 3 ? told : undefined))
      assert.equal(result.finished, told === 'finish')
    }
    return steps
  }
  for (const name of Object.keys(cases)) {
    test(name, async () => {
      const output = (course: string): string => `${course}-${name.replaceAll(/\W+/g, '-')}`
      const [running, paused] = [recipeOf(name, output('finished')), recipeOf(name, output('paused'))]
      const steps = await finishedAt(running, ['finish'])
      assert.ok(steps < 6)
      assert.equal(await finishedAt(paused, ['pause', 'finish']), steps)
      const whole = recipeOf(name, output('short'), { steps })
      await trained(whole)
      assert.deepEqual(resultOf(running.output), resultOf(whole.output))
      assert.deepEqual(resultOf(paused.output), resultOf(whole.output))
    })
  }
})

test('a reference that is lost on the way is computed anew, from the policy of step 0', async () => {
  const [whole, parted] = ['referenced', 'unreferenced'].map((course) => recipeOf('dpo', course))
  await trained(whole!)
  await trained(parted!, [2, 4], 'reference-train.safetensors')
  assert.deepEqual(resultOf(parted!.output), resultOf(whole!.output))
})

test('a run on its own answers that is killed at three moments ends as one that is not', async () => {
  const script = join(import.meta.dirname, 'fixtures/train-run.ts')
  const overrides = { steps: 24, checkpoint: { every_steps: 2 } }
  const [killed, undisturbed] = ['killed', 'undisturbed'].map((course) => recipeOf('ppo, steered coefficient', course, overrides))
  for (const recipe of [killed!, undisturbed!]) writeFileSync(`${recipe.output}.json`, JSON.stringify(recipe))
  let kills = 0
  for (const step of [3, 8, 15]) {
    const { signal } = await runAndKill([script, `${killed!.output}.json`], { output: new RegExp(`^step ${step}$`, 'm') })
    if (signal === 'SIGKILL') kills += 1
  }
  assert.ok(kills >= 2, `only ${kills} of the three kills came before the run's end`)
  for (const { output } of [killed!, undisturbed!]) {
    const ended = await runAndKill([script, `${output}.json`])
    assert.equal(ended.code, 0, ended.output)
  }
  assert.deepEqual(resultOf(killed!.output), resultOf(undisturbed!.output))
})

test('held-out prompts are answered between sets of answers, where the best parameters can be saved', async () => {
  const recipe = recipeOf('ppo, shared critic', 'between-sets', { eval_every: 1 })
  await trained(recipe)
  const paths = runPaths(recipe.output)
  const measured = readLines<StoredEvent>(paths.events).filter((event) => event.type === 'evaluation' && 'reward' in event)
  assert.deepEqual(measured.map(({ step }) => step), [0, 2, 4, 6])
})

test('an epoch of two iterations on each set of answers has twice the steps, and ends with an evaluation', async () => {
  const { steps: _, eval_every: __, ...rest } = recipeOf('ppo, shared critic', 'epochs')
  const recipe = checkRecipe({ ...rest, epochs: 2 }, methods)
  await trained(recipe)
  const events = readLines<StoredEvent>(runPaths(recipe.output).events)
  assert.deepEqual(events.filter((event) => event.type === 'evaluation' && 'reward' in event).map(({ step }) => step), [0, 6, 12])
})
