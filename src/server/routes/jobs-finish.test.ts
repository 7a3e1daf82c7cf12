/** "Stop and keep": a job that ends before its last step as if that had been it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import OpenAI from 'openai'
import { digestOf, eventOf, jobEnd, jobWhen, sftRows, upload } from '../fixtures/jobs.ts'
import { serveFake, type TestServer } from '../fixtures/server.ts'

type Job = OpenAI.FineTuning.FineTuningJob

const steps = 5000

async function create({ client }: TestServer, file: string, recipe: object = {}, posttrain: object = {}): Promise<string> {
  const ours = { base: { precision: 'f32' }, ...posttrain, recipe: { steps, max_length: 64, optimizer: { lr: 0.01 }, checkpoint: { every_steps: 3 }, ...recipe } }
  const body = { model: 'tiny-llama', training_file: file, validation_file: file, seed: 3, posttrain: ours }
  return (await client.fineTuning.jobs.create(body as OpenAI.FineTuning.JobCreateParams)).id
}

async function finish({ client }: TestServer, id: string): Promise<Job & { posttrain: { finish_requested_at: number | null } }> {
  return client.post(`/fine_tuning/jobs/${id}/finish`)
}

/** The result's last line: step, training loss, held-out loss. */
async function lastLine({ client }: TestServer, job: Job): Promise<number[]> {
  const csv = await (await client.files.content(job.result_files[0]!)).text()
  return csv.trim().split('\n').at(-1)!.split(',').slice(0, 3).map((cell) => (cell === '' ? NaN : Number(cell)))
}

async function adapterOf({ server }: TestServer, job: Job): Promise<string> {
  return digestOf(server.context.adapters.get(job.fine_tuned_model!)!.directory)
}

test('a running job that is told to finish succeeds with what it has learnt: measured, compared, its alias moved', async (t) => {
  const served = await serveFake(t)
  const file = await upload(served.client, sftRows)
  const id = await create(served, file, {}, { alias: 'bot' })
  await eventOf(served.client, id, /^Step 1\d\/5000/)
  const told = await finish(served, id)
  assert.equal(told.status, 'running')
  assert.ok(told.posttrain.finish_requested_at! > 0)
  await finish(served, id)
  const job = await jobEnd(served.client, id)
  assert.deepEqual([job.status, job.error, served.log], ['succeeded', null, []])
  const [last, , heldOut] = await lastLine(served, job)
  assert.ok(last! >= 10 && last! < steps)
  assert.ok(heldOut! > 0)
  assert.equal(served.server.context.adapters.aliases.get('bot')?.adapterId, job.fine_tuned_model)
  await eventOf(served.client, id, new RegExp(`Told to finish after ${last} of 5000 steps`))

  const short = await jobEnd(served.client, await create(served, file, { steps: last }))
  assert.equal(await adapterOf(served, job), await adapterOf(served, short))
})

test('a paused job finishes where it stopped; its process may be killed on the way', async (t) => {
  const served = await serveFake(t)
  const { client, server } = served
  const file = await upload(client, sftRows)
  const id = await create(served, file)
  await eventOf(client, id, /^Step 1\d\/5000/)
  await client.fineTuning.jobs.pause(id)
  await jobWhen(client, id, ({ status }) => String(status) === 'paused')
  const { step } = (await client.get<{ step: number }>(`/runs/${id}`))
  assert.match((await finish(served, id)).status, /queued|running/)
  const { pid } = await untilPid(served, id)
  process.kill(pid, 'SIGKILL')
  const job = await jobEnd(client, id)
  assert.deepEqual([job.status, job.error], ['succeeded', null])
  await eventOf(client, id, /ended by SIGKILL/)
  assert.equal((await lastLine(served, job))[0], step)
  const short = await jobEnd(client, await create(served, file, { steps: step }))
  assert.equal(await adapterOf(served, job), await adapterOf(served, short))
  assert.deepEqual(server.context.adapters.list().filter(({ source }) => source === 'job').length, 2)
})

async function untilPid({ server }: TestServer, id: string): Promise<{ pid: number }> {
  for (;;) {
    const { pid } = await server.context.store.db.selectFrom('jobs').select('pid').where('id', '=', id).executeTakeFirstOrThrow()
    if (pid !== null) return { pid }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('told to pause and at once to finish, a job finishes', async (t) => {
  const served = await serveFake(t)
  const id = await create(served, await upload(served.client, sftRows))
  await eventOf(served.client, id, /^Step \d+\/5000/)
  await served.client.fineTuning.jobs.pause(id)
  await finish(served, id)
  const job = await jobEnd(served.client, id)
  assert.deepEqual([job.status, job.error], ['succeeded', null])
  assert.ok((await lastLine(served, job))[0]! < steps)
})

test('what has learnt nothing, or is over, cannot be finished; what finishes cannot be paused, but cancelled', async (t) => {
  const served = await serveFake(t)
  const { client } = served
  const file = await upload(client, sftRows)
  const [running, waiting] = [await create(served, file), await create(served, file)]
  await eventOf(client, running, /^Step \d+\/5000/)
  await eventOf(client, waiting, /in the queue/)
  await assert.rejects(finish(served, waiting), (error: unknown) => error instanceof OpenAI.BadRequestError && /is queued and has learnt nothing yet/.test(error.message))
  await client.fineTuning.jobs.cancel(waiting)
  await assert.rejects(finish(served, waiting), (error: unknown) => error instanceof OpenAI.BadRequestError && /already been cancelled/.test(error.message))
  await assert.rejects(finish(served, 'ftjob-none'), OpenAI.NotFoundError)
  await finish(served, running)
  await assert.rejects(client.fineTuning.jobs.pause(running), (error: unknown) => error instanceof OpenAI.BadRequestError && /about to finish|already/.test(error.message))
  const ended = await client.fineTuning.jobs.cancel(running).catch(() => client.fineTuning.jobs.retrieve(running))
  assert.match(ended.status, /cancelled|succeeded/)
})
