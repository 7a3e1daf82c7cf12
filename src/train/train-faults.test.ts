/** What a real run of a tiny model survives. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runAndKill } from './fixtures/kill.ts'
import { readLines } from './lines.ts'
import type { RecipeInput } from './recipe.ts'
import type { StepMetrics, StoredEvent } from './records.ts'
import { runPaths } from './run-folder.ts'
import { train } from './train.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-train-faults-'))
after(() => rm(root, { recursive: true, force: true }))

const words = ['one', 'two and a few words more', 'three', 'four of them', 'five']
const rows = words.map((word) => ({ messages: [{ role: 'user', content: `say ${word}` }, { role: 'assistant', content: word }] }))
const data = join(root, 'rows.jsonl')
await writeFile(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))

function recipeFor(name: string, overrides: Partial<RecipeInput> = {}): RecipeInput {
  return {
    model: join(import.meta.dirname, '../models/fixtures/tiny-llama'), method: 'sft', data, eval: data, batch: 2, steps: 60,
    base: { precision: 'f32' }, optimizer: { lr: 0.01 }, checkpoint: { every_steps: 3 }, keep: 'best', output: join(root, name),
    ...overrides,
  }
}

/** All that a run leaves but what depends on the clock. */
async function resultOf(output: string): Promise<unknown> {
  const paths = runPaths(output)
  const metrics = readLines<StepMetrics>(paths.metrics).map((line) => ({ ...line, tokens_per_second: 0, memory_mb: 0 }))
  const adapter = await readFile(join(paths.adapter, 'adapter_model.safetensors'))
  return { metrics, adapter: createHash('sha256').update(adapter).digest('hex') }
}

test('a run that is killed at five moments ends with the adapter of one that is not', async () => {
  const script = join(import.meta.dirname, 'fixtures/train-run.ts')
  const recipes = ['killed', 'undisturbed'].map((name) => recipeFor(name))
  for (const recipe of recipes) await writeFile(`${recipe.output}.json`, JSON.stringify(recipe))
  const [killed, undisturbed] = recipes.map(({ output }) => String(output))

  let kills = 0
  for (const step of [1, 8, 17, 23, 34]) {
    const { signal } = await runAndKill([script, `${killed}.json`], { output: new RegExp(`^step ${step}$`, 'm') })
    if (signal === 'SIGKILL') kills += 1
  }
  assert.ok(kills >= 3, `only ${kills} of the five kills came before the run's end`)
  for (const output of [killed, undisturbed]) {
    const ended = await runAndKill([script, `${output}.json`])
    assert.equal(ended.code, 0, ended.output)
  }
  assert.deepEqual(await resultOf(killed!), await resultOf(undisturbed!))
})

test('a run whose numbers are no longer finite stops, says at which step, and keeps its last good checkpoint', async () => {
  const recipe = recipeFor('diverged', { optimizer: { lr: 1e30 }, schedule: { name: 'constant', warmup: 0.1 }, checkpoint: { every_steps: 1 } })
  await assert.rejects(train(recipe), (error: Error) => {
    assert.equal(error.name, 'UserError')
    assert.match(error.message, /^Step \d+: .* is not a finite number\. .*Lower optimizer\.lr/)
    return true
  })
  const paths = runPaths(String(recipe.output))
  const failed = readLines<StoredEvent>(paths.events).at(-1)
  assert.equal(failed?.type, 'failed')
  assert.ok((await readdir(paths.checkpoints)).includes(`step-${failed.step - 1}`))
  assert.deepEqual([existsSync(paths.adapter), existsSync(paths.report), existsSync(join(paths.checkpoints, '../.lock'))], [false, false, false])
})

test('a finished run is not trained over unasked', async () => {
  const recipe = recipeFor('twice', { steps: 2 })
  const first = await train(recipe)
  const before = await resultOf(first.directory)
  await assert.rejects(train({ ...recipe, seed: 5 }), { name: 'UserError', exitCode: 2, message: /finished run/ })
  assert.deepEqual(await resultOf(first.directory), before)
  assert.equal((await train({ ...recipe, seed: 5 }, { overwrite: true })).steps, 2)
  assert.notDeepEqual(await resultOf(first.directory), before)
})
