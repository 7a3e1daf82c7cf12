import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesAmong, shortened, shortNameOf, shortText } from './model-names.ts'

const models = ['SmolLM2', 'ft:SmolLM2:v1:aaaa1111', 'ft:SmolLM2:v2:bbbb2222', 'ft:SmolLM2:v2:cccc3333', 'ft:SmolLM2::dddd4444', 'ft:SmolLM2:v1:aaaa1111:step-10']

test('a job\'s adapter is called by its suffix, and by its job where it has none', () => {
  assert.deepEqual(shortNameOf('ft:SmolLM2:v1:aaaa1111'), { name: 'v1', job: 'aaaa1111' })
  assert.deepEqual(models.map(shortText), ['SmolLM2', 'v1 aaaa1111', 'v2 bbbb2222', 'v2 cccc3333', 'dddd4444', 'v1:step-10 aaaa1111'])
})

test('beside others the job is told only where two have the same name', () => {
  assert.deepEqual([...namesAmong([...models, models[1]!]).values()], ['SmolLM2', 'v1', 'v2 bbbb2222', 'v2 cccc3333', 'dddd4444', 'v1:step-10'])
})

test('long names keep their end', () => {
  assert.equal(shortened('v2', 10), 'v2')
  const short = shortened('an-adapter-with-a-very-long-name-v2', 20)
  assert.equal(short.length, 20)
  assert.ok(short.endsWith('name-v2'))
})
