/** A folder that is served with one base, and then with another: what was measured over one says nothing of the other. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { EvaluationCalls } from './fixtures/evaluations.ts'
import { jobEnd, pairRows, sftRows, upload } from './fixtures/jobs.ts'
import { serveFake } from './fixtures/server.ts'
import type { WireMap } from './routes/evaluations-wire.ts'

test('evaluations and jobs are of the base that they were asked for with', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'bases-'))
  t.after(() => rm(directory, { recursive: true }))

  const one = await serveFake(t, { directory, name: 'one' })
  const [rows, conversations] = [await upload(one.client, pairRows), await upload(one.client, sftRows)]
  const suite = { rows, sampling: { max_tokens: 4 } }
  const calls = new EvaluationCalls(one.client)
  const measured = await calls.end((await calls.ask({ model: 'one', ...suite })).id)
  assert.equal(measured.status, 'succeeded')
  const trained = await jobEnd(one.client, (await one.client.fineTuning.jobs.create({ model: 'one', training_file: conversations })).id)
  assert.match(trained.fine_tuned_model!, /^ft:one:/)
  const left = await one.client.fineTuning.jobs.create({ model: 'one', training_file: conversations })
  const waiting = await calls.ask({ model: trained.fine_tuned_model, ...suite })
  await one.server.close()

  const two = await serveFake(t, { directory, name: 'two' })
  assert.match(two.log.join('\n'), /^1 of the adapters here was trained over one: over two nobody has measured it/)
  const [later, client] = [new EvaluationCalls(two.client), two.client]
  const { status, error } = await jobEnd(client, left.id)
  assert.deepEqual([status, error?.code], ['failed', 'other_base'])
  assert.match(error!.message, /It was to train one, and the server has been started with two since/)
  assert.match((await later.end(waiting.id)).error!, /It was to be measured over one, and the server has been started with two since/)

  const map = () => client.get<WireMap>('/map', { query: { suite: measured.suite.id } })
  assert.deepEqual((await map()).points, [])
  const again = await later.end((await later.ask({ model: 'two', ...suite })).id)
  assert.notEqual(again.id, measured.id)
  assert.deepEqual((await map()).points.map(({ model, evaluation }) => [model, evaluation]), [['two', again.id]])
  assert.deepEqual((await later.list({ model: 'two' })).map(({ id }) => id), [again.id])
  assert.equal((await later.get(measured.id)).model, 'one')
  const runs = await client.get<{ data: { adapter: string | null; status: string }[] }>('/runs')
  assert.deepEqual(runs.data.map(({ adapter, status }) => [adapter, status]), [[null, 'failed'], [trained.fine_tuned_model, 'succeeded']])
  await two.server.close()
})
