/** Every architecture against transformers and PEFT (bench/parity/make_tiny.py made the numbers). */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Engine } from './engine.ts'
import { Scorer } from './scorer.ts'
import type { HostTensor } from '../runtime/program.ts'
import { WeightFile } from '../runtime/weights.ts'
import { parameterShapes, type DecoderParts } from '../models/graph/decoder.ts'
import type { FinalWeights } from '../models/formats/export.ts'
import { loraShapes, withLora } from '../models/graph/lora.ts'
import { mergedWeights } from '../models/merge.ts'
import { openModel } from '../models/open.ts'
import { frozenParts } from '../models/graph/parts.ts'
import { loadAdapter } from '../models/peft.ts'

interface Reference {
  readonly rows: readonly {
    readonly name: string
    readonly ids: readonly number[]
    readonly logprobs: readonly number[]
    readonly adapter_logprobs: readonly number[]
    readonly prompt_ids: readonly number[]
    readonly greedy: readonly number[]
    readonly adapter_greedy: readonly number[]
  }[]
}

const tolerance = 1e-4
const folder = mkdtempSync(join(tmpdir(), 'posttrain-parity-'))
after(() => { rmSync(folder, { recursive: true }) })

for (const name of ['tiny-llama', 'tiny-mistral', 'tiny-qwen2', 'tiny-qwen3']) {
  describe(name, async () => {
    const path = join(import.meta.dirname, '../models/fixtures', name)
    const model = await openModel(path)
    const { config, tokenizer } = model
    const adapter = loadAdapter(join(path, 'adapter'), config)
    const { rows } = JSON.parse(readFileSync(join(path, 'reference.json'), 'utf8')) as Reference
    const shapes = loraShapes(config, adapter.config)
    const adapterFeeds = Object.fromEntries([...adapter.parameters].map(([key, data]) => [key, { data, shape: shapes.get(key)! }]))
    const base = frozenParts(config, 'f32')
    const adapted = withLora(base, config, adapter.config).parts

    const store = (label: string, weights: FinalWeights) =>
      WeightFile.prepare(join(folder, `${name}-${label}.bin`), [...parameterShapes(config).keys()], (tensor) => weights.read(tensor))
    const weights = store('base', model)

    const logprobs = async (parts: DecoderParts, parameters: Readonly<Record<string, HostTensor>>, file: WeightFile) => {
      const scorer = await Scorer.compile(config, parts, parameters, { device: 'cpu', weights: file })
      const scores = await scorer.score(rows.map(({ ids }) => ids))
      await scorer.release()
      return scores.flatMap((row) => [...row])
    }
    const greedy = async (parts: DecoderParts, parameters: Readonly<Record<string, HostTensor>>) => {
      const engine = await Engine.compile({ device: 'cpu', weights, config, parts, tokenizer, parameters })
      const completions = await engine.generate(rows.map((row) => ({ prompt: row.prompt_ids, maxTokens: 16, temperature: 0 })))
      await engine.release()
      return completions.map(({ ids }) => ids)
    }

    test('log-probabilities equal those of transformers', async () => {
      assertClose(await logprobs(base, {}, weights), rows.flatMap((row) => row.logprobs))
    })

    test('log-probabilities with an adapter equal those of PEFT', async () => {
      assertClose(await logprobs(adapted, adapterFeeds, weights), rows.flatMap((row) => row.adapter_logprobs))
    })

    test('a merged adapter equals an applied one', async () => {
      const merged = store('merged', mergedWeights(model, adapter))
      assertClose(await logprobs(base, {}, merged), rows.flatMap((row) => row.adapter_logprobs))
    })

    test('greedy tokens equal those of transformers, all prompts in one batch', async () => {
      assert.deepEqual(await greedy(base, {}), rows.map((row) => row.greedy))
    })

    test('greedy tokens with an adapter equal those of PEFT', async () => {
      assert.deepEqual(await greedy(adapted, adapterFeeds), rows.map((row) => row.adapter_greedy))
    })
  })
}

function assertClose(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length)
  const worst = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)))
  assert.ok(worst <= tolerance, `differs by up to ${worst}`)
}
