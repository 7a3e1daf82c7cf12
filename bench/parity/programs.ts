import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { jsonLines, posttrain, run, toJsonLines } from '../process.ts'

/** What a model, ours or theirs, says of one row of tokens. */
export interface Scored {
  readonly ids: readonly number[]
  /** Entry i is that of ids[i + 1]. */
  readonly logprobs: readonly number[]
  /** What follows `ids`, taken greedily. */
  readonly greedy: readonly number[]
}

/** A model, and an adapter beside it. */
export interface Source {
  readonly model: string
  readonly adapter?: string
}

/** Runs both sides of a comparison; intermediate files stand in `folder`. */
export class Programs {
  readonly folder: string
  readonly #python: string

  constructor(folder: string, python: string) {
    this.folder = folder
    this.#python = python
  }

  /** `posttrain score`: ids and log-probabilities of rows. */
  async score(source: Source, rows: readonly unknown[]): Promise<Scored[]> {
    const data = join(this.folder, 'rows.jsonl')
    writeFileSync(data, toJsonLines(rows))
    const lines = await posttrain(['score', ...flags(source), '--data', data, '--json'])
    return (jsonLines(lines) as Omit<Scored, 'greedy'>[]).map(scored => ({ ...scored, greedy: [] }))
  }

  /** `posttrain generate`: the ids of a greedy answer. */
  async generate(source: Source, prompt: string, maxTokens: number): Promise<readonly number[]> {
    const lines = await posttrain(['generate', ...flags(source), '--prompt', prompt, '--max-tokens', String(maxTokens), '--temperature', '0', '--json'])
    return (jsonLines(lines)[0] as { ids: number[] }).ids
  }

  /** `posttrain merge` in f32, to a directory or a .gguf file. */
  async merge(source: Required<Source>, output: string): Promise<void> {
    const format = output.endsWith('.gguf') ? 'gguf' : 'safetensors'
    await posttrain(['merge', ...flags(source), '--output', output, '--format', format, '--dtype', 'f32'])
  }

  /** transformers and PEFT: log-probabilities and greedy continuation of token rows, or of prompts. */
  async reference(source: Source, rows: readonly ({ readonly ids: readonly number[] } | { readonly prompt: string })[], newTokens = 0): Promise<Scored[]> {
    const script = join('bench', 'parity', 'score.py')
    return jsonLines(await run(this.#python, [script, ...flags(source), '--new-tokens', String(newTokens)], toJsonLines(rows))) as Scored[]
  }

  /** llama.cpp: token ids of texts, in which control tokens are ordinary characters. */
  async llamaTokens(model: string, texts: readonly string[]): Promise<number[][]> {
    const answers = await this.#llama(model, texts.map(text => ({ text })))
    return (answers as { ids: number[] }[]).map(({ ids }) => ids)
  }

  /** llama.cpp: what follows each row of tokens, taken greedily. */
  async llamaGreedy(model: string, rows: readonly (readonly number[])[], newTokens: number): Promise<number[][]> {
    const answers = await this.#llama(model, rows.map(ids => ({ ids })), newTokens)
    return (answers as { greedy: number[] }[]).map(({ greedy }) => greedy)
  }

  async #llama(model: string, rows: readonly unknown[], newTokens = 0): Promise<unknown[]> {
    const script = join('bench', 'peers', 'llama_check.mjs')
    return jsonLines(await run(process.execPath, [script, '--model', model, '--new-tokens', String(newTokens)], toJsonLines(rows)))
  }

  /** Runs one of the Python scripts beside this file. */
  python(script: string, args: readonly string[]): Promise<string> {
    return run(this.#python, [join('bench', 'parity', script), ...args])
  }
}

function flags({ model, adapter }: Source): string[] {
  return ['--model', model, ...(adapter === undefined ? [] : ['--adapter', adapter])]
}
