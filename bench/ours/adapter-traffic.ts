/**
 * Traffic over many adapters on disk beside the same traffic over few: Zipf(1) popularity, at most 64 adapters in memory.
 *
 *     node bench/ours/adapter-traffic.ts --model DIR|FILE.gguf [--adapters 2000] [--few 5] [--clients 16] [--requests 64] [--rounds 3]
 *
 * Rank 8 on q, k, v and o, at most 64 new tokens a request; as many clients as said ask one after the other. Both sides share one
 * server, in turns. Prints one JSON line: tokens a second, times to the first token, loads and memory of each.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { AdapterRef } from '../../src/generate/live-model.ts'
import { openLiveModel } from '../../src/generate/open-live-model.ts'
import { saveAdapter } from '../../src/models/peft.ts'
import { randomAdapter } from '../../src/models/random-adapter.ts'
import { Random } from '../../src/random.ts'
import { peakMemoryMb } from '../../src/train/monitor.ts'
import { median } from '../table.ts'

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    adapters: { type: 'string', default: '2000' },
    few: { type: 'string', default: '5' },
    clients: { type: 'string', default: '16' },
    requests: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '3' },
  },
})
const [many, few, clients, requests, rounds] =
  [flags.adapters, flags.few, flags.clients, flags.requests, flags.rounds].map(Number) as [number, number, number, number, number]

/** Adapters that differ in a weight of each: what is on the disk is as large as if all differed in all. */
async function writeAdapters(folder: string): Promise<AdapterRef[]> {
  const first = join(folder, 'first')
  const kinds = ['q_proj', 'k_proj', 'v_proj', 'o_proj']
  await saveAdapter(first, randomAdapter(live.config, { seed: 0, rank: 8, size: 0.01, kinds }), live.config, null)
  const weights = readFileSync(join(first, 'adapter_model.safetensors'))
  return Array.from({ length: many }, (_, i) => {
    const directory = join(folder, String(i))
    mkdirSync(directory)
    cpSync(join(first, 'adapter_config.json'), join(directory, 'adapter_config.json'))
    weights.writeFloatLE(i / many / 100, weights.length - 4)
    writeFileSync(join(directory, 'adapter_model.safetensors'), weights)
    return { id: String(i), directory }
  })
}

/** Of n items, the k-th is asked for 1/k times as often as the first. */
function zipf(n: number, random: Random): () => number {
  let total = 0
  const reached = Array.from({ length: n }, (_, k) => (total += 1 / (k + 1)))
  return () => {
    const drawn = (random.uint32() / 2 ** 32) * total
    return reached.findIndex((sum) => sum > drawn)
  }
}

interface Figures {
  readonly tokens_per_second: number
  readonly cpu_ms_per_token: number
  readonly first_token_ms: number
  readonly loads: number
}

async function measure(adapters: readonly AdapterRef[], random: Random): Promise<Figures> {
  const next = zipf(adapters.length, random)
  const plan = Array.from({ length: requests }, (_, i) => ({ adapter: adapters[next()]!, i }))
  const firsts: number[] = []
  let tokens = 0
  const client = async (): Promise<void> => {
    for (let task = plan.shift(); task !== undefined; task = plan.shift()) {
      const { adapter, i } = task
      const prompt = Array.from({ length: 48 }, (_, at) => 100 + ((7 * at + 131 * i) % 4000))
      const asked = performance.now()
      let isFirst = true
      await live.generate({ prompt, maxTokens: 64, temperature: 0, adapter }, () => {
        if (isFirst) firsts.push(performance.now() - asked)
        isFirst = false
        tokens++
      })
    }
  }
  const [start, cpu, before] = [performance.now(), process.cpuUsage(), await live.stats()]
  await Promise.all(Array.from({ length: clients }, client))
  const [seconds, used] = [(performance.now() - start) / 1000, process.cpuUsage(cpu)]
  return {
    tokens_per_second: tokens / seconds,
    cpu_ms_per_token: (used.user + used.system) / 1000 / tokens,
    first_token_ms: median(firsts),
    loads: (await live.stats()).adapterLoads - before.adapterLoads,
  }
}

const folder = mkdtempSync(join(tmpdir(), 'posttrain-traffic-'))
const live = await openLiveModel(flags.model!)
try {
  const adapters = await writeAdapters(folder)
  const random = new Random(1)
  const base = process.memoryUsage().rss / 1e6
  const results: { few: Figures; many: Figures }[] = []
  for (let round = 0; round < rounds; round++) {
    results.push({ few: await measure(adapters.slice(0, few), random), many: await measure(adapters, random) })
    process.stderr.write(`${JSON.stringify(results.at(-1))}\n`)
  }
  const { adapters: inMemory, adapterBytes } = await live.stats()
  const of = (pick: (pair: { few: Figures; many: Figures }) => number): number => median(results.map(pick))
  console.log(JSON.stringify({
    adapters: many, few, clients, requests,
    few_tokens_per_second: of((pair) => pair.few.tokens_per_second),
    many_tokens_per_second: of((pair) => pair.many.tokens_per_second),
    ratio: of(({ few: f, many: m }) => m.tokens_per_second / f.tokens_per_second),
    cpu_ratio: of(({ few: f, many: m }) => f.cpu_ms_per_token / m.cpu_ms_per_token),
    few_first_token_ms: of((pair) => pair.few.first_token_ms),
    many_first_token_ms: of((pair) => pair.many.first_token_ms),
    loads: of((pair) => pair.many.loads),
    in_memory: inMemory.length, adapter_mb: adapterBytes / 1e6, opened_mb: base, peak_mb: peakMemoryMb(),
  }))
} finally {
  await live.close()
  rmSync(folder, { recursive: true, force: true })
}
