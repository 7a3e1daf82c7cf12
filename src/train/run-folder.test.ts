import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readLines } from './lines.ts'
import type { StoredEvent } from './records.ts'
import { openRun, runPaths } from './run-folder.ts'
import type { RunFolder } from './run-folder.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-run-'))
after(() => rm(root, { recursive: true, force: true }))

const recipe = 'model: tiny\nmethod: sft\n'

function logStep(run: RunFolder, step: number, loss = 1 / step): void {
  run.logStep({ step, epoch: step / 10, loss, grad_norm: 1, lr: 1e-4, tokens: 100 * step, tokens_per_second: 50, memory_mb: 80 })
}

async function save(run: RunFolder, step: number): Promise<void> {
  await run.checkpoints.save(step, (directory) => writeFile(join(directory, 'weights'), `weights ${step}`))
}

/** A run of `steps` steps that samples at each and saves at `saved`, then ends without finishing. */
async function interrupted(path: string, steps: number, saved: readonly number[]): Promise<void> {
  const run = await openRun(path, { recipe })
  run.logEvent({ step: 0, type: 'started' })
  for (let step = 1; step <= steps; step++) {
    logStep(run, step)
    run.logSample({ step, split: 'train', prompt: 'p', completion: `c${step}`, reward: step, components: {}, finish_reason: 'stop' })
    if (saved.includes(step)) await save(run, step)
  }
  run.close()
}

const stepsOf = (path: string): number[] => readLines(path).map(({ step }) => step)

test('a run writes its folder and is finished when its report is there', async () => {
  const path = join(root, 'deep/er/run')
  const run = await openRun(path, { recipe })
  assert.deepEqual([run.recipe, run.finished, run.resumedFrom], [recipe, false, undefined])
  logStep(run, 1)
  await save(run, 1)
  run.logEvent({ step: 1, type: 'evaluation', loss: 0.5 })
  await run.finish('# done\n')
  run.close()
  assert.deepEqual((await readdir(path)).sort(), [
    'checkpoints', 'events.jsonl', 'metrics.jsonl', 'recipe.yaml', 'report.md', 'samples.jsonl',
  ])
  const [evaluation] = readLines<StoredEvent>(runPaths(path).events)
  assert.equal(evaluation?.type, 'evaluation')
  assert.equal(new Date(evaluation?.time ?? '').toISOString(), evaluation?.time)
})

test('a resumed run goes on from its last checkpoint and has each step once', async () => {
  const path = join(root, 'resumed')
  await interrupted(path, 7, [2, 5])
  await writeFile(join(path, 'checkpoints/.step-7.abc.partial'), '')
  await writeFile(join(path, '.adapter.abc.partial'), '')
  const run = await openRun(path, { recipe: 'another: recipe\n', resume: true })
  assert.deepEqual(run.resumedFrom, { step: 5, path: join(path, 'checkpoints/step-5') })
  assert.equal(run.recipe, recipe)
  for (let step = 6; step <= 8; step++) logStep(run, step)
  run.close()
  assert.deepEqual(stepsOf(run.paths.metrics), [1, 2, 3, 4, 5, 6, 7, 8])
  assert.deepEqual(stepsOf(run.paths.samples), [1, 2, 3, 4, 5])
  assert.deepEqual(readLines<StoredEvent>(run.paths.events).map(({ step, type }) => [step, type]), [[0, 'started'], [5, 'resumed']])
  assert.deepEqual((await readdir(run.paths.checkpoints)).sort(), ['step-2', 'step-5'])
  assert.equal(existsSync(join(path, '.adapter.abc.partial')), false)
})

test('a damaged last checkpoint is passed over, reported and removed', async () => {
  const path = join(root, 'damaged')
  await interrupted(path, 6, [2, 5])
  await writeFile(join(path, 'checkpoints/step-5/weights'), 'weights !')
  const run = await openRun(path, { recipe, resume: true })
  run.close()
  assert.equal(run.resumedFrom?.step, 2)
  assert.deepEqual(stepsOf(run.paths.metrics), [1, 2])
  const events = readLines<{ step: number; damaged?: string[] }>(run.paths.events)
  assert.match(events.at(-1)?.damaged?.[0] ?? '', /step-5: weights has changed since it was written/)
  assert.deepEqual(await readdir(run.paths.checkpoints), ['step-2'])
})

test('a run without a whole checkpoint, or none at all, begins at step 0 when resumed', async () => {
  const path = join(root, 'early')
  const nothing = await openRun(path, { recipe, resume: true })
  nothing.logEvent({ step: 0, type: 'evaluation', loss: 2 })
  logStep(nothing, 1)
  nothing.close()
  const run = await openRun(path, { recipe, resume: true })
  run.close()
  assert.equal(run.resumedFrom, undefined)
  assert.deepEqual(stepsOf(run.paths.metrics), [])
  assert.deepEqual(stepsOf(run.paths.events), [])
})

test('two runs cannot write into one folder', async () => {
  const path = join(root, 'locked')
  const run = await openRun(path, { recipe })
  await assert.rejects(openRun(path, { recipe, overwrite: true }), { name: 'UserError', message: /is using this folder/ })
  await assert.rejects(openRun(path, { recipe, resume: true }), { name: 'UserError', message: /is using this folder/ })
  logStep(run, 1)
  run.close()
  assert.deepEqual(stepsOf(run.paths.metrics), [1])
  ;(await openRun(path, { recipe, resume: true })).close()
})

test('a finished run is not replaced unasked, and not trained further', async () => {
  const path = join(root, 'finished')
  const first = await openRun(path, { recipe })
  logStep(first, 1)
  await first.finish('# done\n')
  first.close()
  await assert.rejects(openRun(path, { recipe }), { name: 'UserError', exitCode: 2, message: /finished run.*--overwrite/ })
  const again = await openRun(path, { recipe, resume: true })
  again.close()
  assert.equal(again.finished, true)
  assert.deepEqual(stepsOf(again.paths.metrics), [1])
  await writeFile(join(path, 'result.json'), '{}')
  const replaced = await openRun(path, { recipe: 'new: true\n', overwrite: true })
  replaced.close()
  assert.deepEqual([replaced.finished, replaced.recipe, stepsOf(replaced.paths.metrics)], [false, 'new: true\n', []])
  assert.equal(existsSync(join(path, 'result.json')), true, 'only the run\'s own files are removed')
})

test('an unfinished run with checkpoints is not replaced unasked; one without is', async () => {
  const path = join(root, 'unfinished')
  await interrupted(path, 3, [])
  await interrupted(path, 4, [2])
  assert.deepEqual(stepsOf(runPaths(path).metrics), [1, 2, 3, 4])
  await assert.rejects(openRun(path, { recipe }), { name: 'UserError', exitCode: 2, message: /unfinished run.*--resume/ })
  assert.deepEqual(stepsOf(runPaths(path).metrics), [1, 2, 3, 4])
})

test('files of others under a run\'s names are never touched', async () => {
  for (const name of ['recipe.yaml', 'adapter', 'report.md']) {
    const path = join(root, `others-${name}`)
    await mkdir(path)
    await writeFile(join(path, name), 'mine')
    for (const options of [{ recipe }, { recipe, overwrite: true }, { recipe, resume: true }]) {
      await assert.rejects(openRun(path, options), { name: 'UserError', exitCode: 2, message: new RegExp(`not a run's folder, but has ${name}`) })
    }
    assert.equal(await readFile(join(path, name), 'utf8'), 'mine')
    assert.deepEqual(await readdir(path), [name])
  }
})

test('a beginning that was interrupted begins again', async () => {
  const path = join(root, 'begun')
  await mkdir(path)
  await writeFile(join(path, 'events.jsonl'), '')
  ;(await openRun(path, { recipe })).close()
})

test('a file in the way of the folder is named', async () => {
  const path = join(root, 'file')
  await writeFile(path, '')
  await assert.rejects(openRun(path, { recipe }), { name: 'UserError', message: /Cannot write .*: a part of this path is a file/ })
})
