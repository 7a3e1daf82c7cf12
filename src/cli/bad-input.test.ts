/** Bad input through the real command line: what it says, its exit code, and that it leaves nothing behind. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import {
  adapterWith, type Files, fixtures, ggufWithTensor, modelWith, modelWithHeader, pickle, truncatedModel,
} from './fixtures/broken-models.ts'
import { type Cases, checkCases, type Circumstances, type Started, started as startedWith } from './fixtures/bad-input.ts'
import { posttrain, tree } from './fixtures/command-line.ts'

const tiny = join(fixtures, 'tiny-llama')

const row = (...turns: readonly (readonly [role: string, content: string])[]): string =>
  `${JSON.stringify({ messages: turns.map(([role, content]) => ({ role, content })) })}\n`
const goodRow = row(['user', 'hello'], ['assistant', 'a b c'])
const recipe = [
  `model: ${JSON.stringify(tiny)}`, 'method: sft', 'data: rows.jsonl', 'steps: 3', 'batch: 2', 'base: {precision: f32}',
  'output: run', '',
].join('\n')
const train = ['train', 'recipe.yaml']
const set = (...assignments: string[]): string[] => [...train, ...assignments.flatMap(text => ['--set', text])]
const ask = (model: string, ...options: string[]): string[] =>
  ['generate', '--model', model, '--prompt', 'hello', '--max-tokens', '2', ...options]
const withRows = (text: string): Files => ({ 'rows.jsonl': text })

const common = { 'rows.jsonl': goodRow, 'recipe.yaml': recipe }
const check = (title: string, cases: Cases): void => { checkCases(title, cases, common) }
const started = (name: string, args: readonly string[], circumstances: Circumstances = {}): Promise<Started> =>
  startedWith(name, args, { ...circumstances, files: { ...common, ...circumstances.files } })

check('data', {
  'malformed JSON': {
    args: train, files: withRows(`${goodRow}{"messages": [\n`),
    says: ['rows.jsonl:2: not valid JSON', 'one JSON object'], code: 2,
  },
  'unknown role': {
    args: train, files: withRows(goodRow + row(['user', 'a'], ['assistnat', 'b'])),
    says: ['rows.jsonl:2: messages[1].role: unknown role "assistnat"', 'did you mean "assistant"?'], code: 2,
  },
  'no assistant turn': {
    args: train, files: withRows(goodRow + row(['user', 'a'])),
    says: ['rows.jsonl:2: messages: has no assistant turn'], code: 2,
  },
  'every row cut to nothing': {
    args: set('max_length=2'),
    says: ['rows.jsonl:1', 'max_length 2 cuts every token', 'from every row (1 in all', 'Raise max_length'],
    code: 2,
  },
})

check('recipe', {
  'unknown key': {
    args: train, files: { 'recipe.yaml': `${recipe}optimiser: {lr: 1}\n` },
    says: ['recipe.yaml:8', 'optimiser', 'did you mean optimizer?'], code: 2,
  },
  'unknown key inside': {
    args: set('optimizer.larning_rate=1'), says: ['--set', 'optimizer.larning_rate'], code: 2,
  },
  'set without a value': { args: set('steps'), says: ['--set steps: write it as key=value'], code: 2 },
  'rank 0': {
    args: train, files: { 'recipe.yaml': `${recipe}adapter: {rank: 0}\n` },
    says: ['recipe.yaml:8', 'adapter.rank', 'greater than 0'], code: 2,
  },
  'not YAML': { args: train, files: { 'recipe.yaml': 'model: [\n' }, says: ['recipe.yaml:', 'YAML'], code: 2 },
  'no template file': {
    args: set('template=none.jinja'),
    says: ['template: none.jinja: it cannot be read', 'Give auto, none or a file'], code: 2,
  },
  'template that is none': {
    args: set('template=bad.jinja'), files: { 'bad.jinja': '{% for' },
    says: ['template: bad.jinja: The chat template is not valid Jinja'], code: 2,
  },
  'targets that match no layer': {
    args: set('adapter.targets=q_porj'), says: ['adapter.targets', 'q_porj', 'q_proj'], code: 2,
  },
  'unknown device': { args: set('device=gpu'), says: ['device', 'cpu, webgpu'], code: 2 },
  'learning rate that is no number': { args: set('optimizer.lr=.nan'), says: ['optimizer.lr'], code: 2 },
  'adapter to begin with that is not there': {
    args: set('adapter.init=none'), says: ['There is no adapter at none', 'adapter_config.json'], code: 1,
  },
})

// With a Vulkan loader but no driver, or without either; other systems' drivers cannot be hidden.
const withoutGpu = { VK_ICD_FILENAMES: '/nonexistent', VK_DRIVER_FILES: '/nonexistent' }
if (process.platform === 'linux') {
  check('webgpu without a GPU', {
    generate: {
      args: ask(tiny, '--device', 'webgpu'), env: withoutGpu,
      says: ['device webgpu: ', /use device cpu/i], code: 2,
    },
    train: {
      args: set('device=webgpu'), env: withoutGpu, says: ['device webgpu: ', /use device cpu/i], code: 2,
    },
  })
}

check('command line', {
  'unknown command': {
    args: ['generat'], says: ['there is no command generat; did you mean generate?'], code: 2,
  },
  'unknown option': {
    args: ask(tiny, '--temprature', '1'),
    says: ['unknown option --temprature; did you mean --temperature?'], code: 2,
  },
  'temperature NaN': {
    args: ask(tiny, '--temperature', 'NaN'),
    says: ['--temperature must be a number from 0 to 100, got NaN'], code: 2,
  },
  'temperature negative': { args: ask(tiny, '--temperature=-1'), says: ['--temperature', 'got -1'], code: 2 },
  'temperature negative, apart': {
    args: ask(tiny, '--temperature', '-1'),
    says: ['--temperature takes a value; write one that begins with a dash as --temperature=-VALUE'], code: 2,
  },
  'temperature huge': {
    args: ask(tiny, '--temperature', '1e400'), says: ['--temperature', 'got 1e400'], code: 2,
  },
  'top-p 0': {
    args: ask(tiny, '--top-p', '0', '--temperature', '1'), says: ['top_p is 0: it must be above 0'], code: 2,
  },
  'max-tokens 0': {
    args: ask(tiny, '--max-tokens', '0'),
    says: ['--max-tokens must be a whole number from 1', 'got 0'], code: 2,
  },
  'empty stop string': { args: ask(tiny, '--stop', ''), says: ['a stop string is empty'], code: 2 },
  'prompt longer than the context': {
    args: ['generate', '--model', tiny, '--prompt', 'word '.repeat(600)],
    says: [/the prompt has \d+ tokens; the model's context is 512\. Shorten it/], code: 2,
  },
  'unknown device of generate': {
    args: ask(tiny, '--device', 'cuda'), says: ['--device must be one of cpu, webgpu, got cuda'], code: 2,
  },
  'output below a file': {
    args: set('output=rows.jsonl/run'),
    says: [/Cannot write rows\.jsonl.run: a part of this path is a file, not a folder\. Choose another place/],
    code: 1,
  },
  'resume of a folder that holds other files': {
    args: [...train, '--resume'], files: { 'run/adapter/mine.txt': 'mine' },
    says: ['run is not a run\'s folder'], code: 2,
  },
  'merged model in place of a file': {
    args: ['merge', '--model', tiny, '--adapter', join(tiny, 'adapter'), '--output', 'rows.jsonl/merged'],
    says: ['rows.jsonl/merged'], code: 1,
  },
})

const entry = (shape: readonly number[], offsets: readonly number[]): object =>
  ({ dtype: 'F32', shape, data_offsets: offsets })
const one = JSON.stringify(entry([1], [0, 4]))
const sound = 'is not a sound safetensors file'

check('models', {
  'no weights': { args: ask('./model'), files: modelWith({}), says: ['model', 'safetensors'], code: 1 },
  'truncated weights': {
    args: ask('./model'), files: truncatedModel(50_000),
    says: [join('model', 'model.safetensors'), sound, 'tensor "', 'beyond the file'], code: 1,
  },
  'tensors that overlap': {
    args: ask('./model'),
    files: modelWithHeader(JSON.stringify({ a: entry([2], [0, 8]), b: entry([2], [4, 12]) }), { dataBytes: 12 }),
    says: [sound, 'tensor "b": its data overlaps'], code: 1,
  },
  'key twice': {
    args: ask('./model'), files: modelWithHeader(`{"a":${one},"a":${one}}`, { dataBytes: 4 }),
    says: [sound, 'the key "a" twice'], code: 1,
  },
  'size that overflows': {
    args: ask('./model'),
    files: modelWithHeader(JSON.stringify({ a: entry([2 ** 40, 2 ** 40], [0, 4]) }), { dataBytes: 4 }),
    says: [sound, 'tensor "a"', 'overflows'], code: 1,
  },
  'header of 100 MB': {
    args: ask('./model'), files: modelWithHeader('{}', { length: 100_000_001n }),
    says: [sound, 'header claims 100000001 bytes', 'limit'], code: 1,
  },
  'pickle among the files': {
    args: ask('./model'), files: modelWith({ 'pytorch_model.bin': pickle }),
    says: ['pytorch_model.bin holds pickled weights', 'can run any code'], code: 1,
  },
  'pickle under another name': {
    args: ask('./model'), files: modelWith({ 'model.safetensors': pickle }),
    says: ['model.safetensors holds pickled weights'], code: 1,
  },
  'pickle itself': {
    args: ask('./model.pt'), files: { 'model.pt': pickle }, says: ['model.pt holds pickled weights'], code: 1,
  },
  'truncated GGUF': {
    args: ask('./model.gguf'), files: { 'model.gguf': ggufWithTensor({}).subarray(0, 60) },
    says: ['model.gguf', 'past the end'], code: 1,
  },
  'GGUF tensor that overflows': {
    args: ask('./model.gguf'), files: { 'model.gguf': ggufWithTensor({ shape: [2n ** 40n, 2n ** 40n] }) },
    says: ['model.gguf', 'tensor "token_embd.weight"', 'overflow'], code: 1,
  },
  'GGUF of an unknown quantization': {
    args: ask('./model.gguf'), files: { 'model.gguf': ggufWithTensor({ type: 99 }) },
    says: ['model.gguf', 'token_embd.weight', '99'], code: 1,
  },
  'adapter of another base': {
    args: ask(tiny, '--adapter', join(fixtures, 'tiny-qwen3', 'adapter')),
    says: ['adapter_model.safetensors: tensor', 'made for another base'], code: 1,
  },
  'merge with the adapter of another base': {
    args: ['merge', '--model', tiny, '--adapter', join(fixtures, 'tiny-qwen3', 'adapter'), '--output', 'merged'],
    says: ['made for another base'], code: 1,
  },
  'pickled adapter': {
    args: ask(tiny, '--adapter', 'adapter'),
    files: adapterWith({ 'adapter_model.safetensors': undefined, 'adapter_model.bin': pickle }),
    says: ['adapter_model.bin holds pickled weights'], code: 1,
  },
  'no network': { args: ask('owner/tiny'), env: { HF_ENDPOINT: 'http://127.0.0.1:9' },
    says: ['http://127.0.0.1:9', 'cannot be reached', 'name a model that is on this machine'], code: 1 },
})

describe('runs that stop on their way', { concurrency: 2 }, () => {
  test('a loss that is not finite: the step is named, the last good checkpoint stays', async () => {
    const leaves = ['checkpoints', 'events.jsonl', 'metrics.jsonl', 'recipe.yaml', 'samples.jsonl']
    const { folder, ended } = await started('diverged', set('optimizer.lr=1e30', 'checkpoint.every_steps=1'))
    assert.match(ended.log, /^Step 2: .* is not a finite number\. .*kept in run.checkpoints\. Lower optimizer\.lr/m)
    assert.deepEqual([ended.code, ended.out, readdirSync(join(folder, 'run')).sort()], [1, '', leaves])
    assert.deepEqual(readdirSync(join(folder, 'run', 'checkpoints')), ['step-1'])
  })

  if (process.platform !== 'win32') test('a disk that is full at a checkpoint: the file is named, no half of it stays', async () => {
    const { folder, cache, ended } = await started('full', set('adapter.rank=128'), { fileLimit: 500 })
    assert.match(ended.log, /Checkpoint 3 was not saved\. Cannot write .*parameters\.safetensors: the file is larger than the system/)
    assert.deepEqual([ended.code, ended.out, readdirSync(join(folder, 'run', 'checkpoints'))], [1, '', []])
    assert.ok(!existsSync(join(folder, 'run', '.lock')))
    const again = await posttrain(set('adapter.rank=128'), { cwd: folder, env: { POSTTRAIN_CACHE: cache } })
    assert.equal(again.code, 0, again.log)
  })

  test('max_length: a warning counts the rows that it cuts and leaves out', async () => {
    const long = row(['user', 'hello '.repeat(40)], ['assistant', 'a'])
    const { ended } = await started('cut', set('max_length=64'), { files: withRows(goodRow + long + long) })
    assert.match(ended.log, /warning: rows\.jsonl: 2 rows are left out, max_length cuts all .*rows\.jsonl:2\)/)
    assert.equal(ended.code, 0, ended.log)
  })

  test('--resume in the folder of a run with other data: refused, the run as it was', async () => {
    const { folder, cache, ended } = await started('resumed', train, { files: { 'other.jsonl': goodRow } })
    assert.equal(ended.code, 0, ended.log)
    const before = tree(folder)
    const other = await posttrain([...set('data=other.jsonl'), '--resume'], { cwd: folder, env: { POSTTRAIN_CACHE: cache } })
    assert.match(other.log, /run holds another run: data differ from its recipe, run.recipe\.yaml\. .*choose another output/)
    assert.deepEqual([other.code, other.out, tree(folder)], [2, '', before])
  })
})
