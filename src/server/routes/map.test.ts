import assert from 'node:assert/strict'
import { test } from 'node:test'
import type OpenAI from 'openai'
import { EvaluationCalls } from '../fixtures/evaluations.ts'
import { jobEnd, pairRows, promptRows, sftRows, upload } from '../fixtures/jobs.ts'
import { serveFake } from '../fixtures/server.ts'
import type { WireMap } from './evaluations-wire.ts'

const posttrain = { recipe: { steps: 12, max_length: 64, optimizer: { lr: 0.01 }, checkpoint: { every_steps: 100 } }, base: { precision: 'f32' } }

async function train(client: OpenAI, model: string, body: object): Promise<OpenAI.FineTuning.FineTuningJob> {
  const { id } = await client.fineTuning.jobs.create({ model, seed: 3, posttrain, ...body } as unknown as OpenAI.FineTuning.JobCreateParams)
  return jobEnd(client, id)
}

test('a chain of jobs, measured by itself: base -> v1 -> v2 on one suite, each arrow a run', async (t) => {
  const { client, server, log } = await serveFake(t, { evaluateJobs: true })
  const calls = new EvaluationCalls(client)
  const map = async (query: Record<string, string> = {}): Promise<WireMap> => client.get<WireMap>('/map', { query })
  const empty = await map()
  assert.deepEqual([empty.suites, empty.suite, empty.points, empty.arrows], [[], null, [], []])

  const file = await upload(client, sftRows)
  const first = await train(client, 'tiny-llama', { training_file: file, validation_file: file })
  const second = await train(client, first.fine_tuned_model!, { training_file: file, validation_file: file })
  const [base, v1, v2] = ['tiny-llama', first.fine_tuned_model!, second.fine_tuned_model!]
  const evaluations = await calls.ended()
  assert.deepEqual(evaluations.map(({ model, job }) => [model, job]), [[v2, second.id], [v1, first.id], [base, first.id]], 'what was measured is not measured again')

  const { suites, suite, points, arrows, unmeasured } = await map()
  assert.deepEqual(suites.map(({ id, models }) => [id, models]), [[suite!.id, 3]])
  assert.deepEqual(points.map(({ model }) => model).toSorted(), [base, v1, v2].toSorted())
  assert.deepEqual(points.find(({ model }) => model === base)!.preference, { value: 0.5, low: 0.5, high: 0.5 })
  for (const { model, evaluation, correctness, preference } of points) {
    assert.deepEqual(correctness, evaluations.find(({ id }) => id === evaluation)!.result!.score)
    assert.ok(preference.low <= preference.value && preference.value <= preference.high, model)
  }
  assert.ok(points.find(({ model }) => model === v2)!.correctness.value > points.find(({ model }) => model === base)!.correctness.value, 'it learned its own rows')
  assert.deepEqual(arrows, [
    { run: first.id, method: 'sft', from: base, to: v1 }, { run: second.id, method: 'sft', from: v1, to: v2 },
  ])
  assert.deepEqual(unmeasured, [])

  await server.context.adapters.aliases.move('bot', v2!, 'test')
  assert.deepEqual((await map()).points.map(({ model, aliases }) => [model, aliases]).filter(([, aliases]) => aliases!.length > 0), [[v2, ['bot']]])
  // Without v1's measurement the arrow begins at the nearest ancestor that has one.
  await client.delete(`/evaluations/${evaluations.find(({ model }) => model === v1)!.id}`)
  const without = await map({ suite: suite!.id })
  assert.deepEqual(without.arrows, [{ run: second.id, method: 'sft', from: base, to: v2 }])
  assert.deepEqual(without.unmeasured, [{ model: v1, run: first.id }])
  await assert.rejects(map({ suite: 'suite_none' }), { status: 404 })
  assert.deepEqual(log, [])
})

test('on pairs the preference is the accuracy on them; without held-out rows nothing is measured', async (t) => {
  const { client } = await serveFake(t, { evaluateJobs: true })
  const calls = new EvaluationCalls(client)
  const pairs = await upload(client, pairRows)
  const job = await train(client, 'tiny-llama', { training_file: pairs, validation_file: pairs, method: { type: 'dpo', dpo: { hyperparameters: { batch_size: 4 } } } })
  assert.deepEqual([job.status, job.error], ['succeeded', null])
  const evaluations = await calls.ended()
  const { points, preference } = await client.get<WireMap>('/map')
  assert.match(preference, /held-out pairs/)
  for (const point of points) assert.deepEqual(point.preference, evaluations.find(({ id }) => id === point.evaluation)!.result!.preference_accuracy)
  assert.equal(points.length, 2)

  const unasked = await train(client, 'tiny-llama', { training_file: pairs, method: { type: 'dpo', dpo: { hyperparameters: { batch_size: 4 } } } })
  assert.equal(unasked.status, 'succeeded')
  assert.deepEqual(await calls.list({ job: unasked.id }), [], 'nothing is held out')
  const spared = await train(client, 'tiny-llama', { training_file: pairs, validation_file: pairs, method: { type: 'dpo' }, posttrain: { ...posttrain, evaluate: false } })
  assert.equal(spared.status, 'succeeded')
  assert.deepEqual(await calls.list({ job: spared.id }), [], 'the job says so')
})

test('what learned from a reward is measured by it', async (t) => {
  const { client } = await serveFake(t, { evaluateJobs: true })
  const grader = { type: 'string_check', name: 'same', operation: 'eq', input: '{{sample.output_text}}', reference: '{{item.word}}' }
  const prompts = await upload(client, promptRows)
  const job = await train(client, 'tiny-llama', {
    training_file: prompts, validation_file: prompts,
    method: { type: 'reinforcement', reinforcement: { grader, hyperparameters: { batch_size: 2, compute_multiplier: 0.25 } } },
    posttrain: { base: { precision: 'f32' }, recipe: { steps: 2, grpo: { max_new_tokens: 4 } } },
  })
  assert.deepEqual([job.status, job.error], ['succeeded', null])
  const evaluations = await new EvaluationCalls(client).ended()
  assert.deepEqual(evaluations.map(({ model, status }) => [model, status]), [[job.fine_tuned_model, 'succeeded'], ['tiny-llama', 'succeeded']])
  const { grader: measured, sampling } = evaluations[0]!.suite
  assert.deepEqual([measured, sampling.max_tokens], [grader, 4])
})
