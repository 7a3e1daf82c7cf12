import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'

import type { Located } from '../data/read.ts'
import type { PromptRow } from '../data/rows.ts'
import { UserError } from '../errors.ts'
import { loadModel } from '../generate/model.ts'
import { checkFields, gradeModel } from './grade-model.ts'
import { openGrader } from './graders/index.ts'

const model = await loadModel(join(import.meta.dirname, '..', 'models', 'fixtures', 'tiny-llama'), { threads: 1 })
after(() => model.close())

const located = (row: PromptRow, i: number): Located<PromptRow> => ({ where: `rows.jsonl:${i + 1}`, row })
const rows = Array.from({ length: 5 }, (_, i) => located({ prompt: `prompt ${i}`, limit: String(i) }, i))
const grader = await openGrader({ type: 'length', unit: 'characters', max: 8 })
const sampling = { maxTokens: 6, temperature: 1, seed: 3 }

test('each row gets its completions with their grades', async () => {
  const heard: number[] = []
  const graded = await gradeModel(model, rows, grader, { sampling, samples: 20, onRows: soFar => { heard.push(soFar.length) } })
  assert.deepEqual(graded.map(completions => completions.length), [20, 20, 20, 20, 20])
  assert.deepEqual(heard, [1, 2, 3, 4, 5])
  for (const { output, reward, tokens } of graded.flat()) {
    const [expected] = await grader.grade([{ item: {}, output }])
    assert.equal(reward, expected!.reward)
    assert.ok(tokens >= 1 && tokens <= 6)
  }
  assert.ok(new Set(graded[0]!.map(({ output }) => output)).size > 10, 'the samples of a row differ')
})

test('a row\'s completions depend on the seed and the row\'s place, not on the rows beside it', async () => {
  const outputs = async (of: readonly Located<PromptRow>[], seed: number) =>
    (await gradeModel(model, of, grader, { sampling: { ...sampling, seed }, samples: 2 })).map(row => row.map(({ output }) => output))
  const all = await outputs(rows, 3)
  assert.deepEqual((await outputs(rows.slice(0, 2), 3)), all.slice(0, 2))
  assert.notDeepEqual(await outputs(rows, 4), all)
})

test('rows with the same prompt get completions of their own, and each is graded with its own row', async () => {
  const twins = [0, 1, 2].map(i => located({ prompt: 'the same', limit: String(i) }, i))
  const first = await openGrader({ type: 'string_check', input: '{{item.limit}}', reference: '1', operation: 'eq' })
  const graded = await gradeModel(model, twins, first, { sampling, samples: 12 })
  assert.deepEqual(graded.map(row => row.map(({ reward }) => reward)), [0, 1, 0].map(reward => new Array<number>(12).fill(reward)))
  assert.equal(new Set(graded.map(row => row.map(({ output }) => output).join('\n'))).size, 3)
})

test('a prompt that is longer than the context is refused before anything is generated', async () => {
  const long = [...rows, located({ prompt: 'word '.repeat(9_000) }, 5)]
  await assert.rejects(
    gradeModel(model, long, grader, { sampling, onRows: () => assert.fail('something was generated') }),
    error => error instanceof UserError && /^rows\.jsonl:6: the prompt has \d+ tokens/.test(error.message),
  )
})

test('a row without a field that the grader reads is named with the nearest one', () => {
  checkFields(rows, ['prompt', 'limit'])
  assert.throws(() => { checkFields(rows, ['limt']) }, {
    message: 'rows.jsonl:1: the row has no field "limt", which the grader reads as {{item.limt}}; did you mean "limit"?',
  })
  assert.throws(() => { checkFields([located({ prompt: 'x' }, 0)], ['constructor']) }, /has no field "constructor"/)
})
