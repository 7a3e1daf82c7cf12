import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

const main = join(import.meta.dirname, 'main.ts')
const tiny = join(import.meta.dirname, '..', 'models', 'fixtures', 'tiny-llama')
const folder = mkdtempSync(join(tmpdir(), 'posttrain-cli-'))
after(() => { rmSync(folder, { recursive: true }) })

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly log: string
}

/** Runs the command line in a folder of the test's own; `input` is what is typed. */
function posttrain(args: readonly string[], input = ''): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, env: { ...process.env, POSTTRAIN_CACHE: join(folder, 'cache') } })
  let out = ''
  let log = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { out += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { log += text })
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', code => { resolve({ code, out, log }) })
  })
}

function write(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

const rows = write('rows.jsonl', [
  { messages: [{ role: 'user', content: 'hello' }, { role: 'assistant', content: 'a b c' }] },
  { messages: [{ role: 'user', content: 'and now' }, { role: 'assistant', content: 'c b a' }] },
].map(row => `${JSON.stringify(row)}\n`).join(''))

describe('help and wrong usage', { concurrency: 2 }, () => {
  test('--help lists every command, each has a help of its own', async () => {
    const { code, out } = await posttrain(['--help'])
    assert.equal(code, 0)
    const names = [...out.matchAll(/^ {2}(\w+) {2,}/gm)].map(([, name]) => name!)
    assert.deepEqual(names, ['quickstart', 'train', 'score', 'generate', 'chat', 'merge', 'eval', 'data', 'advise', 'models', 'serve', 'keys', 'store', 'feedback'])
    for (const name of names) {
      const help = await posttrain([name, '--help'])
      assert.equal(help.code, 0)
      assert.match(help.out, new RegExp(`usage: posttrain ${name} `))
    }
  })

  const wrong: Readonly<Record<string, readonly [args: string[], log: RegExp]>> = {
    'a command that is not there': [['trian'], /no command trian; did you mean train\?/],
    'an option that is not there': [['score', '--modle', 'x'], /unknown option --modle; did you mean --model\?/],
    'no model': [['generate', '--prompt', 'x'], /--model is missing/],
    'no recipe': [['train'], /the recipe is missing/],
    'a recipe that is not there': [['train', 'none.yaml'], /none\.yaml: the recipe cannot be read/],
    'a temperature out of range': [['generate', '--model', 'x', '--prompt', 'y', '--temperature', 'NaN'], /--temperature must be a number from 0/],
    'an unknown precision': [['generate', '--model', tiny, '--prompt', 'y', '--precision', 'f64'], /--precision must be one of f32, int8/],
    'a format that is no file': [['generate', '--model', tiny, '--prompt', 'y', '--format', 'none.json'], /--format none\.json: it cannot be read/],
    'a schema that cannot be enforced': [['generate', '--model', tiny, '--prompt', 'y', '--format', write('not.json', '{"not": {"type": "null"}}')], /schema at # has "not"/],
    'no data file': [['score', '--model', tiny, '--data', 'none.jsonl'], /none\.jsonl: there is no such file/],
    'an action that is not there': [['models', 'pul', 'x'], /not understood: pul x/],
    'rows shown without a model': [['data', 'check', rows, '--show', '1'], /--show needs --model/],
  }
  for (const [name, [args, log]] of Object.entries(wrong)) {
    test(`${name}: exit code 2`, async () => {
      const ended = await posttrain(args)
      assert.match(ended.log, log)
      assert.deepEqual([ended.code, ended.out], [2, ''])
    })
  }

  test('a model that is not there: exit code 1', async () => {
    const ended = await posttrain(['generate', '--model', './none', '--prompt', 'x'])
    assert.match(ended.log, /There is no model at \.\/none/)
    assert.equal(ended.code, 1)
  })
})

describe('commands on a tiny model', { concurrency: 2 }, () => {
  test('score prints a pair as two lines, each with its side, and what stands after the prompt as loss', async () => {
    const pairs = write('pairs.jsonl', `${JSON.stringify({ prompt: 'hello', chosen: 'a b', rejected: 'c' })}\n`)
    const { code, out, log } = await posttrain(['score', '--model', tiny, '--data', pairs, '--json'])
    assert.equal(code, 0, log)
    const lines = out.trimEnd().split('\n').map(line => JSON.parse(line) as { ids: number[]; mask: number[]; logprobs: number[]; side: string })
    assert.deepEqual(lines.map(({ side }) => side), ['chosen', 'rejected'])
    const [chosen, rejected] = lines.map(({ ids, mask, logprobs }) => ({ ids, prompt: mask.indexOf(1), logprobs }))
    assert.equal(chosen!.prompt, rejected!.prompt)
    assert.deepEqual(chosen!.ids.slice(0, chosen!.prompt), rejected!.ids.slice(0, chosen!.prompt))
    assert.equal(chosen!.logprobs.length, chosen!.ids.length - 1)
    const plain = await posttrain(['score', '--model', tiny, '--data', pairs])
    assert.match(plain.out, /pairs\.jsonl:1 {2}chosen {2}loss [\d.]+ {2}tokens \d+\n.*pairs\.jsonl:1 {2}rejected {2}loss/)
  })

  test('score --json gives ids, and log-probabilities and mask one shorter', async () => {
    const { code, out, log } = await posttrain(['score', '--model', tiny, '--data', rows, '--json'])
    assert.deepEqual([code, log], [0, ''])
    const lines = out.trim().split('\n').map(line => JSON.parse(line) as { ids: number[]; logprobs: number[]; mask: number[] })
    assert.equal(lines.length, 2)
    for (const { ids, logprobs, mask } of lines) {
      assert.deepEqual([logprobs.length, mask.length], [ids.length - 1, ids.length - 1])
      assert.ok(logprobs.every(value => value < 0))
      assert.ok(mask.includes(1) && mask.includes(0))
    }
  })

  test('generate --json gives the answer with its tokens; the same seed gives the same', async () => {
    const args = ['generate', '--model', tiny, '--prompt', 'hello', '--max-tokens', '5', '--temperature', '1', '--seed', '3', '--json']
    const [first, second] = await Promise.all([posttrain(args), posttrain(args)])
    assert.equal(first.code, 0, first.log)
    const answer = JSON.parse(first.out) as Record<string, unknown> & { ids: number[]; logprobs: number[] }
    assert.deepEqual(Object.keys(answer), ['text', 'ids', 'logprobs', 'finish_reason', 'usage'])
    assert.equal(answer.ids.length, answer.logprobs.length)
    assert.equal(second.out, first.out)
  })

  test('generate --format holds the answer to a JSON schema, and says where it had to end before it was whole', async () => {
    const schema = write('schema.json', JSON.stringify({ type: 'object', properties: { mood: { enum: ['good', 'bad'] }, n: { type: 'integer', maximum: 9 } }, required: ['mood', 'n'] }))
    const ask = (...options: string[]) => posttrain(['generate', '--model', tiny, '--prompt', 'hello', '--temperature', '1', ...options])
    const { code, out, log } = await ask('--format', schema, '--max-tokens', '80')
    assert.equal(code, 0, log)
    const { mood, n, ...others } = JSON.parse(out) as Record<string, unknown>
    assert.ok(['good', 'bad'].includes(String(mood)) && Number.isInteger(n) && Number(n) <= 9)
    assert.deepEqual(others, {})
    const cut = await ask('--format', 'json', '--max-tokens', '1')
    assert.deepEqual([cut.code, cut.out], [1, '{\n'])
    assert.match(cut.log, /cut before it was whole JSON \(1 tokens\)/)
  })

  test('chat answers line by line and forgets at /reset', async () => {
    const { code, out, log } = await posttrain(['chat', '--model', tiny, '--max-tokens', '4', '--json'], 'hello\n/reset\nhello\n')
    assert.equal(code, 0, log)
    const [first, second, ...more] = out.trim().split('\n')
    assert.equal(second, first)
    assert.deepEqual(more, [])
  })

  test('data check names every wrong line and fails', async () => {
    const file = write('bad.jsonl', `${readFileSync(rows, 'utf8')}{oops\n`)
    const bad = await posttrain(['data', 'check', file])
    assert.equal(bad.code, 1)
    assert.match(bad.out, /bad\.jsonl:3: error: not valid JSON/)
    const good = await posttrain(['data', 'check', rows, '--model', tiny, '--show', '1'])
    assert.equal(good.code, 0, good.log)
    assert.match(good.out, /2 rows of messages, 2 usable/)
    assert.match(good.out, /⟦a b c/)
  })

  test('train, then merge: the merged model answers as the adapter does', async () => {
    const recipe = write('recipe.yaml', [
      `model: ${JSON.stringify(tiny)}`, 'method: sft', 'data: rows.jsonl', 'steps: 4', 'batch: 2', 'base: {precision: f32}',
      'optimizer: {lr: 0.05}', 'output: run',
    ].join('\n'))
    const trained = await posttrain(['train', recipe, '--set', 'seed=1', '--json'])
    assert.equal(trained.code, 0, trained.log)
    const { output, steps } = JSON.parse(trained.out) as { output: string; steps: number }
    assert.equal(steps, 4)
    const again = await posttrain(['train', recipe])
    assert.notEqual(again.code, 0, 'a second run must not silently replace the first')

    for (const merged of ['merged', 'merged.gguf']) {
      const { code, log } = await posttrain(['merge', '--model', tiny, '--adapter', output, '--output', merged, '--dtype', 'f32'])
      assert.equal(code, 0, log)
      const ask = (...model: string[]) => posttrain(['generate', ...model, '--prompt', 'hello', '--max-tokens', '8', '--json'])
      const [adapted, whole, base] = await Promise.all([
        ask('--model', tiny, '--adapter', output), ask('--model', merged), ask('--model', tiny),
      ])
      const ids = ({ out }: Ended) => (JSON.parse(out) as { ids: number[] }).ids
      assert.deepEqual(ids(whole), ids(adapted), merged)
      assert.notDeepEqual(ids(base), ids(adapted))
    }
  })

  test('merge says which base it took, and asks where it cannot know', async () => {
    const merge = (...more: string[]) =>
      posttrain(['merge', '--model', tiny, '--adapter', join(tiny, 'adapter'), '--output', 'over', '--json', ...more])
    const unknown = await merge('--base', 'dequantized')
    assert.equal(unknown.code, 2, unknown.log)
    assert.match(unknown.log, /does not say how the base was quantized.*give --precision/)
    assert.equal((await merge('--precision', 'nf4')).code, 2)
    assert.ok(!existsSync(join(folder, 'over')))
    const { code, out, log } = await merge('--base', 'dequantized', '--precision', 'nf4')
    assert.equal(code, 0, log)
    assert.deepEqual(JSON.parse(out), { output: 'over', format: 'safetensors', base: 'dequantized', precision: 'nf4' })
  })

  test('a failed merge leaves nothing behind', async () => {
    const ended = await posttrain(['merge', '--model', tiny, '--adapter', 'none', '--output', 'half'])
    assert.notEqual(ended.code, 0)
    assert.ok(!existsSync(join(folder, 'half')))
  })
})
