/** Adapters as recipes ask for them: LoRA+ against PEFT (bench/parity/make_adapters.py), DoRA and PiSSA through whole runs. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadModel } from '../generate/model.ts'
import { openHuggingFace } from '../models/formats/huggingface.ts'
import { parameterShapes } from '../models/graph/decoder.ts'
import { forwardFeeds, onePerBin, packedLogprobs } from '../models/graph/forward.ts'
import { RotaryTable } from '../models/graph/rotary.ts'
import { merge } from '../models/merge.ts'
import { loadAdapter } from '../models/peft.ts'
import { methods } from '../methods/index.ts'
import { Program } from '../runtime/program.ts'
import { WeightFile } from '../runtime/weights.ts'
import { gradients } from '../tensor/gradients.ts'
import { mean, neg } from '../tensor/operators.ts'
import { parameterRule } from './adapter.ts'
import { readLines } from './lines.ts'
import { createAdamW } from './optimizer.ts'
import { loraPolicy, parameterFeeds } from './policy.ts'
import { checkRecipe, type RecipeInput } from './recipe.ts'
import type { StepMetrics } from './records.ts'
import { runPaths } from './run-folder.ts'
import { train } from './train.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-adapter-'))
after(() => rm(root, { recursive: true, force: true }))
process.env['POSTTRAIN_CACHE'] = join(root, 'cache')

const fixtures = join(import.meta.dirname, '../models/fixtures')
const model = join(fixtures, 'tiny-llama')
const { config } = openHuggingFace(model)
const data = join(root, 'rows.jsonl')
const rows = ['one', 'two and a few words more', 'three', 'four of them'].map((word) => ({ prompt: `say ${word}`, completion: word }))
await writeFile(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))

function recipe(name: string, adapter: RecipeInput['adapter'], precision: RecipeInput['base'] = { precision: 'f32' }): RecipeInput {
  return { model, method: 'sft', data, adapter, base: precision, optimizer: { lr: 0.01 }, batch: 2, steps: 4, threads: 1, output: join(root, name) }
}

const digest = async (file: string): Promise<string> => createHash('sha256').update(await readFile(file)).digest('hex')

test("LoRA+: three steps as with PEFT's optimizer, decay included", async () => {
  interface Fixture {
    readonly ids: number[][]
    readonly lr: number
    readonly ratio: number
    readonly weight_decay: number
    readonly losses: number[]
    readonly final: Readonly<Record<string, { readonly norm: number; readonly first: readonly number[] }>>
  }
  const fixture = JSON.parse(await readFile(join(import.meta.dirname, 'fixtures/loraplus.json'), 'utf8')) as Fixture
  const source = openHuggingFace(model)
  const weights = WeightFile.prepare(join(root, 'base.bin'), [...parameterShapes(config).keys()], (name) => source.read(name))
  const policy = loraPolicy(config, loadAdapter(join(model, 'adapter'), config), 'f32', weights)
  const loss = neg(mean(packedLogprobs(config, policy.parts)))
  const names = [...policy.parameters.keys()]
  const outputs = new Map([['loss', loss]])
  gradients(loss, [...policy.parameters.values()]).forEach((gradient, i) => outputs.set(`d ${names[i]!}`, gradient!))
  const program = await Program.compile(outputs, { device: 'cpu', threads: 1, weights })
  const wanted = checkRecipe({ model, method: 'sft', data, adapter: { loraplus_ratio: fixture.ratio } }, methods)
  const adamw = createAdamW(policy.values, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: fixture.weight_decay, rule: parameterRule(wanted) })
  for (const [step, ids] of fixture.ids.entries()) {
    const results = await program.run({ ...forwardFeeds(config, onePerBin([ids]), new RotaryTable(config)), ...parameterFeeds(policy) })
    const reached = Number(results['loss']!.data[0])
    assert.ok(Math.abs(reached - fixture.losses[step]!) < 1e-4, `loss of step ${step}: ${reached} instead of ${fixture.losses[step]}`)
    adamw.step(new Map(names.map((name) => [name, results[`d ${name}`]!.data as Float32Array])), fixture.lr)
  }
  await program.release()
  for (const [name, { norm, first }] of Object.entries(fixture.final)) {
    const values = policy.values.get(name)!
    assert.ok(Math.abs(Math.hypot(...values) / norm - 1) < 1e-4, `norm of ${name}`)
    first.forEach((value, i) => { assert.ok(Math.abs(values[i]! - value) < 1e-4, `${name}[${i}]: ${values[i]} instead of ${value}`) })
  }
})

for (const precision of ['f32', 'nf4'] as const) {
  test(`DoRA and PiSSA over ${precision}: they begin as the base answers, learn, and are adapters of the model itself`, async () => {
    const lossesOf = async (name: string, adapter: RecipeInput['adapter']): Promise<{ losses: number[]; output: string }> => {
      const { directory, output } = await train(recipe(`${name}-${precision}`, adapter, { precision }))
      return { losses: readLines<StepMetrics>(runPaths(directory).metrics).map(({ loss }) => loss), output }
    }
    const { losses: [begin] } = await lossesOf('LoRA', { rank: 2 })
    const dora = await lossesOf('DoRA', { use_dora: true, rank: 2 })
    const pissa = await lossesOf('PiSSA', { init: 'pissa', rank: 2 })
    assert.ok(Math.abs(dora.losses[0]! - begin!) < 1e-4, `DoRA starts at ${dora.losses[0]}, LoRA at ${begin}`)
    // PiSSA quantizes what remains of a weight, not the weight: near the base, and equal in f32.
    assert.ok(Math.abs(pissa.losses[0]! - begin!) < (precision === 'f32' ? 1e-4 : 1), `PiSSA starts at ${pissa.losses[0]}, LoRA at ${begin}`)
    for (const { losses } of [dora, pissa]) assert.ok(losses.at(-1)! < losses[0]! - 0.01, losses.join(' '))

    const saved = [dora, pissa].map(({ output }) => loadAdapter(output, config))
    assert.deepEqual(saved.map((adapter) => adapter.config.rank), [2, 4])
    assert.deepEqual(saved.map((adapter) => adapter.basePrecision), [precision === 'f32' ? undefined : 'nf4', undefined])
  })
}

test('a PiSSA run that stops and goes on ends with the same bits', async () => {
  const long = (name: string): RecipeInput => ({ ...recipe(name, { init: 'pissa', rank: 2 }), steps: 100 })
  const whole = await train(long('whole'))
  const stop = new AbortController()
  const parted = long('parted')
  const half = await train(parted, { signal: stop.signal, onEvent: (event) => { if (event.type === 'step' && event.step === 2) stop.abort() } })
  assert.ok(!half.finished)
  const end = await train(parted, { resume: true })
  const file = 'adapter_model.safetensors'
  assert.equal(await digest(join(end.output, file)), await digest(join(whole.output, file)))
})

test('merged into the original or the dequantized base, and which is said', async () => {
  const { output } = await train(recipe('merged', { rank: 2 }, { precision: 'nf4' }))
  const [plain, over] = [join(root, 'plain'), join(root, 'over')]
  assert.deepEqual(await merge({ model, adapter: output, output: plain }), { base: 'original' })
  assert.deepEqual(await merge({ model, adapter: output, output: over, base: 'dequantized' }), { base: 'dequantized', precision: 'nf4' })
  const ids = [1, 40, 41, 97, 12, 200]
  const score = async (path: string, options: Parameters<typeof loadModel>[1] = {}): Promise<Float32Array> => {
    await using loaded = await loadModel(path, { threads: 1, ...options })
    return (await loaded.score([{ ids }]))[0]!
  }
  const difference = (a: Float32Array, b: Float32Array): number => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))
  const trained = await score(model, { adapter: output, precision: 'nf4' })
  assert.ok(difference(await score(over), trained) < 1e-4)
  assert.ok(difference(await score(plain), await score(model, { adapter: output })) < 1e-4)
  assert.ok(difference(await score(plain), trained) > 1e-3, 'both bases are the same')

  const silent = join(model, 'adapter')
  await assert.rejects(merge({ model, adapter: silent, output: join(root, 'no'), base: 'dequantized' }), /does not say how .* give --precision/)
  assert.ok(!existsSync(join(root, 'no')))
})

test('what does not go together is refused with its key', () => {
  const refused: [RecipeInput['adapter'], RegExp][] = [
    [{ use_dora: true, init: 'pissa' }, /adapter\.use_dora.*cannot go with init: pissa/],
    [{ type: 'none', use_dora: true }, /adapter\.use_dora.*no meaning with type: none/],
    [{ loraplus_ratio: 0.5 }, /adapter\.loraplus_ratio/],
  ]
  for (const [adapter, message] of refused) assert.throws(() => checkRecipe(recipe('no', adapter), methods), message)
  const onGpu = { ...recipe('no', {}, { precision: 'nf4' }), device: 'webgpu' as const }
  assert.throws(() => checkRecipe(onGpu, methods), /base\.precision.*nf4 runs on the cpu only/)
})
