import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { UserError } from '../errors.ts'
import { runCommand, type Terminal } from './command.ts'
import { data } from './data.ts'

const folder = mkdtempSync(join(tmpdir(), 'posttrain-select-'))
after(() => { rmSync(folder, { recursive: true }) })
const model = join(import.meta.dirname, '../models/fixtures/tiny-llama')

async function run(...args: string[]): Promise<string> {
  let out = ''
  const terminal: Terminal = { out: (text) => { out += text }, log: { write: () => undefined }, input: process.stdin }
  await runCommand(data, args, terminal, new AbortController().signal)
  return out
}

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

// Spaces and the order of keys as nobody would write them again.
const lines = ['one', 'two', 'three', 'four', 'five', 'six'].map((word) => `{ "completion":"${word}",  "prompt": "say ${word}"}`)

interface Selection { readonly rows: number; readonly kept: number; readonly above_one: number; readonly no_answer: number; readonly lowest: number; readonly scores: readonly (number | null)[] }

test('the rows with the highest scores are written as they stand in the file, whatever else there is', async () => {
  const long = `{"prompt": "${'say '.repeat(200)}", "completion": "it"}`
  const file = write('rows.jsonl', `\uFEFF${[...lines, long].join('\r\n')}\n\n`)
  const output = join(folder, 'kept.jsonl')
  const found = JSON.parse(await run('select', file, '--model', model, '--rows', '3', '--max-length', '96', '--output', output, '--json')) as Selection
  assert.deepEqual([found.rows, found.no_answer, found.scores.length, found.scores[6]], [7, 1, 7, null])
  const usable = found.scores.flatMap((score, i) => (score !== null && score <= 1 ? [{ score, i }] : [])).sort((a, b) => b.score - a.score).slice(0, 3)
  assert.equal(found.above_one, found.scores.filter((score) => score !== null && score > 1).length)
  assert.equal(found.lowest, usable.at(-1)!.score)
  const expected = usable.map(({ i }) => i).sort((a, b) => a - b).map((i) => lines[i]!)
  assert.deepEqual(readFileSync(output, 'utf8'), expected.map((line) => `${line}\n`).join(''))
  // The default is a twentieth of all rows, at least one; rows of other files become JSON.
  const csv = write('rows.csv', 'prompt,completion\nsay one,one\nsay two,two\n')
  const text = await run('select', csv, '--model', model, '--variant', 'perplexity', '--output', output)
  assert.match(text, /rows.csv: 1 of 2 rows kept, IFD \(ratio of perplexities\) from 0\.\d+ to 1/)
  assert.equal((JSON.parse(readFileSync(output, 'utf8')) as { prompt: string }).prompt.slice(0, 4), 'say ')
})

test('what cannot be selected is refused, and nothing is written', async () => {
  const file = write('few.jsonl', lines.join('\n'))
  const output = join(folder, 'none.jsonl')
  const asked = ['select', file, '--model', model, '--output', output]
  const pairs = write('pairs.jsonl', '{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
  for (const [args, message] of [
    [['select', file, '--model', model], /--output is missing/],
    [['select', file, '--output', output], /--model is missing/],
    [[...asked, '--keep', '0.5', '--rows', '2'], /--keep or --rows, not both/],
    [[...asked, '--keep', '1.5'], /--keep must be a number/],
    [[...asked, '--keep', '0'], /--keep must be a number/],
    [[...asked, '--rows', '0'], /--rows must be a whole number/],
    [[...asked, '--variant', 'los'], /did you mean loss/],
    [[...asked, '--show', '2'], /select takes no --show/],
    [['check', file, '--keep', '0.5'], /check takes no --keep/],
    [[...asked.with(1, pairs)], /rows of pairs cannot be selected/],
    [[...asked.with(1, join(folder, 'nowhere.jsonl'))], /there is no such file/],
    [[...asked, '--max-length', '2'], /no row is left/],
  ] as const) {
    await assert.rejects(run(...args), (error) => error instanceof UserError && message.test(error.message), args.join(' '))
    assert.ok(!existsSync(output))
  }
})
