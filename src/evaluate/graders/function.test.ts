import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

import { UserError } from '../../errors.ts'
import { type Grade, openGrader } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'posttrain-function-'))
after(() => { rmSync(folder, { recursive: true }) })

writeFileSync(join(folder, 'reward.ts'), `
import { writeFileSync } from 'node:fs'

const kept: unknown[] = []
let calls = 0

interface Sample { readonly output_text: string; readonly output_json?: unknown }

export default async function reward(sample: Sample, item: { readonly bonus?: number }): Promise<unknown> {
  calls++
  switch (sample.output_text) {
    case 'throws': throw new Error('no grade today')
    case 'hangs': for (;;) calls++
    case 'says who it is and hangs': writeFileSync(process.env['PID_FILE']!, String(process.pid)); for (;;) calls++
    case 'never answers': return new Promise(() => undefined)
    case 'NaN': return NaN
    case 'infinite': return Infinity
    case 'text': return 'good'
    case 'nothing': return undefined
    case 'null': return null
    case 'exits': process.exit(3)
    case 'fills the heap': for (;;) kept.push({ list: [1, 2, 3] })
    case 'fills buffers':
      for (let i = 0; i < 64; i++) kept.push(Buffer.alloc(1 << 24, 1))
      return new Promise(resolve => setTimeout(() => { resolve(kept.length) }, 20_000))
    case 'sends what it likes': process.send!({ reward: 'much', fault: 7 }); return 1
    case 'calls': return calls
    default: return sample.output_text.length + (item.bonus ?? 0)
  }
}

export const json = (sample: Sample) => (typeof sample.output_json === 'object' ? 1 : 0)
export const label = 'not a function'
`)
writeFileSync(join(folder, 'broken.ts'), 'export default (\n')

const limits = { timeout_ms: 1_500, memory_mb: 64 }
const options = { baseDirectory: folder, allowFunctions: true }

async function grade(outputs: readonly string[], spec: object = {}, item: Readonly<Record<string, unknown>> = {}): Promise<readonly Grade[]> {
  const grader = await openGrader({ type: 'function', name: 'f', file: 'reward.ts', ...limits, ...spec }, options)
  try {
    return await grader.grade(outputs.map(output => ({ item, output })))
  } finally {
    await grader.close()
  }
}

test('a function of the output and the row', async () => {
  assert.deepEqual(await grade(['abc'], {}, { bonus: 0.5 }), [{ reward: 3.5, components: { f: 3.5 } }])
})

test('another export than the default one, and the output as JSON', async () => {
  assert.deepEqual((await grade(['{"a": 1}', 'no'], { function: 'json' })).map(({ reward }) => reward), [1, 0])
})

describe('a row that the function cannot grade has a null reward with the reason, and the rows after it are graded', { concurrency: 2 }, () => {
  const failures: Readonly<Record<string, RegExp>> = {
    'throws': /^the function threw: no grade today$/,
    'hangs': /^the function took longer than 1500 ms$/,
    'never answers': /^the function took longer than 1500 ms$/,
    'NaN': /^the function returned NaN, not a number$/,
    'infinite': /^the function returned Infinity, not a number$/,
    'text': /^the function returned a value of type string, not a number$/,
    'nothing': /^the function returned a value of type undefined, not a number$/,
    'null': /^the function returned null$/,
    'exits': /^the function ended its process \(exit code 3\)$/,
  }
  for (const [output, reason] of Object.entries(failures)) {
    test(output, async () => {
      const [before, failed, after] = await grade(['ab', output, 'abc'])
      assert.deepEqual([before!.reward, failed!.reward, after!.reward], [2, null, 3])
      assert.match(failed!.error!, reason)
    })
  }

  for (const output of ['fills the heap', 'fills buffers']) {
    test(output, async () => {
      const [failed, after] = await grade([output, 'abc'], { timeout_ms: 60_000 })
      assert.deepEqual([failed!.reward, after!.reward], [null, 3])
      assert.match(failed!.error!, /^the function's process was killed \(.*\): it needed more than 64 MB of memory$/)
    })
  }
})

test('the process lives from row to row and is started again only where it was lost', async () => {
  assert.deepEqual((await grade(['calls', 'throws', 'calls', 'exits', 'calls'])).map(({ reward }) => reward), [1, null, 3, null, 1])
})

test('what the function itself sends to the parent process is no grade', async () => {
  assert.deepEqual((await grade(['sends what it likes', 'abc'])).map(({ reward }) => reward), [1, 3])
})

test('grading twice at once: one row after the other', async () => {
  const grader = await openGrader({ type: 'function', file: 'reward.ts', ...limits }, options)
  try {
    const both = await Promise.all(['a', 'bb'].map(output => grader.grade([{ item: {}, output }, { item: {}, output: 'calls' }])))
    assert.deepEqual(both.map(grades => grades.map(({ reward }) => reward)), [[1, 2], [2, 4]])
  } finally {
    await grader.close()
  }
})

test('a function that hangs ends with a process that was killed', { timeout: 120_000 }, async () => {
  const pidFile = join(folder, 'pid')
  const script = join(folder, 'killed.ts')
  writeFileSync(script, `
    import { openGrader } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
    const grader = await openGrader({ type: 'function', file: 'reward.ts', timeout_ms: 600000 }, ${JSON.stringify(options)})
    await grader.grade([{ item: {}, output: 'says who it is and hangs' }])
  `)
  const parent = spawn(process.execPath, [script], { env: { ...process.env, PID_FILE: pidFile } })
  const pid = await until(() => (existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0))
  parent.kill('SIGKILL')
  await until(() => !isRunning(pid))
})

/** Waits for something that comes to be; the test runner ends a test for which it does not. */
async function until<T>(look: () => T): Promise<T> {
  for (;;) {
    const found = look()
    if (found) return found
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** A process that ended and that nobody has asked about (a zombie, on Linux) is not running. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !existsSync(`/proc/${pid}/stat`) || !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

test('what cannot be loaded is refused when the grader is opened', async () => {
  const refusals: readonly (readonly [spec: object, message: RegExp])[] = [
    [{ file: 'broken.ts' }, /broken\.ts: cannot be loaded: /],
    [{ function: 'jsno' }, /there is no function "jsno" \(it exports default, json\); did you mean "json"\?/],
    [{ function: 'label' }, /there is no function "label"/],
    [{ function: 'toString' }, /there is no function "toString"/],
  ]
  for (const [spec, message] of refusals) {
    await assert.rejects(grade(['x'], spec), error => error instanceof UserError && error.exitCode === 2 && message.test(error.message))
  }
})

test('a part of a multi that throws makes that row null and leaves the other parts their scores', async () => {
  const spec = {
    type: 'multi',
    graders: { own: { type: 'function', file: 'reward.ts', ...limits }, short: { type: 'length', unit: 'characters', max: 6 } },
    calculate_output: 'own + short',
  }
  const grader = await openGrader(spec, options)
  try {
    assert.deepEqual(await grader.grade([{ item: {}, output: 'throws' }, { item: {}, output: 'ab' }]), [
      { reward: null, components: { own: null, short: 1 }, error: 'own: the function threw: no grade today' },
      { reward: 3, components: { own: 2, short: 1 } },
    ])
  } finally {
    await grader.close()
  }
})
