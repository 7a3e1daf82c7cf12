import { join } from 'node:path'
import { jsonLines, run } from './process.ts'
import { inTurns, markdownTable, median } from './table.ts'

interface Options {
  readonly python: string
  /** Hugging Face directory in f32. */
  readonly model: string
  /** The same model as llama.cpp gets it. */
  readonly gguf: string
  readonly rounds: number
}

interface Figures {
  readonly tokens_per_second: number
  readonly peak_mb: number
}

const batches = [1, 8]

/** Greedy decoding of 64 new tokens at several batch sizes. */
export async function benchDecode({ python, model, gguf, rounds }: Options): Promise<string> {
  const here = import.meta.dirname
  const call = (command: string, script: string, batch: number, args: readonly string[]) => async (): Promise<Figures> =>
    jsonLines(await run(command, [join(here, script), '--batch', String(batch), ...args]))[0] as Figures
  const rows: string[][] = []
  for (const batch of batches) {
    const results = await inTurns(new Map([
      ['transformers f32', call(python, 'peers/transformers_generate.py', batch, ['--model', model, '--precision', 'f32'])],
      ['transformers bf16', call(python, 'peers/transformers_generate.py', batch, ['--model', model, '--precision', 'bf16'])],
      ['node-llama-cpp Q4_1', call(process.execPath, 'peers/llama_cpp.mjs', batch, ['--model', gguf])],
      ['posttrain f32', call(process.execPath, 'ours/decode.ts', batch, ['--model', model, '--precision', 'f32'])],
      ['posttrain int8', call(process.execPath, 'ours/decode.ts', batch, ['--model', model, '--precision', 'int8'])],
    ]), rounds)
    const of = (name: string): number => median(results.get(name)!.map((each) => each.tokens_per_second))
    const transformers = Math.max(of('transformers f32'), of('transformers bf16'))
    for (const name of results.keys()) {
      const memory = median(results.get(name)!.map((each) => each.peak_mb))
      rows.push([
        String(batch), name, of(name).toFixed(0), `${(of(name) / of('node-llama-cpp Q4_1')).toFixed(2)}x`,
        `${(of(name) / transformers).toFixed(2)}x`, `${memory.toFixed(0)} MB`,
      ])
    }
  }
  const header = ['batch', '', 'tokens/s', 'to node-llama-cpp', 'to the faster transformers', 'peak memory']
  return `## Decoding\n\nGreedy, 64 new tokens, prompts of a sentence under the chat template; what comes after the first token counts.\n\n${markdownTable(header, rows)}`
}
