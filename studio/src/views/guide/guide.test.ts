import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guide } from '../../../../src/guide/guide.ts'
import { kindOfRow } from '../../../../src/data/kinds.ts'
import { chosenRows, kindsFor, nextSorting, pieces, readSorting, rowsFor, writeSorting, type Rows } from './decisions.ts'
import { havingText, trainedText } from './standing.ts'
import { axes, sampleRows, verdicts } from './words.ts'

const { decisions, techniques, claims } = guide

function found(query: string, sort: string | null = null): string[] {
  return chosenRows(decisions, query, readSorting(sort)).map(({ id }) => id)
}

test('the table is filtered by every word', () => {
  assert.equal(found('').length, 10)
  assert.deepEqual(found('LoRA'), ['domain', 'format', 'limited-compute', 'variants', 'forgetting'])
  assert.deepEqual(found('lora sft'), ['domain', 'format'])
  assert.deepEqual(found('  BINARY '), ['cold-start', 'logs'])
  assert.deepEqual(found('65b'), ['limited-compute'])
  assert.deepEqual(found('(math'), ['reasoning'])
  assert.deepEqual(found('nothing like it'), [])
})

test('the table is sorted by a column, the other way round, and as the guide has it', () => {
  const up = chosenRows(decisions, '', { column: 'recommended', descending: false }).map(({ recommended }) => recommended)
  assert.deepEqual(up, up.toSorted((a, b) => a.localeCompare(b, 'en')))
  assert.equal(up[0], 'DPO')
  assert.equal(found('', '-situation')[0], 'variants')
  assert.deepEqual(found('', 'cost'), found(''))
  let sorting = nextSorting(undefined, 'why')
  const seen = [writeSorting(sorting)]
  for (const _ of '12') seen.push(writeSorting(sorting = nextSorting(sorting, 'why')))
  assert.deepEqual(seen, ['why', '-why', undefined])
  assert.equal(writeSorting(nextSorting(readSorting('-why'), 'situation')), 'situation')
})

test('what was found is marked, whatever characters it has', () => {
  assert.deepEqual(pieces('SFT + LoRA', 'lora +').filter(({ hit }) => hit).map(({ text }) => text), ['+', 'LoRA'])
  assert.equal(pieces('a (b) c', '(b').map(({ text }) => text).join(''), 'a (b) c')
  assert.deepEqual(pieces('abc', ' '), [{ text: 'abc', hit: false }])
})

test('each situation knows its rows, and takes the newest that the team has', () => {
  const kinds = Object.fromEntries(decisions.map((decision) => [decision.id, kindsFor(decision, techniques)]))
  assert.deepEqual(kinds, {
    'domain': ['sft'], 'format': ['sft'], 'limited-compute': ['sft'], 'variants': ['sft'], 'forgetting': ['sft'],
    'cold-start': ['labelled'], 'logs': ['labelled'], 'pairs': ['pairs'], 'safety': ['pairs', 'prompts'], 'reasoning': ['prompts'],
  })
  const rows = (['labelled', 'prompts', 'labelled'] as const).map((kind, i): Rows => ({ reference: `r${i}`, name: 'x', kind, count: 1 }))
  assert.equal(rowsFor(['labelled'], rows)?.reference, 'r0')
  assert.equal(rowsFor(['pairs', 'prompts'], rows)?.reference, 'r1')
  assert.equal(rowsFor(['sft'], rows), undefined)
})

test('every technique has its axis, every verdict its word, and each sample row is of its kind', () => {
  for (const { axis } of techniques) assert.ok(axes.some(({ id }) => id === axis), axis)
  for (const { verdict } of claims) assert.ok(verdicts[verdict].text !== '', verdict)
  for (const [kind, row] of Object.entries(sampleRows)) assert.equal(kindOfRow(JSON.parse(row) as object), kind)
})

test('what a team has, in a sentence', () => {
  const none = { count: 0, exact: true }
  const nothing = { thumbs_up: none, thumbs_down: none, corrections: none, choices: none, completions: none }
  assert.equal(havingText(nothing), 'No answer is stored yet.')
  assert.equal(havingText({ ...nothing, completions: { count: 1200, exact: true } }), '1,200 answers are stored, and nobody has judged any yet.')
  assert.equal(havingText({ ...nothing, completions: { count: 10_000, exact: false }, thumbs_up: { count: 1, exact: true }, corrections: { count: 14, exact: true } }),
    'You have 1 thumb up and 14 corrections on more than 10,000 answers.')
  assert.equal(trainedText([]), 'Nothing was trained yet.')
  assert.equal(trainedText(['sft', 'dpo', 'dpo', 'kto']), 'Trained so far: SFT, DPO and KTO.')
})
