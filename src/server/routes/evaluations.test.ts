import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { WireEvaluationComparison } from './evaluations-wire.ts'
import { EvaluationCalls } from '../fixtures/evaluations.ts'
import { labelRows, pairRows, promptRows, sftRows, upload } from '../fixtures/jobs.ts'
import { serveFake, tinyModel } from '../fixtures/server.ts'

const sampling = { max_tokens: 4 }
const sameWord = { type: 'string_check', name: 'same', operation: 'eq', input: '{{sample.output_text}}', reference: '{{item.word}}' }
const short = { type: 'length', unit: 'characters', max: 3 }

test('rows of each kind: prompts are answered and graded, pairs also preferred', async (t) => {
  const { client, log } = await serveFake(t)
  const calls = new EvaluationCalls(client)
  const evaluate = async (rows: readonly object[], more: object = {}) => {
    const { id } = await calls.ask({ model: 'tiny-llama', rows: await upload(client, rows), sampling, ...more })
    const evaluation = await calls.end(id)
    return { ...evaluation, items: await calls.items(id) }
  }
  const sft = await evaluate(sftRows)
  assert.deepEqual([sft.status, sft.error, sft.model, sft.adapter, sft.job], ['succeeded', null, 'tiny-llama', null, null])
  assert.deepEqual([sft.progress, sft.items.total, sft.items.has_more], [{ done: 12, total: 12 }, 12, false])
  assert.deepEqual([sft.result!.prompts, sft.result!.preference_accuracy], [12, null])
  const [first] = sft.items.data
  assert.deepEqual([first!.position, first!.prompt, first!.reference, first!.deleted], [0, [{ role: 'user', content: 'say one' }], 'one', false])
  assert.equal(first!.answers.length, 1)
  assert.match(sft.suite.measure, /likeness to the reference \(ROUGE-L\)/)

  const pairs = await evaluate(pairRows)
  const { value, low, high } = pairs.result!.preference_accuracy!
  assert.ok(0 <= low && low < value && value < high && high <= 1, `${low} ${value} ${high}`)
  assert.equal(pairs.items.data[0]!.reference, 'one')

  const labelled = await evaluate(labelRows)
  assert.deepEqual(labelled.items.data.map(({ position }) => position), [0, 2, 4, 6, 8, 10], 'what had a thumb down is no reference')
  assert.equal((await evaluate(labelRows, { grader: short })).items.total, 12)

  const prompts = await evaluate(promptRows, { grader: sameWord, sampling: { ...sampling, samples: 3, temperature: 1 } })
  assert.deepEqual([prompts.status, prompts.items.data[0]!.answers.length, prompts.suite.sampling.samples], ['succeeded', 3, 3])

  const ungraded = await evaluate(promptRows)
  assert.deepEqual([ungraded.status, ungraded.items.total], ['failed', 0])
  assert.match(ungraded.error!, /^file-\S+: no row says what the answer should be/)
  const broken = await evaluate([...sftRows, { messages: [] }])
  assert.match(broken.error!, /^file-\S+:13: messages: is empty/)
  const fields = await evaluate(promptRows, { grader: { ...sameWord, reference: '{{item.wrod}}' } })
  assert.match(fields.error!, /did you mean "word"\?/)
  const nothing = await evaluate(promptRows, { grader: { type: 'regex', pattern: '(?<word>{{item.word}}' } })
  assert.deepEqual([nothing.status, nothing.items.total, nothing.result], ['failed', 0, null])
  assert.match(nothing.error!, /None of the answers could be graded: Invalid regular expression/)
  assert.deepEqual(log, [])
})

test('a suite is the same for the same rows, grader and sampling; what was measured is not measured again', async (t) => {
  const { client } = await serveFake(t)
  const calls = new EvaluationCalls(client)
  const [rows, twin] = [await upload(client, sftRows, 'a.jsonl'), await upload(client, sftRows, 'b.jsonl')]
  const grader = { ...short, name: 'short' }
  const first = await calls.ask({ model: 'tiny-llama', rows, sampling, grader })
  const again = await calls.ask({ model: 'tiny-llama', rows: twin, sampling, grader: Object.fromEntries(Object.entries(grader).toReversed()), name: 'brevity' })
  assert.deepEqual([again.id, again.suite.id, again.suite.name], [first.id, first.suite.id, 'brevity'])
  assert.equal(first.suite.name, 'a.jsonl')
  const others = [{ sampling: { max_tokens: 5 } }, { sampling: { ...sampling, seed: 1 } }, { grader: { ...grader, max: 4 } }, { limit: 5 }]
  const ids = new Set([first.suite.id])
  for (const other of others) ids.add((await calls.ask({ model: 'tiny-llama', rows, sampling, grader, ...other })).suite.id)
  assert.equal(ids.size, 5)
  const ended = await calls.ended()
  assert.deepEqual(ended.map(({ status }) => status), Array(5).fill('succeeded'))
  const { data } = await calls.items(ended.find(({ suite }) => suite.limit === 5)!.id)
  assert.equal(data.length, 5)
  assert.deepEqual((await calls.list({ suite: first.suite.id })).map(({ id }) => id), [first.id])
  assert.deepEqual(await calls.list({ job: 'ftjob-1' }), [])
})

test('two models are compared prompt by prompt, on one suite only', async (t) => {
  const { client } = await serveFake(t, { adapters: { other: join(tinyModel, 'adapter') } })
  const calls = new EvaluationCalls(client)
  const rows = await upload(client, sftRows)
  const asked = await calls.askAll({ models: ['other'], rows, sampling: { max_tokens: 12 }, grader: { type: 'length', unit: 'characters', max: 40, falloff: 1000 } })
  assert.deepEqual(asked.map(({ model }) => model), ['other'])
  const evaluations = await calls.ended()
  assert.deepEqual(evaluations.map(({ model, status }) => [model, status]), [['other', 'succeeded'], ['tiny-llama', 'succeeded']], 'the base is measured too')
  const [after, before] = evaluations.map(({ id }) => id) as [string, string]
  const comparison = await client.get<WireEvaluationComparison>(`/evaluations/${after}/compare/${before}`)
  const { better, worse, same, win_rate: rate, change } = comparison
  assert.equal(better + worse + same, 12)
  assert.equal(rate.value, (better + same / 2) / 12)
  assert.ok(change.low <= change.value && change.value <= change.high)
  assert.deepEqual([comparison.before.model, comparison.after.model], ['tiny-llama', 'other'])

  const all = (await calls.items(`${after}/compare/${before}`)).data
  const sizes = all.map((item) => Math.abs(item.change!))
  assert.deepEqual(sizes, sizes.toSorted((a, b) => b - a))
  assert.ok(all.every((item) => item.change === item.reward! - item.before!.reward!))
  const worseItems = await calls.items(`${after}/compare/${before}`, { which: 'worse' })
  assert.equal(worseItems.total, worse)
  assert.ok(worseItems.data.every((item) => item.change! < 0))
  const pages: number[] = []
  for (let page = await calls.items(after, { limit: '5', order: 'worst' }); ;) {
    pages.push(...page.data.map(({ reward }) => reward!))
    if (!page.has_more) break
    page = await calls.items(after, { limit: '5', order: 'worst', after: String(page.last_position) })
  }
  assert.equal(pages.length, 12)
  assert.deepEqual(pages, pages.toSorted((a, b) => a - b))

  const other = await calls.ask({ model: 'tiny-llama', rows, sampling: { max_tokens: 3 } })
  await assert.rejects(client.get(`/evaluations/${other.id}/compare/${before}`), { status: 400, message: /measured different suites/ })
})

test('what cannot be measured is refused by name', async (t) => {
  const { client } = await serveFake(t)
  const calls = new EvaluationCalls(client)
  const rows = await upload(client, sftRows)
  const refused = async (body: object, error: object): Promise<void> => {
    await assert.rejects(calls.ask({ model: 'tiny-llama', rows, ...body }), error, JSON.stringify(body))
  }
  await refused({ model: 'nobody' }, { status: 404, param: 'model' })
  await refused({ models: ['tiny-llama'] }, { status: 400, message: /either model or models/ })
  await refused({ rows: 'file-none' }, { status: 400, param: 'rows', message: /There is no file file-none/ })
  await refused({ rows: 'dataset:none' }, { status: 400, param: 'rows', message: /There is no dataset none/ })
  await refused({ grader: { type: 'function', file: 'reward.ts' } }, { status: 400, param: 'grader' })
  await refused({ grader: { type: 'lenght', unit: 'words', max: 3 } }, { status: 400, message: /did you mean "length"/ })
  await refused({ sampling: { samples: 0 } }, { status: 400, param: 'sampling.samples' })
  await refused({ limit: 1e9 }, { status: 400, param: 'limit' })
  await assert.rejects(calls.get('eval_none'), { status: 404 })
  await assert.rejects(calls.items('eval_none'), { status: 404 })
})

test('cancelled and removed: nothing of it stays', async (t) => {
  const { client, server: { context: { store } } } = await serveFake(t)
  const calls = new EvaluationCalls(client)
  const many = Array.from({ length: 200 }, (_, i) => ({ prompt: `say ${i}`, completion: String(i) }))
  const rows = await upload(client, many)
  const running = await calls.ask({ model: 'tiny-llama', rows, sampling: { max_tokens: 200 } })
  const queued = await calls.ask({ model: 'tiny-llama', rows, sampling: { max_tokens: 201 } })
  await calls.when(running.id, ({ progress }) => progress.done > 0)
  assert.equal((await calls.get(queued.id)).status, 'queued', 'one at a time')
  for (const { id } of [queued, running]) {
    assert.equal((await client.post<{ status: string }>(`/evaluations/${id}/cancel`)).status, 'cancelled')
    assert.equal((await calls.items(id)).total, 0)
    await assert.rejects(client.post(`/evaluations/${id}/cancel`), { status: 400, message: /has already been cancelled/ })
  }
  // What was cancelled can be asked for again, and removed while it runs.
  const { id } = await calls.ask({ model: 'tiny-llama', rows, sampling: { max_tokens: 200 } })
  assert.notEqual(id, running.id)
  await calls.when(id, ({ progress }) => progress.done > 0)
  for (const each of [id, running.id, queued.id]) await client.delete(`/evaluations/${each}`)
  for (const table of ['suites', 'evaluations', 'evaluation_items'] as const) {
    assert.deepEqual(await store.db.selectFrom(table).selectAll().execute(), [], table)
  }
})
