import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkGrader } from '../../../../src/evaluate/graders/index.ts'
import { readGrader, readyGraders } from './graders.ts'

test('the server takes every ready grader', () => {
  for (const { key, grader } of readyGraders) if (grader !== undefined) assert.doesNotThrow(() => checkGrader(grader), key)
  assert.equal(new Set(readyGraders.map(({ key }) => key)).size, readyGraders.length)
})

test('what was typed is a grader, or why it is none', () => {
  assert.deepEqual(readGrader('{"type": "length", "max": 3}'), { grader: { type: 'length', max: 3 } })
  assert.match((readGrader('{"type": ') as { fault: string }).fault, /no JSON/)
  for (const text of ['[]', 'null', '"length"', '{}']) assert.match((readGrader(text) as { fault: string }).fault, /an object with a type/)
})
