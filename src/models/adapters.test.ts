/** DoRA and PiSSA against PEFT (bench/parity/make_adapters.py), and what becomes of both on quantized bases. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Program, type HostTensor } from '../runtime/program.ts'
import { gradients } from '../tensor/gradients.ts'
import { mean, neg } from '../tensor/operators.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { DecoderParts } from './graph/decoder.ts'
import { linearModules, linearShape, parameterShapes } from './graph/decoder.ts'
import { forwardFeeds, onePerBin, packedLogprobs } from './graph/forward.ts'
import { precisions, type Precision } from './graph/linear-maps.ts'
import { loraNames, loraScale, withLora, type Adapter } from './graph/lora.ts'
import { frozenParts } from './graph/parts.ts'
import { RotaryTable } from './graph/rotary.ts'
import { mergedWeights } from './merge.ts'
import { openModel } from './open.ts'
import { loadAdapter, saveAdapter } from './peft.ts'
import { asOrdinaryAdapter, pissaAdapter, residualBase, type BaseModel } from './pissa.ts'
import { prepareWeights } from './prepare.ts'
import { frozenSource } from './stored.ts'

interface DoraReference {
  readonly ids: number[]
  readonly logprobs: number[]
  readonly loss: number
  readonly gradients: Readonly<Record<string, { readonly norm: number; readonly first: readonly number[] }>>
}

const fixtures = join(import.meta.dirname, 'fixtures')
const cache = mkdtempSync(join(tmpdir(), 'posttrain-adapters-'))
after(() => { rmSync(cache, { recursive: true }) })
const readFixture = (name: string): unknown => JSON.parse(readFileSync(join(fixtures, name), 'utf8'))

const qwen2 = await openModel(join(fixtures, 'tiny-qwen2'))
const qwen3 = await openModel(join(fixtures, 'tiny-qwen3'))
const ids = (readFixture('dora/reference.json') as DoraReference).ids

/** Log-probabilities of `ids`, and of their mean the negative with its gradients. */
async function run(model: BaseModel, precision: Precision, adapter?: Adapter): Promise<Record<string, HostTensor>> {
  const frozen = frozenParts(model.config, precision)
  const adapted = adapter === undefined ? { parts: frozen as DecoderParts, parameters: new Map<string, Tensor>() } : withLora(frozen, model.config, adapter.config)
  const logprobs = packedLogprobs(model.config, adapted.parts)
  const outputs = new Map<string, Tensor>([['logprobs', logprobs], ['loss', neg(mean(logprobs))]])
  const names = [...adapted.parameters.keys()]
  gradients(outputs.get('loss')!, [...adapted.parameters.values()]).forEach((gradient, i) => outputs.set(`gradient of ${names[i]!}`, gradient!))
  const program = await Program.compile(outputs, { device: 'cpu', threads: 1, weights: prepareWeights(model, precision, cache) })
  const feeds = names.map((name) => [name, { data: adapter!.parameters.get(name)!, shape: adapted.parameters.get(name)!.shape as number[] }] as const)
  const results = await program.run({ ...forwardFeeds(model.config, onePerBin([ids]), new RotaryTable(model.config)), ...Object.fromEntries(feeds) })
  await program.release()
  return results
}

async function logprobs(model: BaseModel, precision: Precision, adapter?: Adapter): Promise<number[]> {
  return [...((await run(model, precision, adapter))['logprobs']!.data as Float32Array)]
}

function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length)
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)))
}

/** The model with some of its weights replaced. */
function withWeights(model: BaseModel, read: (name: string) => Float32Array<ArrayBuffer>, label: string): BaseModel {
  return { config: model.config, hash: label.padEnd(64, '-'), read }
}

describe('DoRA', () => {
  const expected = readFixture('dora/reference.json') as DoraReference
  const adapter = loadAdapter(join(fixtures, 'dora'), qwen2.config)

  test("log-probabilities, loss and every gradient are PEFT's, on layers with and without a bias", async () => {
    assert.equal(adapter.config.dora, true)
    const results = await run(qwen2, 'f32', adapter)
    assert.ok(worst(expected.logprobs, results['logprobs']!.data as Float32Array) < 1e-5)
    assert.ok(Math.abs(Number(results['loss']!.data[0]) - expected.loss) < 1e-5)
    assert.deepEqual(Object.keys(expected.gradients).sort(), [...adapter.parameters.keys()].sort())
    for (const [name, { norm, first }] of Object.entries(expected.gradients)) {
      const gradient = results[`gradient of ${name}`]!.data as Float32Array
      assert.ok(Math.abs(Math.hypot(...gradient) - norm) < 1e-5 * Math.max(1, norm), `${name}: ${Math.hypot(...gradient)} instead of ${norm}`)
      assert.ok(worst(first, gradient.subarray(0, first.length)) < 1e-5 * Math.max(1, norm), name)
    }
  })

  test('saved under the names that PEFT loads, and loaded again', async () => {
    const directory = join(cache, 'saved')
    await saveAdapter(directory, adapter, qwen2.config, null)
    const again = loadAdapter(directory, qwen2.config)
    assert.deepEqual(again.config, adapter.config)
    assert.deepEqual([...again.parameters.keys()].sort(), [...adapter.parameters.keys()].sort())
    for (const [name, values] of adapter.parameters) assert.equal(worst(values, again.parameters.get(name)!), 0)
    const settings = JSON.parse(readFileSync(join(directory, 'adapter_config.json'), 'utf8')) as { use_dora: boolean }
    assert.equal(settings.use_dora, true)
  })

  test('merged into the weights: the same answers without an adapter', async () => {
    const merged = withWeights(qwen2, mergedWeights(qwen2, adapter).read, 'merged')
    assert.ok(worst(await logprobs(merged, 'f32'), expected.logprobs) < 1e-5)
  })

  for (const precision of precisions.filter((each) => each !== 'f32')) {
    test(`over an ${precision} base the norm is that of the quantized rows`, async () => {
      const dequantized = withWeights(qwen2, frozenSource(qwen2, precision).read, `dequantized-${precision}`)
      const [quantized, plain] = [await logprobs(qwen2, precision, adapter), await logprobs(dequantized, 'f32', adapter)]
      // In nf4 all is f32 arithmetic; the integer kernels round activations, and the head, to 8 bits.
      assert.ok(worst(quantized, plain) < (precision === 'nf4' ? 1e-5 : 0.2), `differs by ${worst(quantized, plain)}`)
    })
  }
})

describe('PiSSA', () => {
  const { rank, alpha, probed } = readFixture('pissa.json') as { rank: number; alpha: number; probed: Record<string, number[]> }
  const lora = { rank, alpha, rankStabilized: false, modules: linearModules(qwen3.config) }

  test("the first adapter's products are PEFT's", async () => {
    const { parameters } = await pissaAdapter(qwen3, lora, cache)
    assert.deepEqual(Object.keys(probed).sort(), [...lora.modules].sort())
    for (const [module, expected] of Object.entries(probed)) {
      const [outputs, inputs] = linearShape(qwen3.config, module)
      const [a, b] = [parameters.get(loraNames(module).a)!, parameters.get(loraNames(module).b)!]
      const x = Array.from({ length: inputs }, (_, i) => -1 + (2 * i) / (inputs - 1))
      const ax = Array.from({ length: rank }, (_, r) => x.reduce((sum, value, i) => sum + value * a[r * inputs + i]!, 0))
      const bax = Array.from({ length: outputs }, (_, row) => loraScale(lora) * ax.reduce((sum, value, r) => sum + value * b[row * rank + r]!, 0))
      assert.ok(worst(expected, bax) < 1e-4, `${module}: off by ${worst(expected, bax)}`)
    }
  })

  test('with it the residual base answers as the model does, and its second making comes from the cache', async () => {
    const adapter = await pissaAdapter(qwen3, lora, cache)
    const again = await pissaAdapter({ ...qwen3, read: () => assert.fail('the weights are read again') }, lora, cache)
    for (const [name, values] of adapter.parameters) assert.equal(worst(values, again.parameters.get(name)!), 0)
    const residual = residualBase(qwen3, adapter)
    assert.notEqual(residual.hash, qwen3.hash)
    assert.ok(worst(await logprobs(residual, 'f32', adapter), await logprobs(qwen3, 'f32')) < 1e-4)
    assert.ok(worst(await logprobs(residual, 'f32'), await logprobs(qwen3, 'f32')) > 0.01, 'the adapter carries nothing')
  })

  test('its trained change becomes an ordinary adapter of the model, plain and rank-stabilized', async () => {
    for (const rankStabilized of [false, true]) {
      const config = { ...lora, rankStabilized }
      const adapter = await pissaAdapter(qwen3, config, cache)
      const initial = new Map([...adapter.parameters].map(([name, values]) => [name, values.slice()]))
      const residual = residualBase(qwen3, { config, parameters: initial })
      for (const values of adapter.parameters.values()) values.forEach((value, i) => { values[i] = value * (1 + 0.1 * Math.sin(i)) })
      const ordinary = asOrdinaryAdapter(adapter, initial)
      assert.equal(ordinary.config.rank, 2 * rank)
      const [trained, converted] = [await logprobs(residual, 'f32', adapter), await logprobs(qwen3, 'f32', ordinary)]
      assert.ok(worst(trained, converted) < 1e-4, `differs by ${worst(trained, converted)}`)
      assert.ok(worst(converted, await logprobs(qwen3, 'f32')) > 0.01, 'nothing was trained')
    }
  })

  test('quantizing what remains errs less than quantizing the model', async () => {
    const adapter = await pissaAdapter(qwen3, lora, cache)
    const error = (model: BaseModel): number => {
      const frozen = frozenSource(model, 'nf4')
      return [...parameterShapes(model.config).keys()].reduce((sum, name) => {
        const [stored, values] = [frozen.read(name), model.read(name)]
        return sum + values.reduce((squares, value, i) => squares + (value - stored[i]!) ** 2, 0)
      }, 0)
    }
    assert.ok(error(residualBase(qwen3, adapter)) < 0.9 * error(qwen3))
  })
})
