import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testStores } from '../store/fixtures/stores.ts'
import { Capture } from './capture.ts'
import { datasetBody } from './dataset-spec.ts'
import { createDataset } from './datasets.ts'
import { deleteUser } from './deletion.ts'
import { FeedbackLog } from './feedback.ts'
import { answered } from './fixtures/answered.ts'
import { jobDataset } from './job-dataset.ts'

testStores('a job gets a version by its name: files of both splits, without what was deleted', async (store) => {
  const capture = new Capture(store)
  const feedback = new FeedbackLog(store, capture.redactor)
  for (let i = 0; i < 10; i++) {
    await capture.record(answered({ id: `c${i}`, user: `u${i}`, messages: [{ role: 'user', content: 'abcdefghij'[i]!.repeat(20) }] }))
    await feedback.add({ completion_id: `c${i}`, name: 'thumbs', value: true })
  }
  const make = (evalFraction: number) => createDataset(store, datasetBody.parse({ name: 'd', kind: 'labelled', eval_fraction: evalFraction }), capture.redactor)
  await make(0.3)
  await make(0)
  const directory = await mkdtemp(join(tmpdir(), 'posttrain-job-'))
  const linesOf = async (name: string, split: 'train' | 'eval'): Promise<number> => {
    const path = join(directory, `${name}-${split}`)
    await (await jobDataset(store, name))![split]!.source.write(path)
    const lines = (await readFile(path, 'utf8')).split('\n')
    assert.equal(lines.pop(), '')
    for (const line of lines) assert.deepEqual(Object.keys(JSON.parse(line) as object), ['prompt', 'completion', 'label'])
    return lines.length
  }
  try {
    assert.deepEqual([await linesOf('d@1', 'train'), await linesOf('d@1', 'eval')], [7, 3])
    const latest = (await jobDataset(store, 'd'))!
    assert.deepEqual([latest.kind, latest.train.reference, latest.eval], ['labelled', 'dataset:d@2', undefined])
    for (let i = 0; i < 10; i += 2) await deleteUser(store, capture.redactor, `u${i}`)
    assert.equal(await linesOf('d', 'train'), 5)
    for (const name of ['e', 'd@3', 'd@', '@1', 'd@1@2', '../d', "d'; --"]) assert.equal(await jobDataset(store, name), undefined)
  } finally {
    await rm(directory, { recursive: true })
  }
})
