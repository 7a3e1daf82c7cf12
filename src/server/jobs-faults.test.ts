/** What jobs survive: the death of their server, at any moment, and its orderly end. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import OpenAI from 'openai'
import { folderName } from '../registry/names.ts'
import { checkpointDirectory } from '../train/job.ts'
import { digestOf, eventOf, jobEnd, sftRows, upload } from './fixtures/jobs.ts'

interface ServerProcess {
  readonly client: OpenAI
  readonly output: () => string
  /** @returns the exit code; null where the signal ended it */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>
}

async function startProcess(t: TestContext, directory: string): Promise<ServerProcess> {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'fixtures/serve-jobs.ts'), directory], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  child.stderr!.on('data', (text: Buffer) => { output += text.toString() })
  const ended = new Promise<number | null>((resolve) => { child.on('close', resolve) })
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', (text: Buffer) => { resolve(text.toString().trim()) })
    ended.then((code) => { reject(new Error(`the server ended with ${code}: ${output}`)) }, reject)
  })
  return {
    client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }),
    output: () => output,
    end: async (signal) => {
      child.kill(signal)
      return ended
    },
  }
}

async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'jobs-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function createJob(client: OpenAI, file: string, steps: number, suffix: string): Promise<string> {
  const posttrain = { base: { precision: 'f32' }, recipe: { steps, max_length: 64, optimizer: { lr: 0.01 }, checkpoint: { every_steps: 3 } } }
  const body = { model: 'tiny-llama', training_file: file, validation_file: file, seed: 3, suffix, posttrain }
  return (await client.fineTuning.jobs.create(body as OpenAI.FineTuning.JobCreateParams)).id
}

/** Where a job's adapter lies, or that of one of its checkpoints. */
function adapterDirectory(directory: string, model: string): string {
  const [own, step] = model.split(':ckpt-step-')
  const path = join(directory, 'adapters', folderName(own!))
  return step === undefined ? path : checkpointDirectory(path, Number(step))
}

test('kill -9 of the server at different moments: each job that was acknowledged ends as if nothing had been', async (t) => {
  const directory = await scratch(t)
  let server = await startProcess(t, directory)
  const file = await upload(server.client, sftRows)
  const ids = [await createJob(server.client, file, 40, 'first'), await createJob(server.client, file, 40, 'second')]
  // At once; while the files are checked; while it trains, before and after a checkpoint; when the first is done.
  const moments = [undefined, /Files validated/, /^Step \d+\/40/, /Checkpoint created at step (9|1\d)/, /^Step (2|3)\d\/40/, /New fine-tuned model/]
  for (const moment of moments) {
    if (moment !== undefined) await eventOf(server.client, ids[0]!, moment)
    assert.equal(await server.end('SIGKILL'), null)
    server = await startProcess(t, directory)
  }
  const jobs = []
  for (const id of ids) jobs.push(await jobEnd(server.client, id))
  assert.deepEqual(jobs.map(({ status, error }) => [status, error]), [['succeeded', null], ['succeeded', null]])
  // The same seed and rows: the killed job's adapter is that of the one that came after.
  const digests = []
  for (const { fine_tuned_model } of jobs) digests.push(await digestOf(adapterDirectory(directory, fine_tuned_model!)))
  assert.equal(digests[0], digests[1])
  for (const { id } of (await server.client.models.list()).data.filter(({ id }) => id.startsWith('ft:'))) {
    assert.deepEqual((await readdir(adapterDirectory(directory, id))).sort(), ['adapter_config.json', 'adapter_model.safetensors'], id)
  }
  const restarts = []
  for await (const { message } of server.client.fineTuning.jobs.listEvents(ids[0]!)) if (/server ended/.test(message)) restarts.push(message)
  assert.ok(restarts.length >= 3, `the job ran at only ${restarts.length} of the kills`)
  assert.equal(await server.end('SIGTERM'), 0)
  assert.equal(server.output(), '')
})

test('a server that is told to end stops its job at a checkpoint, and the next goes on with it', async (t) => {
  const directory = await scratch(t)
  const before = await startProcess(t, directory)
  const id = await createJob(before.client, await upload(before.client, sftRows), 400, 'x')
  await eventOf(before.client, id, /^Step \d+\/400/)
  assert.equal(await before.end('SIGTERM'), 0)
  assert.ok(existsSync(join(directory, 'jobs', id, 'run/checkpoints')))
  const next = await startProcess(t, directory)
  await eventOf(next.client, id, /goes on from step [1-9]/)
  assert.equal((await next.client.fineTuning.jobs.cancel(id)).status, 'cancelled')
  assert.equal(await next.end('SIGTERM'), 0)
})

test('kill -9 of the server after a job was told to finish, at different moments: it finishes, once, with what it had learnt', async (t) => {
  const directory = await scratch(t)
  let server = await startProcess(t, directory)
  const file = await upload(server.client, sftRows)
  const id = await createJob(server.client, file, 5000, 'told')
  await eventOf(server.client, id, /Checkpoint created/)
  assert.equal((await server.client.post<{ status: string }>(`/fine_tuning/jobs/${id}/finish`)).status, 'running')
  // At once; when it goes on; when its last step is done.
  for (const moment of [undefined, /goes on from step/, /Told to finish after/]) {
    if (moment !== undefined) await eventOf(server.client, id, moment).catch(() => undefined)
    await server.end('SIGKILL')
    server = await startProcess(t, directory)
  }
  const job = await jobEnd(server.client, id)
  assert.deepEqual([job.status, job.error], ['succeeded', null])
  const { data } = await server.client.models.list()
  assert.equal(data.filter((model) => model.id === job.fine_tuned_model).length, 1)
  const steps = (await (await server.client.files.content(job.result_files[0]!)).text()).trim().split('\n').slice(1).map((line) => Number(line.split(',')[0]))
  assert.ok(steps.length < 5000)
  assert.deepEqual(steps, Array.from({ length: steps.length }, (_, i) => i + 1))
  const through = await jobEnd(server.client, await createJob(server.client, file, steps.length, 'through'))
  const digest = (model: string | null): Promise<string> => digestOf(adapterDirectory(directory, model!))
  assert.equal(await digest(job.fine_tuned_model), await digest(through.fine_tuned_model))
  await server.end('SIGTERM')
})
