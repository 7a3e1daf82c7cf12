import assert from 'node:assert/strict'
import { test } from 'node:test'

import { UserError } from '../../errors.ts'
import { Ungradable } from './grader.ts'
import { parseTemplate } from './template.ts'

const sample = {
  item: { answer: 'Paris', count: 3, tags: ['x', 'y'], nested: { deep: { value: true } }, none: null, 'with-dash': 'ok' },
  output: '{"total": 12.5, "list": [{"name": "n"}]}',
}
const render = (text: string, of = sample) => parseTemplate(text, 'grader.input').render(of)

test('places are filled with strings as they are and with everything else as JSON', () => {
  assert.equal(render('{{item.answer}}'), 'Paris')
  assert.equal(render('[{{ item.count }}|{{item.tags}}|{{item.nested.deep}}|{{item.none}}]'), '[3|["x","y"]|{"value":true}|null]')
  assert.equal(render('{{item.tags.1}} {{item.with-dash}}'), 'y ok')
  assert.equal(render('{{sample.output_text}}'), sample.output)
  assert.equal(render('{{sample.output_json.total}} {{sample.output_json.list.0.name}}'), '12.5 n')
  assert.equal(render('no places { } }} here'), 'no places { } }} here')
})

test('what is put in is not read again', () => {
  assert.equal(render('{{item.answer}}', { item: { ...sample.item, answer: '{{item.count}}' }, output: '' }), '{{item.count}}')
})

test('it knows the fields that it reads', () => {
  assert.deepEqual(parseTemplate('{{item.a.b}} {{item.c}} {{item.a}} {{sample.output_text}}', 'x').fields, ['a', 'c'])
})

test('a place that names nothing is refused when it is read', () => {
  const cases: Readonly<Record<string, RegExp>> = {
    '{{itm.answer}}': /^grader\.input: \{\{itm\.answer\}\}: there is no "itm"; .*; did you mean item\.answer\?/,
    '{{answer}}': /known are item\.… \(the row\) and sample\.output_text/,
    '{{sample.output_txt}}': /a sample has no "output_txt"; .*; did you mean sample\.output_text\?/,
    '{{sample.output_text.x}}': /a sample has no "output_text\.x"/,
    '{{item.}}': /has an empty name in it/,
    '{{}}': /there is no ""/,
    '{{item.answer': /is not closed by "\}\}"/,
  }
  for (const [text, message] of Object.entries(cases)) {
    assert.throws(() => parseTemplate(text, 'grader.input'), error => error instanceof UserError && message.test(error.message), text)
  }
})

test('a field that the row lacks says which there are; one that only an object\'s prototype has is lacking', () => {
  const message = (text: string) => {
    try {
      render(text)
    } catch (error) {
      assert.ok(error instanceof Ungradable)
      assert.equal(error.value, null)
      return error.message
    }
    return assert.fail(text)
  }
  assert.match(message('{{item.anser}}'), /there is no "anser" \(known: answer, count, .*\); did you mean "answer"\?/)
  assert.match(message('{{item.answer.length}}'), /there is no "length" \(no fields there\)/)
  for (const name of ['__proto__', 'constructor', 'toString', 'tags.length', 'tags.map', 'constructor.constructor']) {
    assert.match(message(`{{item.${name}}}`), /there is no "/)
  }
})

test('a row\'s own field called __proto__ is only a field', () => {
  const item = JSON.parse('{"__proto__": {"x": "own"}}') as Record<string, unknown>
  assert.equal(parseTemplate('{{item.__proto__.x}}', 'x').render({ item, output: '' }), 'own')
})

test('an output that is not JSON, or lacks the field, is worth nothing: the output is at fault', () => {
  for (const output of ['not JSON', '{"other": 1}', '[]', 'null']) {
    assert.throws(() => render('{{sample.output_json.total}}', { ...sample, output }), error => error instanceof Ungradable && error.value === 0)
  }
})
