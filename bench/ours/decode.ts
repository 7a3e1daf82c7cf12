/**
 * Greedy decoding by this project's engine, beside bench/peers/transformers_generate.py and llama_cpp.mjs.
 *
 *     node bench/ours/decode.ts --model DIR|FILE.gguf [--precision f32|int8] [--batch 8] [--new-tokens 64] [--threads 2]
 *
 * Same prompts, same count: each row decodes exactly `--new-tokens`, and what comes after every row's first token counts.
 * Prints one JSON line; the better of two runs.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Engine } from '../../src/generate/engine.ts'
import { cacheDirectory } from '../../src/models/sources/cache.ts'
import { openModel } from '../../src/models/open.ts'
import { frozenParts, type Precision } from '../../src/models/graph/parts.ts'
import { prepareWeights } from '../../src/models/prepare.ts'
import { peakMemoryMb } from '../../src/train/monitor.ts'

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    precision: { type: 'string', default: 'int8' },
    batch: { type: 'string', default: '1' },
    'new-tokens': { type: 'string', default: '64' },
    threads: { type: 'string', default: '2' },
  },
})
const [batch, maxTokens, threads] = [flags.batch, flags['new-tokens'], flags.threads].map(Number) as [number, number, number]
const precision = flags.precision as Precision

const model = await openModel(flags.model!)
// Without end tokens every row decodes to its full length, as the peers' do.
const config = { ...model.config, eosTokenIds: [] }
const engine = await Engine.compile({
  device: 'cpu',
  threads,
  config,
  parts: frozenParts(config, precision),
  tokenizer: model.tokenizer,
  parameters: {},
  weights: prepareWeights(model, precision, cacheDirectory()),
})
const prompts = readFileSync(join(import.meta.dirname, '../peers/prompts.jsonl'), 'utf8').trim().split('\n')
const requests = Array.from({ length: batch }, (_, i) => {
  const { prompt } = JSON.parse(prompts[i % prompts.length]!) as { prompt: string }
  const ids = model.tokenizer.encodeChat([{ role: 'user', content: prompt }], { generationPrompt: true })
  return { prompt: ids, maxTokens, temperature: 0 }
})

const rates = [await decodeAll(), await decodeAll()]
console.log(JSON.stringify({
  peer: 'posttrain', precision, threads, batch, new_tokens: maxTokens,
  tokens_per_second: Math.max(...rates), peak_mb: peakMemoryMb(),
}))
await engine.release()

async function decodeAll(): Promise<number> {
  const begun = new Set<number>()
  let start = 0
  let counted = 0
  await engine.generate(requests, (request) => {
    if (begun.size === batch) counted++
    else if (begun.add(request).size === batch) start = performance.now()
  })
  return counted / ((performance.now() - start) / 1000)
}
