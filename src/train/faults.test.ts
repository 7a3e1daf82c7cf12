import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runAndKill } from './fixtures/kill.ts'
import type { EndedProcess } from './fixtures/kill.ts'
import { readLines } from './lines.ts'
import { runPaths } from './run-folder.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-faults-'))
after(() => rm(root, { recursive: true, force: true }))

const toy = join(import.meta.dirname, 'fixtures/toy-run.ts')

/** Forty steps with a checkpoint after every fourth, killed where it says `killAt`. */
function toyRun(folder: string, killAt?: string): Promise<EndedProcess> {
  const args = [toy, folder, '40', '4']
  return killAt === undefined ? runAndKill(args) : runAndKill([...args, killAt], { output: new RegExp(`^${killAt}$`, 'm') })
}

interface Result {
  metrics: string
  evaluations: unknown[]
  /** Digests, by file. */
  checkpoints: Record<string, string>
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** All that a run leaves but the times. */
async function resultOf(folder: string): Promise<Result> {
  const paths = runPaths(folder)
  const checkpoints: Record<string, string> = {}
  for (const name of (await readdir(paths.checkpoints, { recursive: true })).sort()) {
    if (/\.(json|safetensors)$/.test(name)) checkpoints[name] = digest(await readFile(join(paths.checkpoints, name)))
  }
  const events = readLines<{ step: number; type: string; loss: number }>(paths.events)
  const evaluations = events.filter(({ type }) => type === 'evaluation').map(({ step, loss }) => ({ step, loss }))
  return { metrics: await readFile(paths.metrics, 'utf8'), evaluations, checkpoints }
}

test('a run that is killed again and again ends bit by bit like one that is not', async () => {
  const undisturbed = join(root, 'undisturbed')
  const whole = await toyRun(undisturbed)
  assert.deepEqual([whole.code, whole.signal], [0, null], whole.output)

  const folder = join(root, 'killed')
  for (const moment of ['step 3', 'saved 8', 'saving 12', 'step 15', 'step 16', 'saving 40', 'saved 40']) {
    const { signal, output } = await toyRun(folder, moment)
    assert.equal(signal, 'SIGKILL', output)
  }
  const last = await toyRun(folder)
  assert.equal(last.code, 0, last.output)
  assert.deepEqual(await resultOf(folder), await resultOf(undisturbed))

  const again = await toyRun(folder)
  assert.deepEqual([again.code, again.output], [0, ''], 'a finished run has no step left')
})

test('a process that is done before its moment is not killed', async () => {
  const ended = await runAndKill(['-e', 'console.error("bad"); process.exitCode = 3'], { afterMs: 60_000 })
  assert.deepEqual(ended, { code: 3, signal: null, output: 'bad\n' })
})

test('a process is killed at a time, and no handler of its own is asked', async () => {
  const script = 'process.on("SIGTERM", () => {}); process.on("exit", () => console.log("exit")); setInterval(() => {}, 1000)'
  assert.deepEqual(await runAndKill(['-e', script], { afterMs: 100 }), { code: null, signal: 'SIGKILL', output: '' })
})
