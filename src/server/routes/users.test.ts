import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Capture } from '../../feedback/capture.ts'
import { answered } from '../../feedback/fixtures/answered.ts'
import { Audit } from '../../registry/audit.ts'
import { ConflictError } from '../../registry/errors.ts'
import { testStores } from '../../store/fixtures/stores.ts'
import type { NewRow, Store } from '../../store/index.ts'
import { callRoutes } from '../fixtures/routes.ts'
import { datasetRowRoutes } from './dataset-rows.ts'
import { datasetRoutes } from './datasets.ts'
import { feedbackRoutes } from './feedback.ts'
import { userRoutes } from './users.ts'

function job(of: Pick<NewRow<'jobs'>, 'id' | 'status' | 'training_file' | 'fine_tuned_model'>): NewRow<'jobs'> {
  return {
    created_at: 1, started_at: null, finished_at: null, model: 'base', request_json: '{}', recipe_json: '{}', validation_file: null,
    trained_tokens: null, estimated_finish: null, error_json: null, promotion_json: null, metadata_json: '{}', pid: null, ...of,
  }
}

function adapter(id: string, jobId: string | null, parentId: string | null, createdAt: number): NewRow<'adapters'> {
  return { id, created_at: createdAt, directory: id, rank: 8, bytes: 1, sha256: '', source: 'job', job_id: jobId, parent_id: parentId, pinned: 0, metrics_json: '{}' }
}

async function fill(store: Store): Promise<void> {
  await store.write(
    store.db.insertInto('jobs').values([
      job({ id: 'j1', status: 'succeeded', training_file: 'dataset:d@1', fine_tuned_model: 'ft:1' }),
      job({ id: 'j2', status: 'running', training_file: 'dataset:d@1', fine_tuned_model: null }),
      job({ id: 'j3', status: 'succeeded', training_file: 'dataset:other@1', fine_tuned_model: 'ft:3' }),
    ]),
    store.db.insertInto('adapters').values([
      adapter('ft:1', 'j1', null, 1), adapter('ft:1:ckpt-5', 'j1', null, 1), adapter('ft:3', 'j3', null, 1), adapter('ft:4', null, 'ft:1', 2),
    ]),
  )
}

/** Each row of the dataset d as an item of an evaluation. */
async function evaluate({ db, write }: Store): Promise<void> {
  const { id } = await db.selectFrom('datasets').select('id').where('name', '=', 'd').executeTakeFirstOrThrow()
  const rows = await db.selectFrom('dataset_rows').select(['position', 'row_json']).where('dataset_id', '=', id).execute()
  await write(db.insertInto('evaluation_items').values(rows.map(({ position, row_json: row }) => ({
    evaluation_id: 'e', dataset_id: id, position, reward: 1, grades_json: '[]', texts_json: JSON.stringify(row!.includes('SECRET') ? row : 'another\'s'),
  }))))
}

testStores("a user's data is removed everywhere, and what learned from it is named", async (store) => {
  const directory = await mkdtemp(join(tmpdir(), 'posttrain-users-'))
  const cancelled: string[] = []
  const jobs = {
    cancel: async (id: string) => {
      if (id === 'j1') throw new ConflictError('it is over')
      cancelled.push(id)
    },
  }
  const capture = new Capture(store)
  const audit = new Audit(store)
  const evaluations = { forgetDeleted: async () => undefined }
  const settings = { directory, modelName: 'base', modelRef: 'base', adapterRoots: [] }
  const call = callRoutes([feedbackRoutes, datasetRoutes, datasetRowRoutes, userRoutes], { store, capture, audit, settings, jobs: jobs as never, evaluations: evaluations as never })
  const say = (id: string, name: string, value: unknown, user?: string) => call('POST', '/v1/feedback', { completion_id: id, name, value, ...(user && { user }) })
  try {
    const jane = 'jane@example.com'
    await capture.record(answered({ id: 'hers', user: jane, messages: [{ role: 'user', content: 'SECRET question' }], metadata: { secret: 'SECRET tag' } }))
    for (const [id, thumb] of [['both', true], ['both again', false]] as const) {
      await capture.record(answered({ id, user: jane, messages: [{ role: 'user', content: 'SECRET both' }], choices: [{ message: { role: 'assistant', content: 'x' }, finishReason: 'stop' }] }))
      await say(id, 'thumbs', thumb)
    }
    await capture.record(answered({ id: 'his', user: 'bob' }))
    await capture.record(answered({ id: 'nobodys' }))
    await say('hers', 'thumbs', true)
    await say('hers', 'comment', 'SECRET comment')
    await say('his', 'thumbs', true)
    await say('his', 'correction', 'SECRET correction', jane)
    await say('nobodys', 'thumbs', false)
    await call('POST', '/v1/datasets', { name: 'd', kind: 'labelled', eval_fraction: 0 })
    await call('POST', '/v1/datasets', { name: 'her', kind: 'labelled', filter: { user: jane } })
    await call('POST', '/v1/datasets', { name: 'p', kind: 'pairs', eval_fraction: 0 })
    await fill(store)
    await evaluate(store)
    for (const id of ['j1', 'j3']) {
      await mkdir(join(directory, 'jobs', id, 'data'), { recursive: true })
      await mkdir(join(directory, 'jobs', id, 'run'), { recursive: true })
      await writeFile(join(directory, 'jobs', id, 'data', 'train.jsonl'), 'SECRET')
      await writeFile(join(directory, 'jobs', id, 'run', 'samples.jsonl'), 'SECRET')
      await writeFile(join(directory, 'jobs', id, 'run', 'metrics.jsonl'), '')
    }

    const { status, body } = await call('DELETE', `/v1/users/${encodeURIComponent(jane)}/data`)
    assert.equal(status, 200)
    const { note: _, datasets, ...rest } = body
    assert.deepEqual(rest, {
      object: 'user.data.deleted', user: jane, completions: 3, feedback: 5, dataset_rows: 3,
      jobs: [{ id: 'j1', status: 'succeeded', fine_tuned_model: 'ft:1' }, { id: 'j2', status: 'running', fine_tuned_model: null }],
      adapters: ['ft:1', 'ft:1:ckpt-5', 'ft:4'],
    })
    assert.deepEqual((datasets as { name: string; rows: number }[]).map(({ name, rows }) => [name, rows]), [['d', 1], ['her', 1], ['p', 1]])
    assert.deepEqual(cancelled, ['j2'])

    const tables = ['completions', 'choices', 'feedback', 'tags', 'datasets', 'dataset_rows', 'evaluation_items', 'audit'] as const
    const everything = JSON.stringify(await Promise.all(tables.map((table) => store.db.selectFrom(table).selectAll().execute())))
    assert.doesNotMatch(everything, /SECRET|jane@/)
    const items = await store.db.selectFrom('evaluation_items').select(['reward', 'texts_json']).orderBy('position').execute()
    assert.deepEqual(items, [{ reward: 1, texts_json: null }, { reward: 1, texts_json: '"another\'s"' }, { reward: 1, texts_json: '"another\'s"' }])
    assert.deepEqual(await readdir(join(directory, 'jobs', 'j1')), ['run'])
    assert.deepEqual(await readdir(join(directory, 'jobs', 'j1', 'run')), ['metrics.jsonl'])
    assert.deepEqual(await readdir(join(directory, 'jobs', 'j3')), ['data', 'run'])

    const { body: { data } } = await call<{ data: { deleted: boolean; row: unknown }[] }>('GET', '/v1/datasets/d/rows')
    assert.deepEqual(data.map(({ deleted, row }) => [deleted, row === null]), [[true, true], [false, false], [false, false]])
    assert.equal((await call<string>('GET', '/v1/datasets/d/export')).body.split('\n').length - 1, 2)

    const again = await call('DELETE', `/v1/users/${encodeURIComponent(jane)}/data`)
    assert.deepEqual([again.body['completions'], again.body['dataset_rows'], again.body['adapters']], [0, 0, ['ft:1', 'ft:1:ckpt-5', 'ft:4']])
    assert.deepEqual((await audit.page()).entries.map(({ target }) => target.startsWith('sha256-')), [true, true])
  } finally {
    await rm(directory, { recursive: true })
  }
})

testStores('a deletion and a dataset that is being made take turns: nothing comes back', async (store) => {
  const capture = new Capture(store)
  const jobs = { cancel: async () => undefined }
  const call = callRoutes([feedbackRoutes, datasetRoutes, datasetRowRoutes, userRoutes], {
    store, capture, audit: new Audit(store), jobs: jobs as never, evaluations: { forgetDeleted: async () => undefined } as never, settings: { directory: '.', modelName: '', modelRef: '', adapterRoots: [] },
  })
  for (let i = 0; i < 30; i++) {
    await capture.record(answered({ id: `c${i}`, user: i % 2 === 0 ? 'jane' : 'bob', messages: [{ role: 'user', content: `SECRET ${i % 2}${i}` }] }))
    await call('POST', '/v1/feedback', { completion_id: `c${i}`, name: 'thumbs', value: true })
  }
  const made = Array.from({ length: 4 }, () => call('POST', '/v1/datasets', { name: 'd', kind: 'labelled' }))
  const removed = call('DELETE', '/v1/users/jane/data')
  await Promise.all([...made, removed, call('POST', '/v1/datasets', { name: 'd', kind: 'labelled' })])
  const rows = await store.db.selectFrom('dataset_rows').select('row_json').where('row_json', 'is not', null).execute()
  assert.equal(rows.filter(({ row_json: row }) => row!.includes('SECRET 0')).length, 0)
  assert.equal(rows.length, 5 * 15)
})
