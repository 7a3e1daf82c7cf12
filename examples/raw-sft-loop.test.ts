import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openModel } from '../src/models/open.ts'
import { loadAdapter } from '../src/models/peft.ts'

const folder = mkdtempSync(join(tmpdir(), 'posttrain-raw-'))
after(() => { rmSync(folder, { recursive: true }) })
const script = join(import.meta.dirname, 'raw-sft-loop.ts')

function run(...args: string[]) {
  return spawnSync(process.execPath, [script, ...args], { cwd: folder, encoding: 'utf8', env: { ...process.env, POSTTRAIN_CACHE: join(folder, 'cache') } })
}

test('the raw loop runs from top to bottom: the loss falls, the adapter loads', async () => {
  const { status, stdout, stderr } = run()
  assert.equal(status, 0, stderr)
  const losses = [...stdout.matchAll(/loss (\d+\.\d+)/g)].map((match) => Number(match[1]))
  assert.equal(losses.length, 10)
  assert.ok(losses.at(-1)! < losses[0]! / 2, losses.join(' '))
  const model = await openModel(join(import.meta.dirname, '../src/models/fixtures/tiny-llama'))
  const { parameters } = loadAdapter(join(folder, stdout.trim().split('\n').at(-1)!), model.config)
  assert.ok([...parameters].some(([name, values]) => name.includes('lora_B') && values.some((value) => value !== 0)))
  model.close()
})

test('it takes any model directory', () => {
  const { status, stdout, stderr } = run(join(import.meta.dirname, '../src/models/fixtures/tiny-qwen3'), 'elsewhere')
  assert.equal(status, 0, stderr)
  assert.match(stdout, /elsewhere\n$/)
})

test('it stays short enough to be read at a sitting', () => {
  assert.ok(readFileSync(script, 'utf8').trimEnd().split('\n').length < 100)
})
