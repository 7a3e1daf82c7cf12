import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { UserError } from '../errors.ts'
import { openStore } from '../store/index.ts'
import { runCommand } from './command.ts'
import { feedback } from './feedback.ts'

let folder = ''
before(async () => { folder = await mkdtemp(join(tmpdir(), 'posttrain-feedback-')) })
after(async () => { await rm(folder, { recursive: true }) })

async function run(...args: string[]): Promise<{ out: string; log: string }> {
  const written = { out: '', log: '' }
  const terminal = { out: (text: string) => { written.out += text }, log: { write: (text: string) => { written.log += text } }, input: process.stdin }
  try {
    await runCommand(feedback, args, terminal, new AbortController().signal)
  } catch (error) {
    assert.ok(error instanceof UserError, String(error))
    written.log += `${error.message} (${error.exitCode})`
  }
  return written
}

test('a log is imported once; a bad line keeps all of it out, unless it is to be left out', async () => {
  const good = join(folder, 'good.jsonl')
  const bad = join(folder, 'bad.jsonl')
  const directory = join(folder, 'store')
  await writeFile(good, '{"prompt": "Q", "completion": "P-1234 wrote", "thumbs": "up"}\n')
  await writeFile(bad, '{"prompt": "Q2", "completion": "A2"}\n{"prompt": "Q3"}\n')

  const refused = await run('import', good, bad, '--directory', directory)
  assert.match(refused.log, /bad\.jsonl:2: there is no answer.*\n1 line cannot be read, so nothing was imported.*other 2.*\(1\)$/s)
  assert.deepEqual(await readdir(folder).then((names) => names.includes('store')), false)

  const checked = await run('import', good, '--dry-run')
  assert.equal(checked.out, 'read: 1 simple\n')
  const first = await run('import', good, bad, '--directory', directory, '--skip-bad', '--redact-pattern', 'PATIENT=P-\\d+')
  assert.match(first.out, /^read: 2 simple\nleft out: 1 that cannot be read\ncompletions: 2 imported, 0 there already\nfeedback: 1 imported, 0 there already\n$/)
  const again = JSON.parse((await run('import', good, '--directory', directory, '--json')).out) as object
  assert.deepEqual(again, { formats: { simple: 1 }, problems: [], completions: { imported: 0, there: 1 }, feedback: { imported: 0, there: 1 } })

  await using store = await openStore({ directory })
  const rows = await store.db.selectFrom('choices').select('message_json').orderBy('message_json').execute()
  assert.deepEqual(rows.map(({ message_json: message }) => (JSON.parse(message!) as { content: string }).content), ['A2', '[PATIENT] wrote'])
})

test('wrong usage says what is wrong', async () => {
  assert.match((await run()).log, /say what to do.*\(2\)$/s)
  assert.match((await run('export')).log, /no action export.*\(2\)$/s)
  assert.match((await run('import')).log, /the file is missing.*\(2\)$/s)
  assert.match((await run('import', 'x.jsonl')).log, /--directory is missing.*\(2\)$/s)
  assert.match((await run('import', 'x.jsonl', '--dry-run')).log, /x\.jsonl: there is no such file.*\(2\)$/s)
  assert.match((await run('import', 'x.jsonl', '--dry-run', '--as', 'stars')).log, /THEIRS=OURS.*\(2\)$/s)
  assert.match((await run('import', 'x.jsonl', '--dry-run', '--redact-pattern', 'X=(')).log, /redaction pattern.*\(2\)$/s)
})
