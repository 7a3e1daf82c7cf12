import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openCheckpointFolder } from './checkpoint-folder.ts'
import type { CheckpointFolder } from './checkpoint-folder.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-checkpoints-'))
after(() => rm(root, { recursive: true, force: true }))

const write = (directory: string): Promise<void> => writeFile(join(directory, 'weights'), 'weights')

async function saveAll(folder: CheckpointFolder, losses: Readonly<Record<number, number | undefined>>): Promise<void> {
  for (const [step, loss] of Object.entries(losses)) await folder.save(Number(step), write, loss)
}

test('the last two and the best are kept', async () => {
  const path = join(root, 'kept')
  const folder = openCheckpointFolder(path)
  await saveAll(folder, { 2: 0.9, 4: 0.5, 6: undefined, 8: 0.5, 10: 0.7, 12: NaN })
  assert.deepEqual((await readdir(path)).sort(), ['step-10', 'step-12', 'step-4'])
  assert.deepEqual(folder.best(), { step: 4, path: join(path, 'step-4') })
  assert.equal((await folder.latest()).checkpoint?.step, 12)
  await saveAll(folder, { 14: 0.1 })
  assert.deepEqual((await readdir(path)).sort(), ['step-12', 'step-14'])
})

test('without evaluations there is no best one', async () => {
  const path = join(root, 'unmeasured')
  const folder = openCheckpointFolder(path)
  assert.deepEqual([folder.best(), await folder.latest()], [undefined, { checkpoint: undefined, damaged: [] }])
  await saveAll(folder, { 9: undefined, 10: undefined, 11: undefined })
  assert.deepEqual((await readdir(path)).sort(), ['step-10', 'step-11'])
  assert.equal(folder.best(), undefined)
})

test('each kind of damage is seen and said', async () => {
  const damages: [RegExp, (checkpoint: string) => Promise<void>][] = [
    [/weights has 3 bytes; 7 were written/, (checkpoint) => truncate(join(checkpoint, 'weights'), 3)],
    [/weights has changed/, (checkpoint) => writeFile(join(checkpoint, 'weights'), 'wEights')],
    [/ENOENT.*weights/, (checkpoint) => rm(join(checkpoint, 'weights'))],
    [/manifest\.json is missing or damaged/, (checkpoint) => rm(join(checkpoint, 'manifest.json'))],
    [/manifest\.json is missing or damaged/, (checkpoint) => truncate(join(checkpoint, 'manifest.json'), 20)],
    [/manifest\.json is missing or damaged/, (checkpoint) => writeFile(join(checkpoint, 'manifest.json'), '{"step":4}')],
  ]
  for (const [i, [message, damage]] of damages.entries()) {
    const path = join(root, `damage-${i}`)
    const folder = openCheckpointFolder(path)
    await saveAll(folder, { 3: undefined, 4: undefined })
    await damage(join(path, 'step-4'))
    const { checkpoint, damaged } = await folder.latest()
    assert.equal(checkpoint?.step, 3)
    assert.equal(damaged.length, 1)
    assert.match(damaged[0]!, message)
  }
})

test('a checkpoint under another step\'s name is not taken for it', async () => {
  const path = join(root, 'renamed')
  const folder = openCheckpointFolder(path)
  await saveAll(folder, { 3: undefined })
  await cp(join(path, 'step-3'), join(path, 'step-30'), { recursive: true })
  const { checkpoint, damaged } = await folder.latest()
  assert.equal(checkpoint?.step, 3)
  assert.match(damaged[0]!, /step-30: its manifest\.json is that of step 3/)
})

test('what came later is discarded, and what an interrupted save left', async () => {
  const path = join(root, 'discarded')
  const folder = openCheckpointFolder(path)
  await saveAll(folder, { 3: 0.1, 4: 0.2, 5: 0.3 })
  await mkdir(join(path, '.step-6.12345678.partial'))
  await mkdir(join(path, '.step-5.12345678.partial.old'))
  await folder.discardAfter(4)
  assert.deepEqual((await readdir(path)).sort(), ['step-3', 'step-4'])
})

test('a full disk leaves the checkpoints before as they were, and no half one', async () => {
  const path = join(root, 'full')
  const folder = openCheckpointFolder(path)
  await saveAll(folder, { 1: undefined, 2: undefined })
  const full = folder.save(3, async (directory) => {
    await write(directory)
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  })
  await assert.rejects(full, (error: Error) => {
    assert.equal(error.name, 'UserError')
    assert.match(error.message, /^Checkpoint 3 was not saved\. .*step-3: the disk is full.*The last checkpoint is .*step-2: --resume goes on/)
    return true
  })
  assert.deepEqual((await readdir(path)).sort(), ['step-1', 'step-2'])
  assert.deepEqual((await folder.latest()).damaged, [])
})

test('the system\'s own refusal in the middle of a checkpoint leaves no half one', async () => {
  const path = join(root, 'limited')
  const script = `
    const { openCheckpointFolder } = await import(${JSON.stringify(new URL('./checkpoint-folder.ts', import.meta.url).href)})
    const { writeSafetensors } = await import(${JSON.stringify(new URL('../models/formats/safetensors.ts', import.meta.url).href)})
    const folder = openCheckpointFolder(${JSON.stringify(path)})
    const save = (step, length) => folder.save(step, (directory) =>
      writeSafetensors(directory + '/weights.safetensors', [{ name: 'w', dtype: 'F32', shape: [length], data: new Float32Array(length) }]))
    await save(1, 10)
    await save(2, 1 << 20).catch((error) => process.stdout.write(error.name + ': ' + error.message))`
  const limited = 'ulimit -f 1024; exec "$0" --input-type=module -e "$1"'
  const child = spawnSync('sh', ['-c', limited, process.execPath, script], { encoding: 'utf8' })
  assert.match(child.stdout, /^UserError: Checkpoint 2 was not saved\. Cannot write .*larger than the system allows.*The last checkpoint is .*step-1/, child.stderr)
  assert.deepEqual(await readdir(path), ['step-1'])
  assert.equal((await openCheckpointFolder(path).latest()).checkpoint?.step, 1)
})

test('a bug in the writer comes out as it is', async () => {
  const folder = openCheckpointFolder(join(root, 'bug'))
  await assert.rejects(folder.save(1, () => Promise.reject(new TypeError('a bug'))), { name: 'TypeError' })
})
