import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { curlOf, typescriptOf } from './call-text.ts'
import { draftOfQuery, draftOfRequest, emptyDraft, queryOfDraft, requestOf, type Draft } from './draft.ts'
import { memoryText, memoryWarning, timeText } from './estimate.ts'
import { defaultOf, fieldOfParam, fields, fieldsOf, valueOf, withValue } from './fields.ts'
import { readGrader } from './graders.ts'
import { indented, markedLines, offsetOf, unplaced } from './marks.ts'
import { keptRank, modelsOf } from './models.ts'
import { dataPlace, datasetPath, graderFields, methodFor, sizeText } from './sources.ts'

const full: Draft = {
  data: 'dataset:support@3', heldOut: 'file-1', model: 'bot', method: 'dpo', suffix: 'v2', alias: 'bot',
  settings: {
    hyperparameters: { n_epochs: 2, beta: 0.2 }, adapter: { loraplus_ratio: 16 }, base: { precision: 'int8' },
    recipe: { optimizer: { lr: 1e-4 }, dpo: { loss: 'ipo' } }, seed: 7, metadata: { team: 'a' }, webhook: { url: 'https://example.com' },
  },
}

/** As the address has it: through the text and back. */
function throughAddress(draft: Draft): Draft {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(queryOfDraft(draft))) if (value !== undefined) query.set(key, value)
  return draftOfQuery(new URLSearchParams(query.toString()))
}

test('a draft survives the address, and an address that was cut is read as far as it goes', () => {
  assert.deepEqual(throughAddress(full), full)
  assert.deepEqual(throughAddress(emptyDraft), emptyDraft)
  assert.deepEqual(queryOfDraft(emptyDraft), { data: undefined, eval: undefined, model: undefined, method: undefined, suffix: undefined, alias: undefined, settings: undefined })
  for (const query of ['settings={"adapter"', 'settings=3', 'settings=[]', 'method=sftt']) {
    assert.deepEqual(draftOfQuery(new URLSearchParams(query)), emptyDraft, query)
  }
})

test('a draft becomes a request and the request the draft again', () => {
  assert.deepEqual(requestOf({ ...full, method: 'dpo' }, 'base'), {
    model: 'bot', training_file: 'dataset:support@3', validation_file: 'file-1', suffix: 'v2', seed: 7, metadata: { team: 'a' },
    method: { type: 'dpo', dpo: { hyperparameters: { n_epochs: 2, beta: 0.2 } } },
    posttrain: {
      adapter: { loraplus_ratio: 16 }, base: { precision: 'int8' }, recipe: { optimizer: { lr: 1e-4 }, dpo: { loss: 'ipo' } }, alias: 'bot', webhook: { url: 'https://example.com' },
    },
  })
  assert.deepEqual(draftOfRequest(requestOf({ ...full, method: 'dpo' }, 'base'), full, 'base'), full)
  const ppo = { ...emptyDraft, data: 'file-2', method: 'ppo' as const, settings: { grader: { type: 'length', unit: 'words' }, recipe: { ppo: { kl_coef: 0.1 } } } }
  assert.deepEqual(draftOfRequest(requestOf(ppo, 'base'), emptyDraft, 'base'), ppo)
  assert.deepEqual(requestOf({ ...emptyDraft, data: 'd', method: 'sft' }, 'base'), { model: 'base', training_file: 'd', method: { type: 'supervised' }, seed: 0 })
})

test('what another method was told is not said', () => {
  const { method, posttrain } = requestOf({ ...full, method: 'sft' }, 'base')
  assert.deepEqual(method, { type: 'supervised', supervised: { hyperparameters: { n_epochs: 2 } } })
  assert.deepEqual(posttrain?.recipe, { optimizer: { lr: 1e-4 } })
})

test('fields are read, set and taken away; empty blocks go with them', () => {
  const lr = fields.find(({ id }) => id === 'lr')!
  assert.equal(valueOf(full, lr), 1e-4)
  assert.deepEqual(withValue(full, lr, undefined).settings.recipe, { dpo: { loss: 'ipo' } })
  assert.deepEqual(withValue(withValue(emptyDraft, lr, 3), lr, undefined), emptyDraft)
  assert.equal(defaultOf({ optimizer: { lr: 0.5 } } as never, lr, 'dpo'), '0.5')
  assert.equal(defaultOf(undefined, lr, 'dpo'), '')
})

test('a refused key leads to its field, for every field of every method', () => {
  for (const method of ['sft', 'dpo', 'kto', 'grpo', 'ppo'] as const) {
    for (const { id, path: [block, ...keys] } of fieldsOf(method)) {
      const param = block === 'hyperparameters' ? `method.any.hyperparameters.${keys.join('.')}` : `posttrain.${[block, ...keys].join('.')}`
      assert.equal(fieldOfParam(param, method), id, `${method} ${param}`)
    }
  }
  assert.deepEqual(['training_file', 'model', 'posttrain.alias', 'method.reinforcement.grader.type', 'posttrain.webhook.url'].map((param) => fieldOfParam(param, 'grpo')),
    ['data', 'model', 'alias', 'grader', undefined])
})

test('faults stand at their lines; beyond the end, at the last', () => {
  const fault = (line: number | null, column: number | null = 1) => ({ line, column, key: 'batch', message: 'wrong' })
  const text = 'model: m\n  batch: x\nseed: 1'
  assert.deepEqual(markedLines(text, [fault(2), fault(9), fault(null)]).map(({ number, faults }) => [number, faults.length]), [[1, 0], [2, 1], [3, 1]])
  assert.deepEqual(markedLines('a: 1   # a note\nb: "#1"\n', []).map(({ code }) => code), [4, 7, 0])
  assert.equal(unplaced([fault(2), fault(null)]).length, 1)
  assert.equal(text.slice(offsetOf(text, fault(2, 3))), 'batch: x\nseed: 1')
  assert.equal(offsetOf(text, fault(40, 40)), text.length)
  assert.equal(offsetOf(text, fault(null, null)), 0)
  assert.deepEqual(indented('ab', 1, 2), { text: 'a  ', cursor: 3 })
})

const awkward = requestOf({ ...emptyDraft, data: 'd', method: 'sft', suffix: `it's "$HOME" \\ \`x\`` }, 'base')

test('the curl call gives a shell the very request', () => {
  const command = curlOf(awkward, 'http://127.0.0.1:1', { key: true })
  assert.match(command, /authorization: Bearer \$POSTTRAIN_KEY/)
  const echoed = execFileSync('sh', ['-c', command.replace(/^curl/, 'printf "%s\\0"')], { encoding: 'utf8' }).split('\0')
  assert.deepEqual(JSON.parse(echoed.at(-2)!), awkward)
})

test('the TypeScript call has the very request', () => {
  const body = /body: (\{[\s\S]*\}),\n\}\)/.exec(typescriptOf(awkward, 'http://127.0.0.1:1'))![1]!
  assert.deepEqual(new Function(`return ${body}`)(), awkward)
})

test('models are told apart, and a job keeps the rank of what it goes on from', () => {
  const adapter = (id: string, source: string, created: number) => ({ id, created, parent: 'base', posttrain: { kind: 'adapter' as const, rank: 16, source } })
  const models = modelsOf([
    { id: 'base', created: 1, parent: null }, adapter('one', 'job', 2), adapter('two', 'job', 3), adapter('one:ckpt', 'checkpoint', 2),
    { id: 'bot', created: 4, parent: 'base', posttrain: { kind: 'alias', adapter: 'one' } },
    { id: 'new', created: 5, parent: 'base', posttrain: { kind: 'alias', adapter: null } },
  ])
  assert.deepEqual([models.base, models.adapters.map(({ id }) => id), models.checkpoints.map(({ id }) => id)], ['base', ['two', 'one'], ['one:ckpt']])
  assert.deepEqual(['', 'bot', 'new', 'one:ckpt'].map((id) => keptRank(models, id)), [undefined, 16, undefined, 16])
})

test('data in words', () => {
  assert.equal(sizeText({ kind: 'labelled', train: 1200, heldOut: 12, labels: { up: 800, down: 400 } }), '1,200 thumbs (800 up, 400 down), 12 held out')
  assert.equal(sizeText({ kind: 'pairs', train: 1, heldOut: 0, labels: undefined }), '1 pair, none held out')
  assert.equal(sizeText({ kind: 'prompts', train: 9, heldOut: undefined, labels: undefined }), '9 prompts')
  assert.deepEqual([datasetPath('dataset:a b'), datasetPath('dataset:a@3')], ['/v1/datasets/a%20b', '/v1/datasets/a/versions/3'])
  assert.deepEqual([methodFor('prompts', undefined), methodFor('prompts', 'ppo'), methodFor('labelled', 'dpo')], ['grpo', 'ppo', 'kto'])
  assert.deepEqual([dataPlace('dataset:a@3'), dataPlace('dataset:a'), dataPlace('file-1')], [['dataset', 'a', '3'], ['dataset', 'a'], ['file', 'file-1']])
  assert.deepEqual(graderFields({ prompt: 'p', messages: [], answer: 4, meta: {}, city: 'Rome' }), ['answer', 'city'])
  assert.ok('fault' in readGrader('{') && 'fault' in readGrader(' ') && 'grader' in readGrader('{}'))
})

test('estimates in words', () => {
  const machine = { memory_mb: 16_384, cores: 2, cpu: 'x' }
  assert.deepEqual([0.4, 6.4, 75].map((seconds) => timeText({ seconds })), ['about 1 s', 'about 6 s', 'about 1 min 15 s'])
  assert.equal(memoryText({ memory_mb: 1024, machine }), 'about 1.1 GB of 17.2 GB')
  assert.equal(memoryWarning({ memory_mb: 1024, machine }), undefined)
  assert.match(memoryWarning({ memory_mb: 15_000, machine })!, /more than the machine can spare/)
})
