import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jobEnd, labelRows, pairRows, promptRows, sftRows, upload } from '../fixtures/jobs.ts'
import { serveFake, tinyModel, type TestServer } from '../fixtures/server.ts'
import type { RecipeAccepted, RecipeCheck, RecipeText } from './recipes-wire.ts'

async function check({ post }: TestServer, yaml: string, named: object = {}): Promise<RecipeCheck> {
  const response = await post('/v1/recipes/check', { yaml, ...named })
  assert.equal(response.status, 200)
  return await response.json() as RecipeCheck
}

async function render({ post }: TestServer, request: object): Promise<RecipeText> {
  const response = await post('/v1/recipes/render', { request })
  const body = await response.json() as RecipeText
  assert.equal(response.status, 200, JSON.stringify(body))
  return body
}

const grader = { type: 'string_check', name: 'same', operation: 'eq', input: '{{sample.output_text}}', reference: '{{item.word}}' }

/** Requests of every method: with nothing said, and with all that can be. */
const requests: Readonly<Record<string, readonly [rows: readonly object[], request: object]>> = {
  'sft, nothing said': [sftRows, {}],
  'sft': [sftRows, {
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 2, batch_size: 4, learning_rate_multiplier: 0.5 } } }, seed: 7,
    posttrain: { adapter: { rank: 16, alpha: 16, use_rslora: true, targets: ['q_proj', 'v_proj'] }, base: { precision: 'int8' }, recipe: { schedule: { name: 'cosine', warmup: 0.1 } } },
  }],
  'dpo': [pairRows, {
    method: { type: 'dpo', dpo: { hyperparameters: { beta: 0.2 } } },
    posttrain: { recipe: { steps: 5, dpo: { loss: 'ipo' }, optimizer: { betas: [0.8, 0.99] }, checkpoint: { every_steps: 2 } } },
  }],
  'kto': [labelRows, { method: { type: 'kto' }, posttrain: { recipe: { kto: { undesirable_weight: 2 }, shuffle: true, max_length: 512 } } }],
  'grpo': [promptRows, {
    method: { type: 'reinforcement', reinforcement: { grader, hyperparameters: { compute_multiplier: 0.5 } } },
    posttrain: { recipe: { grpo: { beta: 0.04, max_new_tokens: 16, epsilon_high: 0.28 } } },
  }],
  'ppo': [promptRows, {
    method: { type: 'reinforcement', reinforcement: { grader: [{ grader, weight: 2 }, { grader: { type: 'length', unit: 'words', max: 3 }, weight: 1 }] } },
    posttrain: { algorithm: 'ppo', recipe: { ppo: { kl_target: 6 }, threads: 1 } },
  }],
}

/** What a recipe was accepted as. */
async function accepted(server: TestServer, yaml: string, named: object = {}): Promise<RecipeAccepted> {
  const answer = await check(server, yaml, named)
  if (answer.issues !== undefined) assert.fail(JSON.stringify(answer.issues))
  return answer
}

/** What is wrong with a recipe: `3:1 batch …`, and the key that it is said of. */
async function faults(server: TestServer, yaml: string, named: object = {}): Promise<string[]> {
  const { issues } = await check(server, yaml, named)
  assert.ok(issues, `the recipe was accepted:\n${yaml}`)
  return issues.map(({ line, column, key, message }) => `${line}:${column} [${key}] ${message}`)
}

test('a request becomes YAML, and the YAML the request of the very same recipe, for every method', async (t) => {
  const server = await serveFake(t)
  for (const [name, [rows, request]] of Object.entries(requests)) {
    const training_file = await upload(server.client, rows)
    for (const validation_file of [undefined, await upload(server.client, rows)]) {
      const first = await render(server, { model: 'tiny-llama', training_file, validation_file, ...request })
      const back = await accepted(server, first.yaml)
      assert.deepEqual(back.recipe, first.recipe, name)
      const again = await render(server, back.request)
      assert.deepEqual(again, first, name)
      assert.deepEqual((await accepted(server, again.yaml)).request, back.request, name)
    }
  }
})

test('what is left out is as in a recipe; what a request has words of its own for is said in them', async (t) => {
  const server = await serveFake(t)
  const training_file = await upload(server.client, pairRows)
  const { request, recipe } = await accepted(server, `model: tiny-llama\nmethod: dpo\ndata: ${training_file}\nbatch: 4\ndpo: {beta: 0.3, loss: hinge}\noptimizer: {lr: 1e-4}\n`)
  assert.deepEqual(request, {
    model: 'tiny-llama', training_file, seed: 0,
    method: { type: 'dpo', dpo: { hyperparameters: { n_epochs: 1, batch_size: 4, beta: 0.3 } } },
    posttrain: { recipe: { optimizer: { lr: 1e-4 }, dpo: { loss: 'hinge' } } },
  })
  assert.deepEqual([recipe.epochs, recipe.batch, recipe.adapter.rank, recipe.max_length], [1, 4, 8, 1024])
})

test('the request of a recipe is a job', async (t) => {
  const server = await serveFake(t)
  const training_file = await upload(server.client, sftRows)
  const { request, recipe } = await accepted(server, `model: tiny-llama\nmethod: sft\ndata: ${training_file}\nsteps: 2\nbase: {precision: f32}\n`)
  const job = await jobEnd(server.client, (await server.client.fineTuning.jobs.create(request as never)).id)
  assert.equal(job.status, 'succeeded')
  assert.deepEqual((job as unknown as { posttrain: { recipe: object } }).posttrain.recipe, JSON.parse(JSON.stringify(recipe)))
})

test('a recipe of another machine: its model and files are named by the API\'s names', async (t) => {
  const server = await serveFake(t)
  const training_file = await upload(server.client, sftRows)
  const yaml = `model: ${tinyModel}\nmethod: sft\ndata: data/train.jsonl\neval: data/eval.jsonl\n`
  const { request } = await accepted(server, yaml, { training_file, validation_file: training_file })
  assert.deepEqual([request.model, request.training_file, request.validation_file], ['tiny-llama', training_file, training_file])
  assert.deepEqual(await faults(server, yaml, { model: 'other', training_file, validation_file: training_file }),
    ['1:1 [model] The model `other` does not exist here: train tiny-llama, or one of its adapters'])
})

test('a dataset brings its held-out rows along; a job that goes on from an adapter leaves its shape as it is', async (t) => {
  const server = await serveFake(t)
  for (let i = 0; i < 40; i++) {
    const content = `question ${i}: ${String.fromCodePoint(0x4e00 + i).repeat(9)}`
    const answer = await server.client.chat.completions.create({ model: 'tiny-llama', messages: [{ role: 'user', content }] })
    await server.post('/v1/feedback', { completion_id: answer.id, name: 'thumbs', value: i % 2 === 0 })
  }
  assert.equal((await server.post('/v1/datasets', { name: 'thumbs', kind: 'labelled', eval_fraction: 0.2 })).status, 201)
  const yaml = 'model: tiny-llama\nmethod: kto\ndata: dataset:thumbs\n'
  const { request, recipe } = await accepted(server, `${yaml}eval_every: 2\nkeep: best\n`)
  assert.deepEqual([request.training_file, request.validation_file, recipe.data[0]!.path, recipe.eval], ['dataset:thumbs', undefined, 'dataset:thumbs@1', 'dataset:thumbs@1'])
  assert.doesNotMatch((await render(server, request)).yaml, /^eval:/m)
  assert.match((await faults(server, yaml.replace('kto', 'dpo')))[0]!, /^3:1 \[data\] dataset:thumbs holds rows of the kind "labelled", and method dpo learns from "pairs"$/)

  await server.fetch('/v1/aliases/bot', { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"adapter": null}' })
  const job = await server.client.fineTuning.jobs.create({ ...request, method: { type: 'kto' }, posttrain: { alias: 'bot', recipe: { steps: 1 }, base: { precision: 'f32' } } } as never)
  const { fine_tuned_model: adapter, error } = await jobEnd(server.client, job.id)
  assert.equal(error, null)
  await server.fetch('/v1/aliases/bot', { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ adapter }) })
  const text = await render(server, { ...request, model: 'bot' })
  assert.match(text.yaml, /^model: bot$/m)
  assert.doesNotMatch(text.yaml, /rank:|init:/)
  const goneOn = await accepted(server, text.yaml)
  assert.deepEqual([goneOn.request.model, goneOn.recipe.adapter.init, goneOn.request.posttrain?.adapter], ['bot', adapter, undefined])
  assert.equal((await accepted(server, `model: tiny-llama\nmethod: kto\ndata: dataset:thumbs\nadapter:\n  init: ${adapter!}\n`)).request.model, adapter)
  assert.match((await faults(server, 'model: bot\nmethod: kto\ndata: dataset:thumbs\nadapter:\n  rank: 4\n'))[0]!, /^5:3 \[adapter\.rank\] the job goes on with .*: leave adapter\.rank out$/)
})

test('what is wrong is named at its line: YAML, recipe, files, and what no job can do', async (t) => {
  const server = await serveFake(t)
  const data = await upload(server.client, sftRows)
  const minimal = `model: tiny-llama\nmethod: sft\ndata: ${data}\n`
  const cases: Readonly<Record<string, readonly string[]>> = {
    [`${minimal}batch: [1\n`]: ['5:1 [] not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    [`${minimal}bacth: 4\nadapter:\n  rank: 0\n`]: ['6:3 [adapter.rank] adapter.rank must be greater than 0, got 0', '4:1 [bacth] unknown key bacth; did you mean batch?'],
    'model: tiny-llama\nmethod: sft\nbatch: 0\ndata: file-none\n': ['4:1 [data] invalid data: file-none does not exist', '3:1 [batch] batch must be greater than 0, got 0'],
    'method: sft\n': ['null:null [model] model is missing', 'null:null [data] data is missing'],
    [`${minimal}output: runs/mine\ndevice: webgpu\n`]: ['5:1 [device] device cannot be set in a request; what can be is adapter, base, optimizer, schedule, batch, epochs, steps, max_length, shuffle, stop, keep, eval_every, checkpoint, threads, tokens_per_micro_batch, sft'],
    [`${minimal}adapter: {type: none}\n`]: ['4:11 [adapter.type] adapter.type: a job trains an adapter; full fine-tuning is for `posttrain train`'],
    [`${minimal}adapter: {init: pissa}\n`]: ['4:11 [adapter.init] adapter.init: pissa is for `posttrain train`'],
    [`${minimal}batch: 5000\n`]: ['4:1 [batch] batch: Too big: expected number to be <=4096, got 5000'],
    [minimal.replace('sft', 'reward')]: ['2:1 [method] method: a reward model is trained by `posttrain train`, not by a job'],
    [`${minimal.replace('sft', 'grpo')}grpo:\n  reward: {type: string_chek}\n`]: ['5:3 [grpo.reward] grader.type: there is no grader of type "string_chek"; did you mean "string_check"?'],
    [`model: tiny-llama\nmethod: sft\ndata: [${data}, ${data}]\n`]: ['3:1 [data] data: a job learns from one file or dataset'],
  }
  for (const [yaml, expected] of Object.entries(cases)) assert.deepEqual((await faults(server, yaml)).toSorted(), expected.toSorted(), yaml)
})

test('a request is refused with its own key; texts too long or too large in memory are refused', async (t) => {
  const server = await serveFake(t)
  const training_file = await upload(server.client, sftRows)
  const refusal = async (path: string, body: object): Promise<readonly unknown[]> => {
    const response = await server.post(path, body)
    return [response.status, (await response.json() as { error: { param: string | null } }).error.param]
  }
  const request = { model: 'tiny-llama', training_file }
  assert.deepEqual(await refusal('/v1/recipes/render', { request: { ...request, posttrain: { adapter: { rank: 0 } } } }), [400, 'posttrain.adapter.rank'])
  assert.deepEqual(await refusal('/v1/recipes/render', { request: { ...request, method: { type: 'supervised', supervised: { hyperparameters: { batch_size: 0 } } } } }), [400, 'method.supervised.hyperparameters.batch_size'])
  const kto = { type: 'kto', kto: { hyperparameters: { batch_size: 1 } } }
  assert.deepEqual(await refusal('/v1/recipes/render', { request: { ...request, method: kto } }), [400, 'method.kto.hyperparameters.batch_size'])
  assert.deepEqual(await refusal('/v1/recipes/render', { request: { ...request, posttrain: { recipe: { adapter: { init: '/etc' } } } } }), [400, 'posttrain.recipe.adapter.init'])
  assert.deepEqual(await refusal('/v1/recipes/render', {}), [400, 'request'])
  assert.deepEqual(await refusal('/v1/recipes/check', { yaml: 'x'.repeat(20_001) }), [400, 'yaml'])
  const strange = Array.from({ length: 2000 }, (_, i) => `k${i}: 1`).join('\n')
  assert.equal((await faults(server, `model: tiny-llama\nmethod: sft\ndata: ${training_file}\n${strange}`)).length, 50)
  assert.match((await faults(server, `a: ${'['.repeat(19_000)}`))[0]!, /not valid YAML/)
})
