import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test, type TestContext } from 'node:test'
import { merge, train } from '../index.ts'
import type { WireMap } from '../server/routes/evaluations-wire.ts'
import type { LoopFigures } from './quickstart/loop.ts'

const tiny = join(import.meta.dirname, '../models/fixtures/tiny-llama')
const folder = mkdtempSync(join(tmpdir(), 'posttrain-quickstart-'))
/** A tiny model that answers whatever it is asked with one of two sentences, of which agents like one better. */
const model = join(folder, 'two-minded')
after(() => { rmSync(folder, { recursive: true }) })

before(async () => {
  const answers = ['Sorry!', 'Customer asks.']
  const asked = Array.from({ length: 16 }, (_, i) => 'It leaks. I want my money back. '.slice(0, 4 + 4 * (i % 8)))
  const rows = asked.map((content, i) => ({ messages: [{ role: 'user', content }, { role: 'assistant', content: answers[i % 2] }] }))
  const data = join(folder, 'rows.jsonl')
  writeFileSync(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const { output } = await train({
    model: tiny, method: 'sft', data, base: { precision: 'f32' }, optimizer: { lr: 1e-2 }, steps: 60, output: join(folder, 'run'),
  })
  await merge({ model: tiny, adapter: output, output: model })
})

/** The quickstart; it ends with the test at the latest. */
function start(t: TestContext, ...args: string[]): ChildProcess {
  const main = join(import.meta.dirname, 'main.ts')
  const child = spawn(process.execPath, [main, 'quickstart', '--model', model, ...args], {
    cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, POSTTRAIN_CACHE: join(folder, 'cache') },
  })
  t.after(() => child.kill('SIGKILL'))
  return child
}

async function ended(child: ChildProcess): Promise<{ code: number | null; out: string; log: string }> {
  const code = new Promise<number | null>((resolve) => { child.once('close', resolve) })
  const [out, log] = await Promise.all([text(child.stdout!), text(child.stderr!)])
  return { code: await code, out, log }
}

test('the loop on a tiny model: a log, choices, a dataset, two jobs, figures of each; then the Studio shows them until Ctrl-C', async (t) => {
  const child = start(t, '--output', 'quick')
  const over = ended(child)
  const url = await studioOf(child)
  const first = await mapOf(url)
  assert.deepEqual(first.suites.map(({ name }) => name), ['held-out choices', 'held-out complaints'])
  const { points, arrows } = await mapOf(url, first.suites[1]!.id)
  assert.equal((await fetch(url)).headers.get('content-type')?.split(';')[0], 'text/html')
  child.kill('SIGINT')
  const { code, out, log } = await over
  assert.equal(code, 0, log)
  assert.match(log, /simulated, by a stated rule/)
  assert.match(out, /base +v1 \(log\) +v2 \(choices\)\n +points/)
  assert.match(out, /simulated, by a stated rule/)
  const figures = JSON.parse(readFileSync(join(folder, 'quick/result.json'), 'utf8')) as LoopFigures
  checkFigures(figures)
  // What is shown is what was measured.
  const shown = [figures.base, figures.v1, figures.v2].map(({ points: { value, low, high } }) => ({ value, low, high }))
  const [base, v1, v2] = ['two-minded', figures.log_job.adapter, figures.feedback_job.adapter]
  assert.deepEqual([base, v1, v2].map((model) => points.find((point) => point.model === model)!.correctness), shown)
  assert.deepEqual([base, v1, v2].map((model) => first.points.find((point) => point.model === model)!.preference), Object.values(figures.preference))
  assert.deepEqual(arrows.map(({ from, to }) => [from, to]), [[base, v1], [figures.log_job.alias.moved ? v1 : base, v2]])
})

async function mapOf(url: string, suite?: string): Promise<WireMap> {
  return await (await fetch(`${url}v1/map${suite === undefined ? '' : `?suite=${suite}`}`)).json() as WireMap
}

function checkFigures(figures: LoopFigures): void {
  const { session, dataset, log_job: first, feedback_job: second, latency } = figures
  assert.equal(session.requests, 240)
  assert.ok(session.choices > 10, `${session.choices} choices`)
  assert.equal(dataset.reference, 'dataset:complaint-choices@1')
  assert.ok(dataset.report.rows > 0 && dataset.report.rows <= session.choices)
  assert.notEqual(first.adapter, second.adapter)
  assert.equal(figures.alias, second.alias.moved ? second.adapter : first.alias.moved ? first.adapter : null)
  for (const { points, answers } of [figures.base, figures.v1, figures.v2]) {
    assert.equal(answers, 160)
    assert.ok(points.low <= points.value && points.value <= points.high)
  }
  for (const { requests, first_token_ms: spread } of [latency.idle, latency.while_training]) {
    assert.ok(requests > 0)
    assert.ok(spread.median > 0 && spread.median <= spread.p95)
  }
  assert.deepEqual(Object.keys(figures.general_loss), ['base', 'v1', 'v2'])
  assert.ok(Object.values(figures.general_loss).every(Number.isFinite))
}

/** The Studio's address, when it is printed. */
async function studioOf(child: ChildProcess): Promise<string> {
  let printed = ''
  return new Promise((resolve, reject) => {
    child.stdout!.on('data', (lines: Buffer) => {
      printed += lines.toString()
      const url = /The Studio is at (\S+)/.exec(printed)?.[1]
      if (url !== undefined) resolve(url)
    })
    child.once('close', () => { reject(new Error(`it ended: ${printed}`)) })
  })
}

/** Presses Ctrl-C, once, when the log has what is waited for. */
async function interruptedAt(child: ChildProcess, sign: string): Promise<{ code: number | null; log: string }> {
  let seen = ''
  child.stderr!.on('data', (lines: Buffer) => {
    if (seen.includes(sign)) return
    seen += lines.toString()
    if (!seen.includes(sign)) return
    child.kill('SIGINT')
  })
  return ended(child)
}

test('Ctrl-C ends the loop with its server and its job; the next one begins anew', async (t) => {
  const first = await interruptedAt(start(t, '--output', 'stopped'), 'supervised ')
  assert.equal(first.code, 130, first.log)
  const server = join(folder, 'stopped/server')
  assert.ok(existsSync(join(server, 'jobs')))
  assert.ok(!existsSync(join(folder, 'stopped/result.json')))
  const second = await interruptedAt(start(t, '--output', 'stopped'), 'serving ')
  assert.equal(second.code, 130, second.log)
  assert.ok(!existsSync(join(server, 'jobs')))
})

test('a folder that is no server\'s is left alone', async (t) => {
  const mine = join(folder, 'mine/server')
  mkdirSync(mine, { recursive: true })
  writeFileSync(join(mine, 'letter.txt'), 'dear')
  const { code, log } = await ended(start(t, '--output', 'mine'))
  assert.equal(code, 2)
  assert.match(log, /no server's folder: give another --output/)
  assert.equal(readFileSync(join(mine, 'letter.txt'), 'utf8'), 'dear')
})
