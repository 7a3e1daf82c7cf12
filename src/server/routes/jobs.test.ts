import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import OpenAI from 'openai'
import { digestOf, eventOf, jobEnd, jobWhen, labelRows, pairRows, promptRows, sftRows, upload } from '../fixtures/jobs.ts'
import { serveFake } from '../fixtures/server.ts'

type Params = OpenAI.FineTuning.JobCreateParams

/** OpenAI's parameters with ours beside them. */
function withOurs(params: Partial<Params> & Pick<Params, 'training_file'>, posttrain: object = {}): Params {
  return { model: 'tiny-llama', seed: 3, ...params, posttrain } as Params
}

const quick = { recipe: { steps: 12, max_length: 64, optimizer: { lr: 0.01 }, checkpoint: { every_steps: 4 } }, base: { precision: 'f32' } }

test('a supervised job by OpenAI\'s client: file, job, events, checkpoints, metrics, an adapter that can be asked for', async (t) => {
  const { client, server, directory, log } = await serveFake(t)
  const file = await upload(client, sftRows)
  const created = await client.fineTuning.jobs.create(withOurs({
    training_file: file, validation_file: file, suffix: 'my bot', metadata: { team: 'a' },
    method: { type: 'supervised', supervised: { hyperparameters: { batch_size: 4, n_epochs: 'auto', learning_rate_multiplier: 'auto' } } },
  }, quick))
  assert.equal(created.status, 'validating_files')
  assert.deepEqual([created.object, created.model, created.training_file, created.seed, created.error], ['fine_tuning.job', 'tiny-llama', file, 3, null])
  const job = await jobEnd(client, created.id)
  assert.deepEqual([job.status, job.error, log], ['succeeded', null, []])
  assert.equal(job.fine_tuned_model, `ft:tiny-llama:my-bot:${job.id.slice(-8)}`)
  assert.ok(job.trained_tokens! > 0)
  assert.equal(job.hyperparameters.batch_size, 4)

  const checkpoints = await client.fineTuning.jobs.checkpoints.list(job.id)
  assert.deepEqual(checkpoints.data.map(({ step_number }) => step_number), [12, 8, 4])
  assert.equal(checkpoints.data[1]!.fine_tuned_model_checkpoint, `${job.fine_tuned_model}:ckpt-step-8`)
  assert.ok(checkpoints.data[0]!.metrics.train_loss! > 0 && checkpoints.data[0]!.metrics.valid_loss! > 0)
  const events = []
  for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 5 })) events.push(event)
  assert.equal(events.at(0)?.message, 'The job has successfully completed')
  assert.equal(events.at(-1)?.message, `Created fine-tuning job: ${job.id}`)
  const steps = events.filter(({ type, message }) => type === 'metrics' && /training loss/.test(message)).map(({ data }) => (data as { step: number }).step)
  assert.deepEqual(steps.toReversed(), Array.from({ length: 12 }, (_, i) => i + 1))

  const csv = await (await client.files.content(job.result_files[0]!)).text()
  assert.match(csv, /^step,train_loss,valid_loss,/)
  assert.equal(csv.trim().split('\n').length, 13)
  const adapter = server.context.adapters.get(job.fine_tuned_model!)!
  assert.equal(await digestOf(adapter.directory), await digestOf(server.context.adapters.get(`${job.fine_tuned_model}:ckpt-step-12`)!.directory))
  assert.ok((await client.models.list()).data.some(({ id }) => id === job.fine_tuned_model))
  assert.equal(existsSync(join(directory, 'jobs', job.id, 'data')), false)
  const byTeam = async (team: string): Promise<number> => (await client.fineTuning.jobs.list({ metadata: { team } })).data.length
  assert.deepEqual([await byTeam('a'), await byTeam('b')], [1, 0])
})

test('each method learns from its rows', async (t) => {
  const { client } = await serveFake(t)
  const grader = { type: 'string_check', name: 'same', operation: 'eq', input: '{{sample.output_text}}', reference: '{{item.word}}' } as const
  const methods = [
    [pairRows, { type: 'dpo', dpo: { hyperparameters: { beta: 0.2, batch_size: 4 } } }],
    [labelRows, { type: 'kto', kto: { hyperparameters: { beta: 0.2, batch_size: 4 } } }],
    [promptRows, { type: 'reinforcement', reinforcement: { grader, hyperparameters: { batch_size: 2, compute_multiplier: 0.25 } } }],
  ] as const
  for (const [rows, method] of methods) {
    const block = method.type === 'reinforcement' ? { grpo: { max_new_tokens: 4 } } : {}
    const { id } = await client.fineTuning.jobs.create(withOurs(
      { training_file: await upload(client, rows), method: method as unknown as Params['method'] & object },
      { base: { precision: 'f32' }, recipe: { steps: 2, ...block } },
    ))
    const job = await jobEnd(client, id)
    assert.deepEqual([job.status, job.error], ['succeeded', null], method.type)
    assert.equal(job.method?.type, method.type)
  }
})

test('a job goes on from an adapter; the shape of the adapter is not for the request to say', async (t) => {
  const { client, server } = await serveFake(t)
  const file = await upload(client, sftRows)
  const first = await jobEnd(client, (await client.fineTuning.jobs.create(withOurs({ training_file: file }, quick))).id)
  const model = first.fine_tuned_model!
  await assert.rejects(client.fineTuning.jobs.create(withOurs({ training_file: file, model }, { adapter: { rank: 4 } })), { status: 400, param: 'posttrain.adapter.rank' })
  const second = await jobEnd(client, (await client.fineTuning.jobs.create(withOurs({ training_file: file, model }, quick))).id)
  assert.equal(second.status, 'succeeded')
  assert.equal(server.context.adapters.get(second.fine_tuned_model!)?.parentId, model)
})

test('a job whose file is wrong fails and says where; one with too few rows too', async (t) => {
  const { client, directory } = await serveFake(t)
  const wrong = await upload(client, [...sftRows, { messages: [{ role: 'assistnat', content: 'x' }] }])
  const few = await upload(client, sftRows.slice(0, 9))
  for (const [file, message] of [[wrong, /^file-\w+:13: messages\[0\]\.role: unknown role/], [few, /has 9 rows; a job needs at least 10/]] as const) {
    const job = await jobEnd(client, (await client.fineTuning.jobs.create(withOurs({ training_file: file }))).id)
    assert.equal(job.status, 'failed')
    assert.deepEqual([job.error?.code, job.error?.param], ['invalid_training_file', 'training_file'])
    assert.match(job.error!.message, message)
    assert.equal(job.error!.message.includes(directory), false)
  }
})

test('what is wrong with a request is said at once, with its key', async (t) => {
  const { client } = await serveFake(t)
  const file = await upload(client, sftRows)
  const cases: readonly (readonly [object, string, number?])[] = [
    [{ model: 'gpt-9' }, 'model', 404],
    [{ training_file: 'file-none' }, 'training_file'],
    [{ training_file: '../../etc/passwd' }, 'training_file'],
    [{ training_file: 'dataset:none' }, 'training_file'],
    [{ hyperparameters: { n_epochs: -1 } }, 'hyperparameters.n_epochs'],
    [{ method: { type: 'ppo' } }, 'method.type'],
    [{ surprise: 1 }, 'surprise'],
    [{ posttrain: { recipe: { output: '/tmp/x' } } }, 'posttrain.recipe.output'],
    [{ posttrain: { recipe: { template: '/etc/passwd' } } }, 'posttrain.recipe.template'],
    [{ posttrain: { adapter: { init: '/tmp/x' } } }, 'posttrain.adapter.init'],
    [{ posttrain: { adapter: { rank: 0 } } }, 'posttrain.adapter.rank'],
    [{ posttrain: { adapter: { type: 'none' } } }, 'posttrain.adapter.type'],
    [{ posttrain: { base: { precision: 'int9' } } }, 'posttrain.base.precision'],
    [{ posttrain: { recipe: { keep: 'best' } } }, 'posttrain.recipe.keep'],
    [{ posttrain: { alias: '../x' } }, 'posttrain.alias'],
    [{ posttrain: { alias: 'tiny-llama' } }, 'posttrain.alias'],
    [{ posttrain: { webhook: { url: 'http://169.254.169.254/latest' } } }, 'posttrain.webhook.url'],
    [{ method: { type: 'reinforcement', reinforcement: { grader: { type: 'function', file: 'x.ts' } } } }, 'method.reinforcement.grader'],
    [{ method: { type: 'reinforcement', reinforcement: { grader: '/etc/passwd' } } }, 'method.reinforcement.grader'],
  ]
  for (const [part, param, status = 400] of cases) {
    await assert.rejects(
      client.fineTuning.jobs.create({ model: 'tiny-llama', training_file: file, ...part } as Params),
      (error: InstanceType<typeof OpenAI.APIError>) => {
        assert.deepEqual([error.param, error.status], [param, status], error.message)
        return true
      },
    )
  }
  assert.equal((await client.fineTuning.jobs.list()).data.length, 0)
})

test('a job that is paused and resumed, whose process is killed, ends with the adapter of one that ran through', async (t) => {
  const { client, server, log } = await serveFake(t)
  const file = await upload(client, sftRows)
  const recipe = { steps: 60, optimizer: { lr: 0.01 }, checkpoint: { every_steps: 3 } }
  const create = async (): Promise<string> => (await client.fineTuning.jobs.create(withOurs({ training_file: file, validation_file: file }, { ...quick, recipe }))).id
  const [through, disturbed] = [await create(), await create()]
  const adapterOf = async (id: string): Promise<string> => {
    const job = await jobEnd(client, id)
    assert.deepEqual([job.status, job.error], ['succeeded', null])
    return digestOf(server.context.adapters.get(job.fine_tuned_model!)!.directory)
  }
  const expected = await adapterOf(through)

  await eventOf(client, disturbed, /^Step \d+\/60/)
  assert.equal((await client.fineTuning.jobs.pause(disturbed)).status, 'pausing')
  assert.equal((await jobWhen(client, disturbed, ({ status }) => String(status) === 'paused')).status, 'paused')
  await client.fineTuning.jobs.resume(disturbed)
  await eventOf(client, disturbed, /goes on from step/)
  const { pid } = await server.context.store.db.selectFrom('jobs').select('pid').where('id', '=', disturbed).executeTakeFirstOrThrow()
  process.kill(pid!, 'SIGKILL')
  assert.equal(await adapterOf(disturbed), expected)
  await eventOf(client, disturbed, /ended by SIGKILL/)
  assert.deepEqual(log, [])
})

test('a job can be cancelled while it waits and while it runs, and not when it is over', async (t) => {
  const { client, server, directory } = await serveFake(t)
  const file = await upload(client, sftRows)
  const long = { ...quick, recipe: { ...quick.recipe, steps: 5000 } }
  const running = await client.fineTuning.jobs.create(withOurs({ training_file: file }, long))
  const waiting = await client.fineTuning.jobs.create(withOurs({ training_file: file }, long))
  await eventOf(client, running.id, /Checkpoint created/)
  assert.equal((await client.fineTuning.jobs.retrieve(waiting.id)).status, 'queued')
  for (const { id } of [waiting, running]) {
    assert.equal((await client.fineTuning.jobs.cancel(id)).status, 'cancelled')
    await assert.rejects(client.fineTuning.jobs.cancel(id), OpenAI.BadRequestError)
    await assert.rejects(client.fineTuning.jobs.pause(id), OpenAI.BadRequestError)
    await assert.rejects(client.fineTuning.jobs.resume(id), OpenAI.BadRequestError)
  }
  await assert.rejects(client.fineTuning.jobs.cancel('ftjob-none'), OpenAI.NotFoundError)
  assert.equal((await client.fineTuning.jobs.retrieve(running.id)).fine_tuned_model, null)
  const served = server.context.adapters.list().map(({ source }) => source)
  assert.ok(served.length > 0 && served.every((source) => source === 'checkpoint'))
  assert.deepEqual((await readdir(join(directory, 'jobs', running.id))).includes('data'), false)
})

test('an alias moves to a better adapter, and stays where the new one is not surely better', async (t) => {
  const { client, server } = await serveFake(t)
  const file = await upload(client, sftRows)
  const ours = (alias: string, lr: number): object => ({ ...quick, alias, recipe: { steps: 8, optimizer: { lr } } })
  const run = async (posttrain: object, validation: boolean) => {
    const { id } = await client.fineTuning.jobs.create(withOurs({ training_file: file, ...(validation && { validation_file: file }) }, posttrain))
    const job = await jobEnd(client, id) as OpenAI.FineTuning.FineTuningJob & { posttrain: { promotion: { promote: boolean; reason: string } } }
    assert.equal(job.status, 'succeeded')
    return { model: job.fine_tuned_model, ...job.posttrain.promotion }
  }
  const { aliases } = server.context.adapters
  const good = await run(ours('bot', 0.01), true)
  assert.deepEqual([good.promote, aliases.get('bot')?.adapterId], [true, good.model])
  assert.match(good.reason, /held-out preference improves; .*95% interval \+.*general loss/)
  const unchanged = await run(ours('bot', 1e-9), true)
  assert.deepEqual([unchanged.promote, aliases.get('bot')?.adapterId], [false, good.model])
  assert.match(unchanged.reason, /does not surely improve/)
  const unmeasured = await run(ours('other', 0.01), false)
  assert.deepEqual([unmeasured.promote, aliases.get('other')], [false, undefined])
  assert.match(unmeasured.reason, /no held-out rows/)
})
