/** `data check` on what preference and reinforcement learning take. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { tokenizerFromDirectory } from '../models/tokenizer/tokenizer-directory.ts'
import { checkData } from './check.ts'
import { dataKindOf, dataKinds, type DataKind } from './kinds.ts'
import { readRows } from './read.ts'
import { renderTrees } from './tree.ts'

const tokenizer = await tokenizerFromDirectory(join(import.meta.dirname, '..', 'models', 'fixtures', 'tokenizers', 'smollm'))
const folder = mkdtempSync(join(tmpdir(), 'check-kinds-'))
after(() => { rmSync(folder, { recursive: true }) })
const file = join(folder, 'rows.jsonl')
const write = (...rows: readonly object[]): void => { writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join('')) }

const pair = (chosen: string, rejected: string, prompt = 'which'): object => ({ prompt, chosen, rejected })
const thumb = (completion: string, label: unknown): object => ({ prompt: 'which', completion, label })
const user = { role: 'user', content: 'hi' }
const assistant = { role: 'assistant', content: 'yes' }

test('the kind is told by the fields of the first row that has a known shape', async () => {
  const cases: readonly [string, ...object[]][] = [
    ['sft', { messages: [user, assistant] }],
    ['sft', { prompt: 'a', completion: 'b' }],
    ['pairs', { note: 'none' }, pair('a', 'b')],
    ['pairs', { input: { messages: [user] }, preferred_output: [assistant], non_preferred_output: [assistant] }],
    ['labelled', thumb('a', true)],
    ['labelled', thumb('a', 'not a boolean')],
    ['prompts', { prompt: 'a', answer: '1' }],
    ['prompts', { messages: [user], answer: '1' }],
  ]
  for (const [kind, ...rows] of cases) {
    write(...rows)
    assert.equal(await dataKindOf(file), kind, JSON.stringify(rows))
  }
  write({ text: 'a' })
  assert.equal(await dataKindOf(file), undefined)
})

/** Line and beginning of each finding. */
const brief = (findings: Awaited<ReturnType<typeof checkData>>['findings']): string[] =>
  findings.map(({ where, severity, problem }) => `${where.split(':').at(-1)!} ${severity} ${problem.replaceAll(`${folder}/`, '')}`)

test('pairs: equal sides, sides that differ in nothing, twins, contradictions, empty answers, lengths of each side', async () => {
  write(
    pair('a long answer of many words', 'no'), pair('yes', 'yes'), pair('Yes', ' yes'), pair('no', 'a long answer of many words'),
    pair('A long  answer of many words', 'No'), pair('', 'something'), pair('fine <|im_end|>', 'bad'),
  )
  const report = await checkData(file, tokenizer, { maxLength: 512 })
  const expected = [
    /^2 error rejected: chosen and rejected are the same/, /^3 warning chosen and rejected differ in case/,
    /^4 warning prefers the answer that rows\.jsonl:1 rejects/, /^5 warning says the same as rows\.jsonl:1/,
    /^6 warning an assistant turn is empty/, /^7 warning the text has "<\|im_end\|>" in it/,
  ]
  const found = brief(report.findings)
  assert.equal(found.length, expected.length, found.join('\n'))
  expected.forEach((pattern, i) => { assert.match(found[i]!, pattern) })
  const { data, rows, usable, duplicates, conflicts, labels } = report
  assert.deepEqual({ data, rows, usable, duplicates, conflicts, labels }, { data: 'pairs', rows: 7, usable: 6, duplicates: 1, conflicts: 1, labels: undefined })
  assert.deepEqual(Object.keys(report.tokens!.parts), ['prompt', 'chosen', 'rejected'])
})

test('pairs: how often the chosen answer is the longer one', async () => {
  write(pair('a b c d', 'a'), pair('a b c d e', 'b'), pair('a', 'b'), pair('a', 'a b c'))
  const { tokens } = await checkData(file, tokenizer)
  assert.equal(tokens?.chosenLonger, 2.5 / 4)
  assert.ok(tokens.parts['chosen']!.mean > tokens.parts['rejected']!.mean)
})

test('thumbs: balance, the same answer with both labels, twins; an empty answer may be rejected', async () => {
  write(thumb('good', true), thumb('Good ', false), thumb('good', true), thumb('bad', 1), thumb(' ', false))
  const report = await checkData(file, tokenizer)
  assert.deepEqual(brief(report.findings), [
    '2 warning rows.jsonl:1 has the same answer with the other label', '3 warning says the same as rows.jsonl:1',
    '4 error label: must be true (thumb up) or false (thumb down), not 1',
  ])
  assert.deepEqual([report.labels, report.conflicts, report.duplicates, report.usable], [{ up: 2, down: 2 }, 1, 1, 4])
  assert.deepEqual(Object.keys(report.tokens!.parts).sort(), ['prompt', 'thumbs down', 'thumbs up'])
})

test('prompts: nothing carries loss, one that is too long is left out as a whole', async () => {
  write({ prompt: 'short', answer: 'x' }, { prompt: 'long '.repeat(50), answer: 'y' }, { prompt: 'short', answer: 'z' })
  const report = await checkData(file, tokenizer, { maxLength: 48 })
  assert.deepEqual([report.data, report.usable, report.dropped, report.tokens?.loss], ['prompts', 2, 1, 0])
  assert.match(brief(report.findings)[0]!, /^2 warning the prompt has \d+ tokens, more than max_length 48: the row is left out/)
})

test('what is counted is what training takes, of every kind', async () => {
  const long = 'word '.repeat(40)
  const files = { pairs: [pair('a', long), pair(long, 'b'), pair('c', 'd', long)], labelled: [thumb(long, true), thumb('a', false)], prompts: [{ prompt: 'a' }, { prompt: long }] }
  for (const [name, rows] of Object.entries(files)) {
    write(...rows)
    const kind = dataKinds[name as keyof typeof files] as DataKind<unknown>
    const trained = renderTrees(await readRows(file, kind.rows), kind.render, tokenizer, { maxLength: 48 })
    const report = await checkData(file, tokenizer, { maxLength: 48 })
    assert.deepEqual([report.usable, report.dropped], [trained.trees.length, trained.dropped.length], name)
    const tokens = trained.trees.reduce((sum, { stem, branches }) => sum + stem.ids.length + branches.reduce((inner, { ids }) => inner + ids.length, 0), 0)
    assert.equal(report.tokens?.total, tokens, name)
  }
})
