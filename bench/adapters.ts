import { join } from 'node:path'
import { jsonLines, run } from './process.ts'
import { markdownTable } from './table.ts'

interface Options {
  /** The model, as llama.cpp gets it. */
  readonly gguf: string
  readonly rounds: number
}

interface Side {
  readonly tokens_per_second: number
  readonly prompt_tokens_per_second: number
  readonly first_token_ms: number
}

interface Figures {
  readonly merged: Side
  readonly adapters: Side
  readonly decode_ratio: number
  readonly decode_cpu_ratio: number
  readonly prompt_ratio: number
  readonly adapter_mb: number
}

interface Traffic {
  readonly few_tokens_per_second: number
  readonly many_tokens_per_second: number
  readonly ratio: number
  readonly cpu_ratio: number
  readonly few_first_token_ms: number
  readonly many_first_token_ms: number
  readonly loads: number
  readonly in_memory: number
  readonly adapter_mb: number
  readonly peak_mb: number
}

/** An adapter for each request against one merged model, and traffic over thousands of adapters against traffic over five. */
export async function benchAdapters({ gguf, rounds }: Options): Promise<string> {
  const call = async (script: string, ...args: string[]): Promise<unknown> => {
    const [figures] = jsonLines(await run(process.execPath, [join(import.meta.dirname, 'ours', script), '--model', gguf, '--rounds', String(rounds), ...args]))
    process.stderr.write(`${script} ${args.join(' ')}  ${JSON.stringify(figures)}\n`)
    return figures
  }
  const rows: string[][] = []
  for (const targets of ['attention', 'all']) {
    for (const batch of ['1', '16']) {
      const figures = (await call('adapters.ts', '--targets', targets, '--batch', batch)) as Figures
      rows.push([
        targets === 'all' ? 'all linear' : 'q, k, v, o', batch,
        `${figures.adapters.tokens_per_second.toFixed(0)} / ${figures.merged.tokens_per_second.toFixed(0)}`,
        `${figures.decode_ratio.toFixed(2)}x`, `${figures.decode_cpu_ratio.toFixed(2)}x`,
        `${figures.prompt_ratio.toFixed(2)}x`,
        `${figures.adapters.first_token_ms.toFixed(0)} / ${figures.merged.first_token_ms.toFixed(0)} ms`, `${figures.adapter_mb.toFixed(1)} MB`,
      ])
    }
  }
  const traffic = (await call('adapter-traffic.ts')) as Traffic
  const header = ['adapted', 'requests', 'decoded tokens/s, adapters / merged', 'ratio', 'by CPU time', 'prompts', 'first tokens of all', 'an adapter']
  const trafficRows = [
    ['5', traffic.few_tokens_per_second.toFixed(0), `${traffic.few_first_token_ms.toFixed(0)} ms`, '', ''],
    ['2,000', traffic.many_tokens_per_second.toFixed(0), `${traffic.many_first_token_ms.toFixed(0)} ms`, `${traffic.ratio.toFixed(2)}x`, `${traffic.cpu_ratio.toFixed(2)}x`],
  ]
  return [
    '## Adapters',
    'Requests with an adapter of rank 8 each, all different, in one batch, beside as many requests to one merged model (int8 base, prompts of 64 tokens, 32 new ones); short turns in one process.',
    markdownTable(header, rows),
    `Traffic over adapters on disk (rank 8 on q, k, v, o; Zipf(1), 16 clients, at most 64 new tokens, at most 64 adapters in memory; ${traffic.loads} loads in 64 requests), beside the same over five. ${traffic.in_memory} adapters in memory take ${traffic.adapter_mb.toFixed(0)} MB; the process peaks at ${traffic.peak_mb.toFixed(0)} MB.`,
    markdownTable(['adapters', 'tokens/s', 'first token', 'ratio', 'by CPU time'], trafficRows),
  ].join('\n\n')
}
