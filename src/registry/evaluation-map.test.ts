import assert from 'node:assert/strict'
import { testStores } from '../store/fixtures/stores.ts'
import type { NewRow, Row, Store } from '../store/index.ts'
import { AdapterRegistry } from './adapters.ts'
import { EvaluationItems } from './evaluation-items.ts'
import { measuredSuites, suiteMap } from './evaluation-map.ts'

const suite: Row<'suites'> = {
  id: 'suite_1', created_at: 1, name: 'words', rows: 'dataset:d@1', dataset_id: 'ds_1', kind: 'sft', grader_json: '{}', sampling_json: '{}', row_limit: 200,
}

function evaluation(id: string, adapter: string | null, values: Partial<NewRow<'evaluations'>> = {}): NewRow<'evaluations'> {
  const estimate = { value: 0.5, low: 0.4, high: 0.6 }
  const result = { prompts: 4, score: estimate, components: {}, cut: 0, ungraded: 0, preferenceAccuracy: null }
  return {
    id, suite_id: 'suite_1', created_at: 1, finished_at: 2000, status: 'succeeded', adapter_id: adapter, adapter_sha256: adapter === null ? '' : 'now',
    job_id: null, done: 4, total: 4, error: null, result_json: JSON.stringify(result), ...values,
  }
}

function items(id: string, rewards: readonly (number | null)[]): NewRow<'evaluation_items'>[] {
  return rewards.map((reward, position) => ({
    evaluation_id: id, position, dataset_id: 'ds_1', reward, grades_json: JSON.stringify([{ reward, components: {}, finish_reason: 'stop' }]),
    texts_json: JSON.stringify({ prompt: [], reference: null, answers: [`answer ${position}`] }),
  }))
}

async function adaptersOf(store: Store): Promise<AdapterRegistry> {
  const adapters = await AdapterRegistry.open(store, 'base')
  for (const [id, parentId] of [['v1', null], ['v2', 'v1'], ['v3', 'v2'], ['checkpoint', 'v1']] as const) {
    const source = id === 'checkpoint' ? id : 'job'
    await adapters.add({ id, parentId, jobId: `job-${id}`, directory: id, source, facts: { rank: 8, bytes: 1, sha256: 'now' } })
  }
  return adapters
}

testStores('points are of weights as they are now; win rates are against the base, prompt by prompt', async (store) => {
  const { db } = store
  const adapters = await adaptersOf(store)
  await store.write(
    db.insertInto('suites').values([suite, { ...suite, id: 'suite_2' }]),
    db.insertInto('evaluations').values([
      evaluation('e0', null), evaluation('e1', 'v1'), evaluation('e2', 'v2', { adapter_sha256: 'before' }), evaluation('e3', 'v3'),
      evaluation('e4', 'v1', { status: 'failed', result_json: null }), evaluation('f0', null, { suite_id: 'suite_2', finished_at: 3000 }),
    ]),
    db.insertInto('evaluation_items').values([
      ...items('e0', [0.1, 0.2, 0.3, 0.4, null]), ...items('e1', [0.1, 0.9, 0.9, 0.1, 1]), ...items('e3', [1, 1, 1, null, 1]),
    ]),
  )
  const { points, arrows, unmeasured } = await suiteMap(store, adapters, suite)
  const rate = new Map(points.map(({ adapter, preference }) => [adapter?.id ?? 'base', preference.value]))
  assert.deepEqual(Object.fromEntries(rate), { base: 0.5, v1: 2.5 / 4, v3: 1 })
  assert.deepEqual(arrows.map(({ from, to }) => [from?.id ?? 'base', to.id]), [['base', 'v1'], ['v1', 'v3']])
  assert.deepEqual(unmeasured.map(({ id }) => id), ['v2'])
  assert.deepEqual((await measuredSuites(store, 'base')).map(({ suite: { id }, models, last }) => [id, models, last]), [['suite_2', 1, 3000], ['suite_1', 4, 2000]])

  const other = await AdapterRegistry.open(store, 'another base')
  await store.write(db.updateTable('evaluations').set({ base: 'base' }).where('id', 'in', ['e0', 'e1', 'e2', 'e3']))
  assert.equal((await suiteMap(store, adapters, suite)).points.length, 3)
  assert.deepEqual((await suiteMap(store, other, suite)).points, [], 'what was measured over one base says nothing of another')
  assert.deepEqual((await measuredSuites(store, 'another base')).map(({ suite: { id } }) => id), ['suite_2'])

  await store.write(db.deleteFrom('evaluations').where('id', '=', 'e0'))
  assert.deepEqual((await suiteMap(store, adapters, suite)).points, [], 'without the base there is nothing to win against')
})

testStores('items are ordered and paged by what they are worth; those of deleted rows lose their texts alone', async (store) => {
  const { db } = store
  const own = new EvaluationItems(store)
  await store.write(db.insertInto('evaluation_items').values([...items('e0', [0.5, 0.5, 0.5, 0.5, null]), ...items('e1', [0.9, 0.5, 0.1, 0.4, 1])]))
  const positions = async (query: object): Promise<number[]> => (await own.list('e1', { limit: 10, ...query })).items.map(({ position }) => position)
  assert.deepEqual(await positions({}), [0, 1, 2, 3, 4])
  assert.deepEqual(await positions({ order: 'worst' }), [2, 3, 1, 0, 4])
  assert.deepEqual(await positions({ order: 'best', after: 0, limit: 2 }), [1, 3])
  const compared = async (query: object) => {
    const { items, total, hasMore } = await own.listCompared('e0', 'e1', { limit: 10, ...query })
    return [items.map(({ after, change }) => [after.position, change]), total, hasMore]
  }
  assert.deepEqual(await compared({}), [[[0, 0.4], [2, -0.4], [3, -0.09999999999999998], [1, 0], [4, null]], 5, false])
  assert.deepEqual(await compared({ which: 'worse', limit: 1 }), [[[2, -0.4]], 2, true])
  assert.deepEqual(await compared({ which: 'same', order: 'position' }), [[[1, 0]], 1, false])

  const row = { dataset_id: 'ds_1', split: 'eval', completion_id: null, feedback_id: null, user_id: null } as const
  await store.write(db.insertInto('dataset_rows').values([{ ...row, position: 0, row_json: '{}' }, { ...row, position: 1, row_json: null }]))
  await own.emptyDeleted([])
  await own.emptyDeleted(['ds_1'])
  const { items: left } = await own.list('e1', { limit: 3 })
  assert.deepEqual(left.map(({ reward, texts }) => [reward, texts?.answers]), [[0.9, ['answer 0']], [0.5, undefined], [0.1, ['answer 2']]])
})
