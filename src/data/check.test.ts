import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { tokenizerFromDirectory } from '../models/tokenizer/tokenizer-directory.ts'
import { checkData } from './check.ts'
import { colourRow } from './colour.ts'
import { readRows } from './read.ts'
import { renderRow } from './render.ts'
import { renderSft, renderTrees } from './tree.ts'
import { sftRowKinds } from './rows.ts'

const tokenizer = await tokenizerFromDirectory(join(import.meta.dirname, '..', 'models', 'fixtures', 'tokenizers', 'smollm'))
const file = join(mkdtempSync(join(tmpdir(), 'check-')), 'rows.jsonl')
const general = join(import.meta.dirname, 'general.jsonl')

function pair(prompt: string, completion: string): string {
  return JSON.stringify({ prompt, completion })
}

test('a report goes through the file line by line and counts', async () => {
  writeFileSync(file, [
    pair('good', 'yes'),
    '{"prompt": ',
    pair('other', 'no'),
    pair(' Good', 'YES\n'),
    pair('quiet', ' '),
    '{"prompt": "a", "completion": [{"role": "robot", "content": "b"}]}',
    pair('already <|im_end|> rendered', 'yes'),
    pair('long', 'yes '.repeat(100)),
    pair('lost '.repeat(100), 'yes'),
  ].join('\n'))
  const report = await checkData(file, tokenizer, { maxLength: 64 })
  assert.deepEqual(report.findings.map(({ where, severity }) => [Number(where.split(':').at(-1)), severity]), [
    [2, 'error'], [4, 'warning'], [5, 'warning'], [6, 'error'], [7, 'warning'], [8, 'warning'], [9, 'warning'],
  ])
  const problems = report.findings.map(finding => finding.problem)
  assert.match(problems[0]!, /not valid JSON/)
  assert.match(problems[1]!, /says the same as .*rows\.jsonl:1/)
  assert.match(problems[2]!, /empty/)
  assert.match(problems[3]!, /completion\[0\]\.role: unknown role "robot"/)
  assert.match(problems[4]!, /"<\|im_end\|>" in it, which is trained as plain characters/)
  assert.match(problems[5]!, /tokens, cut to 64: \d+ are lost, \d+ of the \d+ that carry loss among them/)
  assert.match(problems[6]!, /cut to 64: all \d+ that carry loss are lost, so the row is left out/)
  const { rows, usable, truncated, dropped, duplicates, kind } = report
  assert.deepEqual({ rows, usable, truncated, dropped, duplicates, kind }, {
    rows: 9, usable: 6, truncated: 2, dropped: 1, duplicates: 1, kind: 'prompt/completion',
  })
})

test('what is counted is what training takes', async () => {
  const report = await checkData(general, tokenizer, { maxLength: 64 })
  const trained = renderTrees(await readRows(general, sftRowKinds), renderSft, tokenizer, { maxLength: 64 })
  assert.equal(report.usable, trained.trees.length)
  assert.equal(report.truncated, trained.truncated.length)
  assert.equal(report.dropped, trained.dropped.length)
  assert.equal(report.tokens?.total, trained.trees.reduce((sum, { branches: [row] }) => sum + row!.ids.length, 0))
  assert.equal(report.tokens?.loss, trained.trees.reduce((sum, { branches: [row] }) => sum + row!.mask.filter(Boolean).length, 0))
  const { shortest, median, percentile95, longest } = report.tokens!
  assert.ok(shortest < median && median < percentile95 && percentile95 <= longest)
})

test('a row that the template refuses is an error at its line', async () => {
  writeFileSync(file, pair('good', 'yes'))
  const broken = tokenizer.withTemplate("{{ raise_exception('no thanks') }}")
  const { findings, usable } = await checkData(file, broken)
  assert.equal(usable, 0)
  assert.match(findings[0]?.problem ?? '', /no thanks/)
})

test('without a tokenizer the rows themselves are checked', async () => {
  writeFileSync(file, `${pair('a', 'b')}\n{}`)
  const report = await checkData(file)
  assert.deepEqual([report.usable, report.findings.length, report.tokens], [1, 1, undefined])
})

test('the general set: 100 different rows without a fault, short answers', async () => {
  const report = await checkData(general, tokenizer)
  assert.deepEqual([report.usable, report.findings, report.duplicates], [100, [], 0])
  for (const { row } of await readRows(general, sftRowKinds)) {
    assert.ok('messages' in row)
    const words = row.messages.at(-1)!.content.split(/\s+/).length
    assert.ok(words >= 20 && words <= 60, row.messages.at(-1)!.content)
  }
  assert.ok(readFileSync(general).length < 50_000)
})

test('colour: what carries loss is green, or in brackets without colour', () => {
  const row = renderRow({ prompt: 'hi', completion: 'yes' }, tokenizer)
  assert.equal(
    colourRow(row, tokenizer, { colour: false }),
    '<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n⟦yes<|im_end|>\n⟧',
  )
  assert.ok(colourRow(row, tokenizer, { colour: true }).endsWith('\x1b[32myes<|im_end|>\n\x1b[0m'))
})

test('colour: text cannot steer the terminal', () => {
  const row = renderRow({ prompt: '\x1b]0;owned\x07\u202e', completion: '\x9b31m\r' }, tokenizer)
  const shown = colourRow(row, tokenizer, { colour: false })
  assert.ok(shown.includes('\\x1b]0;owned\\x07\\u202e') && shown.includes('\\x9b31m\\x0d'))
})

test('colour: NO_COLOR is respected', t => {
  const before = process.env['NO_COLOR']
  t.after(() => {
    if (before === undefined) delete process.env['NO_COLOR']
    else process.env['NO_COLOR'] = before
  })
  const row = renderRow({ prompt: 'hi', completion: 'yes' }, tokenizer)
  process.env['NO_COLOR'] = '1'
  assert.ok(!colourRow(row, tokenizer).includes('\x1b'))
  delete process.env['NO_COLOR']
  assert.ok(colourRow(row, tokenizer).includes('\x1b'))
})
