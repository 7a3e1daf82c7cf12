/** Every architecture against transformers and PEFT (bench/parity/make_tiny.py made the numbers). */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Program } from '../runtime/program.ts'
import { WeightFile } from '../runtime/weights.ts'
import { parameterShapes, type DecoderParts } from './decoder.ts'
import { forwardFeeds, onePerBin, packedLogprobs } from './forward.ts'
import { openHuggingFace } from './huggingface.ts'
import { withLora } from './lora.ts'
import { frozenParts } from './parts.ts'
import { loadAdapter } from './peft.ts'
import { RotaryTable } from './rotary.ts'

interface Reference {
  readonly rows: readonly {
    readonly name: string
    readonly ids: readonly number[]
    readonly logprobs: readonly number[]
    readonly adapter_logprobs: readonly number[]
  }[]
}

const tolerance = 1e-4
const folder = mkdtempSync(join(tmpdir(), 'posttrain-parity-'))
after(() => { rmSync(folder, { recursive: true }) })

for (const name of ['tiny-llama', 'tiny-mistral', 'tiny-qwen2', 'tiny-qwen3']) {
  describe(name, () => {
    const path = join(import.meta.dirname, 'fixtures', name)
    const model = openHuggingFace(path)
    const { config } = model
    const weights = WeightFile.prepare(join(folder, `${name}.bin`), [...parameterShapes(config).keys()], (tensor) => model.read(tensor))
    const { rows } = JSON.parse(readFileSync(join(path, 'reference.json'), 'utf8')) as Reference
    const batch = onePerBin(rows.map(({ ids }) => ids))

    const logprobs = async (parts: DecoderParts, parameters: ReadonlyMap<string, Float32Array> = new Map()) => {
      const program = await Program.compile(new Map([['logprobs', packedLogprobs(config, parts)]]), { device: 'cpu', weights })
      const feeds = [...parameters].map(([key, data]) => [key, { data, shape: adapterShape(key, data, parts) }] as const)
      const result = await program.run({ ...forwardFeeds(config, batch, new RotaryTable(config)), ...Object.fromEntries(feeds) })
      await program.release()
      return result['logprobs']!.data as Float32Array
    }
    const adapter = loadAdapter(join(path, 'adapter'), config)
    const adapterShape = (key: string, data: Float32Array, _parts: DecoderParts): number[] =>
      key.includes('lora_A') ? [adapter.config.rank, data.length / adapter.config.rank] : [data.length / adapter.config.rank, adapter.config.rank]

    test('log-probabilities equal those of transformers', async () => {
      assertClose(await logprobs(frozenParts(config, 'f32')), rows.flatMap((row) => row.logprobs))
    })

    test('log-probabilities with an adapter equal those of PEFT', async () => {
      const { parts } = withLora(frozenParts(config, 'f32'), config, adapter.config)
      assertClose(await logprobs(parts, adapter.parameters), rows.flatMap((row) => row.adapter_logprobs))
    })
  })
}

function assertClose(actual: Float32Array, expected: readonly number[]): void {
  assert.equal(actual.length, expected.length)
  const worst = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)))
  assert.ok(worst <= tolerance, `differs by up to ${worst}`)
}
