import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { UserError } from '../errors.ts'
import { methods } from '../methods/index.ts'
import { openStore } from '../store/index.ts'
import { parseRecipe } from '../train/recipe.ts'
import { advise } from './advise.ts'
import { runCommand } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'posttrain-advise-'))
after(() => { rmSync(folder, { recursive: true }) })
const tiny = join(import.meta.dirname, '../models/fixtures/tiny-llama')

async function run(...args: string[]): Promise<string> {
  let out = ''
  const terminal = { out: (text: string) => { out += text }, log: { write: () => undefined }, input: process.stdin }
  await runCommand(advise, [...args, '--runs', join(folder, 'none')], terminal, new AbortController().signal)
  return out
}

function write(name: string, rows: readonly object[]): string {
  const path = join(folder, name)
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return path
}

const thumbs = write('thumbs.jsonl', Array.from({ length: 20 }, (_, i) => ({ prompt: `${i}?`, completion: `${i}!`, label: i < 5 })))
const pairs = write('pairs.jsonl', Array.from({ length: 20 }, (_, i) => ({ prompt: `${i}?`, chosen: `${i}!`, rejected: `no ${i}` })))
const prompts = write('prompts.jsonl', Array.from({ length: 20 }, (_, i) => ({ prompt: `${i}?` })))

test('advice is the technique, the reasons with their numbers, a recipe and what it takes', async () => {
  const text = await run('--data', thumbs, '--model', tiny)
  assert.match(text, /^KTO: Cold start, only binary feedback\nNo pairwise data needed, works on thumbs logs\n/)
  assert.match(text, /20 answers have a thumb \(5 up, 15 down\)/)
  assert.match(text, /the recipe weighs the rarer ones by 3\b/)
  assert.match(text, /# about \d+ (seconds|minutes) and \d+ MB: 2 steps/)
  assert.match(text, /^method: kto$/m)
})

test('--json has all of it', async () => {
  const { decision, runs, estimates } = JSON.parse(await run('--data', pairs, '--model', tiny, '--json')) as
    { decision: { id: string }; runs: { yaml: string }[]; estimates: { steps: number }[] }
  assert.equal(decision.id, 'pairs')
  assert.equal(parseRecipe(runs[0]!.yaml, 'x', methods).method, 'dpo')
  assert.equal(estimates[0]!.steps, 3)
})

test('--write leaves recipes that can be read; several are numbered', async () => {
  const one = join(folder, 'one.yaml')
  await run('--data', pairs, '--write', one)
  assert.equal(parseRecipe(readFileSync(one, 'utf8'), one, methods).method, 'dpo')
  const both = join(folder, 'both.yaml')
  assert.match(await run('--data', pairs, '--data', prompts, '--goal', 'safety', '--write', both), /written to .*both-1\.yaml, .*both-2\.yaml/)
  const written = ['both-1.yaml', 'both-2.yaml'].map((name) => parseRecipe(readFileSync(join(folder, name), 'utf8'), name, methods))
  assert.deepEqual(written.map(({ method }) => method), ['reward', 'ppo'])
  assert.ok(!existsSync(both))
})

test('a server’s folder is advised on by what its store has', async () => {
  const directory = join(folder, 'store')
  await assert.rejects(run('--directory', directory), { name: 'UserError', message: /has no store\.sqlite/ })
  await (await openStore({ directory })).close()
  assert.match(await run('--directory', directory), /^Nothing to train yet\.\n[^]*0 answers are stored/)
})

test('rows that say nothing, a goal that is none, and no data at all', async () => {
  assert.match(await run('--data', prompts), /^Nothing to train yet\.\n[^]*20 prompts are there, but nothing says what a good answer is/)
  await assert.rejects(run('--data', prompts, '--goal', 'pears'), { name: 'UserError', message: /--goal must be one of .*did you mean pairs\?/ })
  await assert.rejects(run(), (error: UserError) => error.exitCode === 2 && error.message.includes('name the data'))
  await assert.rejects(run('--data', join(folder, 'nothing.jsonl')), { name: 'UserError', message: /there is no such file/ })
})
