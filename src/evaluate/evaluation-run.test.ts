import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { EvaluationMessage, EvaluationRequest, EvaluationResult, ItemGrades, MeasuredItem } from './evaluation.ts'
import { runEvaluation } from './evaluation-run.ts'

test('an evaluation that was interrupted goes on from what it had measured, unless that is of other rows', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'evaluation-'))
  t.after(() => rm(directory, { recursive: true }))
  const path = join(directory, 'rows.jsonl')
  await writeFile(path, Array.from({ length: 40 }, (_, i) => `${JSON.stringify({ prompt: `say ${i}`, chosen: `${i}`, rejected: `${i + 1}` })}\n`).join(''))
  const request: EvaluationRequest = {
    model: join(import.meta.dirname, '../models/fixtures/tiny-llama'), adapter: null, precision: 'f32', rows: { path, name: 'rows' },
    grader: { type: 'length', unit: 'characters', max: 9 }, sampling: { samples: 2, temperature: 1, max_tokens: 8, seed: 3 }, limit: 36, measured: [],
  }
  const run = async (measured: readonly ItemGrades[]): Promise<{ result: EvaluationResult; items: MeasuredItem[]; kept: number }> => {
    const messages: EvaluationMessage[] = []
    const result = await runEvaluation({ ...request, measured }, (message) => { messages.push(message) })
    const [planned] = messages
    assert.ok(planned?.type === 'planned' && planned.total === 36)
    return { result, kept: planned.kept, items: messages.flatMap((message) => (message.type === 'items' ? message.items : [])) }
  }
  const whole = await run([])
  assert.deepEqual([whole.kept, whole.items.length], [0, 36])
  const before = whole.items.map(({ position, answers }) => ({ position, grades: answers.map(({ text: _, ...grade }) => grade) }))
  for (const count of [16, 32, 36]) {
    const rest = await run(before.slice(0, count))
    assert.deepEqual(rest, { result: whole.result, kept: count, items: whole.items.slice(count) })
  }
  const others = before.slice(0, 16).map((item, i) => (i === 2 ? { ...item, position: 1000 } : item))
  assert.deepEqual(await run(others), whole)
  assert.deepEqual(await run(before.slice(0, 17)), whole, 'half a batch')
})
