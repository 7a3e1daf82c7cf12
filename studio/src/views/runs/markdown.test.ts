import assert from 'node:assert/strict'
import { test } from 'node:test'
import { code, escaped, table } from '../../../../src/train/markdown.ts'
import { blocksOf, type Block } from './markdown.ts'

const plain = (text: string) => [{ text, code: false }]

test('a report becomes headings, tables, code, lists and paragraphs', () => {
  const report = ['# icd10', '', table(['', ''], [['Model', 'tiny']]), '', '## Loss', '', 'From 2 to 1:', code('▁▂█'), '', '- one', '- two', '', 'the', 'end', ''].join('\n')
  assert.deepEqual(blocksOf(report), [
    { type: 'heading', level: 1, spans: plain('icd10') },
    { type: 'table', head: [[], []], rows: [[plain('Model'), plain('tiny')]] },
    { type: 'heading', level: 2, spans: plain('Loss') },
    { type: 'paragraph', spans: plain('From 2 to 1:') },
    { type: 'code', text: '▁▂█' },
    { type: 'list', items: [plain('one'), plain('two')] },
    { type: 'paragraph', spans: plain('the end') },
  ] satisfies Block[])
})

test('whatever stands in a cell comes back as it was written', () => {
  for (const text of ['a|b', '<script>alert(1)</script>', '[x](javascript:1)', 'a*b`c`', 'C:\\dir']) {
    const [block] = blocksOf(table(['name'], [[text]]))
    assert.ok(block?.type === 'table')
    assert.equal(block.rows[0]![0]!.map((span) => span.text).join(''), text)
    assert.deepEqual(blocksOf(escaped(text)), [{ type: 'paragraph', spans: plain(text) }])
  }
})

test('code between backticks is told apart; a fence that is not closed goes to the end', () => {
  assert.deepEqual(blocksOf('lower `lr` now'), [{ type: 'paragraph', spans: [{ text: 'lower ', code: false }, { text: 'lr', code: true }, { text: ' now', code: false }] }])
  assert.deepEqual(blocksOf('```sh\nposttrain chat\n# no heading'), [{ type: 'code', text: 'posttrain chat\n# no heading' }])
})
