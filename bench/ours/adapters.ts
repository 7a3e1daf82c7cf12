/**
 * Requests that each have an adapter of their own, in one batch, beside as many requests to one merged model.
 *
 *     node bench/ours/adapters.ts --model DIR|FILE.gguf --targets attention|all [--batch 16] [--new-tokens 32] [--rounds 5]
 *
 * Both sides in one process, in short turns. Prints one JSON line: for each side medians of decoded tokens a second, CPU
 * milliseconds a decoded token, prompt tokens a second and the time to the first token of all; and the ratios' medians.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { wholeBatch } from '../../src/generate/admission.ts'
import { Engine, type EngineOptions } from '../../src/generate/engine.ts'
import { packAdapter, type PackedAdapter } from '../../src/generate/packed-adapter.ts'
import { frozenParts } from '../../src/models/graph/parts.ts'
import { withRowLora } from '../../src/models/graph/row-lora.ts'
import { merge } from '../../src/models/merge.ts'
import { openModel } from '../../src/models/open.ts'
import { saveAdapter } from '../../src/models/peft.ts'
import { prepareWeights } from '../../src/models/prepare.ts'
import { randomAdapter } from '../../src/models/random-adapter.ts'
import { cacheDirectory } from '../../src/models/sources/cache.ts'
import { median } from '../table.ts'

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    targets: { type: 'string', default: 'attention' },
    batch: { type: 'string', default: '16' },
    'new-tokens': { type: 'string', default: '32' },
    prompt: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
  },
})
const [batch, newTokens, promptLength, rounds, threads] =
  [flags.batch, flags['new-tokens'], flags.prompt, flags.rounds, flags.threads].map(Number) as [number, number, number, number, number]
const precision = 'int8'
const kinds = flags.targets === 'all' ? undefined : ['q_proj', 'k_proj', 'v_proj', 'o_proj']

interface Figures {
  readonly tokens_per_second: number
  readonly cpu_ms_per_token: number
  readonly prompt_tokens_per_second: number
  readonly first_token_ms: number
}

async function open(path: string, cache: string): Promise<{ engine: Engine; options: EngineOptions }> {
  const model = await openModel(path)
  // Without end tokens every row decodes to its full length.
  const config = { ...model.config, eosTokenIds: [] }
  const parts = frozenParts(config, precision)
  const weights = prepareWeights(model, precision, cache)
  model.close()
  const options = {
    device: 'cpu', threads, config, parts, tokenizer: model.tokenizer, parameters: {}, weights,
    live: { limits: { ...wholeBatch, rows: batch }, prefixBytes: 0, adapted: (layers: 'attention' | 'all') => withRowLora(parts, config, layers) },
  } as const
  return { engine: await Engine.compile(options), options }
}

/** One request for each adapter, all at once. */
async function measure(engine: Engine, adapters: readonly (PackedAdapter | undefined)[], round: number): Promise<Figures> {
  const submit = (maxTokens: number, seed: number): void => {
    adapters.forEach((adapter, i) => {
      const prompt = Array.from({ length: promptLength }, (_, at) => 100 + ((7 * at + 131 * i + 17 * seed) % 4000))
      const listener = { token: () => undefined, done: () => undefined, failed: (error: unknown) => { throw error } }
      engine.submit({ prompt, maxTokens, temperature: 0 }, listener, { adapter })
    })
  }
  const start = performance.now()
  submit(1, 2 * round)
  while (engine.busy) await engine.step()
  const read = performance.now()
  submit(newTokens, 2 * round + 1)
  while (engine.runningRows < batch) await engine.step()
  const [begun, cpu, before] = [performance.now(), process.cpuUsage(), engine.counts.completionTokens]
  while (engine.busy) await engine.step()
  const [ended, used] = [performance.now(), process.cpuUsage(cpu)]
  const tokens = engine.counts.completionTokens - before
  return {
    tokens_per_second: tokens / ((ended - begun) / 1000),
    cpu_ms_per_token: (used.user + used.system) / 1000 / tokens,
    prompt_tokens_per_second: (batch * promptLength) / ((read - start) / 1000),
    first_token_ms: read - start,
  }
}

const scratch = mkdtempSync(join(tmpdir(), 'posttrain-adapters-'))
try {
  const { engine, options: { config } } = await open(flags.model!, cacheDirectory())
  const adapters = Array.from({ length: batch }, (_, seed) => randomAdapter(config, { seed, rank: 8, size: 0.01, ...(kinds && { kinds }) }))
  const packed = await Promise.all(adapters.map((adapter, i) => packAdapter(String(i), adapter, config, () => Promise.resolve())))
  await saveAdapter(join(scratch, 'adapter'), adapters[0]!, config, null)
  await merge({ model: flags.model!, adapter: join(scratch, 'adapter'), output: join(scratch, 'merged') })
  const { engine: merged } = await open(join(scratch, 'merged'), scratch)
  const none = packed.map(() => undefined)
  const results: { merged: Figures; adapters: Figures }[] = []
  for (let round = 0; round <= rounds; round++) {
    const pair = { merged: await measure(merged, none, round), adapters: await measure(engine, packed, round) }
    if (round > 0) results.push(pair)
  }
  const medians = (side: 'merged' | 'adapters'): Figures => Object.fromEntries(
    Object.keys(results[0]![side]).map((key) => [key, median(results.map((pair) => pair[side][key as keyof Figures]))]),
  ) as unknown as Figures
  const ratio = (of: (pair: { merged: Figures; adapters: Figures }) => number): number => median(results.map(of))
  console.log(JSON.stringify({
    targets: flags.targets, batch, new_tokens: newTokens, prompt: promptLength,
    merged: medians('merged'), adapters: medians('adapters'),
    decode_ratio: ratio(({ merged: m, adapters: a }) => a.tokens_per_second / m.tokens_per_second),
    decode_cpu_ratio: ratio(({ merged: m, adapters: a }) => m.cpu_ms_per_token / a.cpu_ms_per_token),
    prompt_ratio: ratio(({ merged: m, adapters: a }) => a.prompt_tokens_per_second / m.prompt_tokens_per_second),
    adapter_mb: packed[0]!.bytes / 1e6,
  }))
  await Promise.all([engine.release(), merged.release()])
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
