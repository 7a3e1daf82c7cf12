import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLiveModel } from './open-live-model.ts'

/** Nice values of the threads of this process; Linux alone tells them. */
function niceValues(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const line = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
    return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[16])
  })
}

test('the threads that decode let the others go first, which answer calls meanwhile', async (t) => {
  const cache = process.env['POSTTRAIN_CACHE']
  const folder = mkdtempSync(join(tmpdir(), 'posttrain-priority-'))
  process.env['POSTTRAIN_CACHE'] = folder
  t.after(() => {
    if (cache === undefined) delete process.env['POSTTRAIN_CACHE']
    else process.env['POSTTRAIN_CACHE'] = cache
    rmSync(folder, { recursive: true })
  })
  const own = getPriority()
  await using live = await openLiveModel(join(import.meta.dirname, '../models/fixtures/tiny-llama'), { threads: 2, ready: [] })
  assert.equal(getPriority(), own)
  if (process.platform !== 'linux') return
  // The thread that runs the graphs, and those of ONNX Runtime.
  assert.ok(niceValues().filter((nice) => nice === 10).length >= 2)
  assert.equal((await live.stats()).running, 0)
})
