import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkGrader, openGrader } from './index.ts'

test('a pattern of the row: what stands in its places is part of it', async () => {
  const spec = { type: 'regex', pattern: '^(?:{{item.words}})$' }
  const grader = await openGrader(spec)
  try {
    const samples = [['one', 'one|two'], ['two', 'one|two'], ['three', 'one|two'], ['{{sample.output_text}}', '{{sample.output_text}}'], ['x', '{{sample.output_text}}'], ['one', '(']] as const
    const grades = await grader.grade(samples.map(([output, words]) => ({ item: { words }, output })))
    assert.deepEqual(grades.map(({ reward }) => reward), [1, 1, 0, 1, 0, null], 'what a row holds is not read again')
    assert.match(grades.at(-1)!.error!, /Invalid regular expression/)
  } finally {
    await grader.close()
  }
  assert.deepEqual(checkGrader(spec).fields, ['words'])
})
