import { cachedDecoder } from '../models/graph/cached.ts'
import type { ModelConfig } from '../models/config.ts'
import type { DecoderParts } from '../models/graph/decoder.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { Program, type CompileOptions, type HostTensor } from '../runtime/program.ts'
import { admit, batchRows, type Group } from './admission.ts'
import { KeyValueCache } from './cache.ts'
import type { Completion, GenerateRequest } from './completion.ts'
import { DecoderFeeds } from './feeds.ts'
import { readChoices, Row } from './row.ts'

export interface EngineOptions extends CompileOptions {
  readonly config: ModelConfig
  readonly parts: DecoderParts
  readonly tokenizer: Tokenizer
  /**
   * Values of the parts' graph inputs (an adapter's matrices). They are read at every call of `generate`, not copied
   * before: an optimizer that changes them in place between two calls changes the next completions. They must not change
   * during a call.
   */
  readonly parameters: Readonly<Record<string, HostTensor>>
}

/**
 * Hears of each token, and of the text that is certain by then; the texts of a completion, joined, are its text.
 * @param request the request's place in its list
 * @param sample the completion's place among the request's
 */
export type OnToken = (request: number, sample: number, id: number, text: string) => void

/**
 * Batched decoding with a cache of its own: prompts join the running batch as rows leave it. A row's tokens and
 * log-probabilities do not depend on the rows beside it.
 */
export class Engine {
  readonly #options: EngineOptions
  readonly #program: Program
  readonly #feeds: DecoderFeeds
  readonly #outputsButLogits: readonly string[]

  private constructor(options: EngineOptions, program: Program) {
    this.#options = options
    this.#program = program
    this.#feeds = new DecoderFeeds(options.config, {
      unusedPast: options.device === 'webgpu' ? 1 : 0,
      leastRows: options.parts.loneRowDiffers ? 2 : 1,
    })
    this.#outputsButLogits = program.outputs.filter((name) => name !== 'logits')
  }

  static async compile(options: EngineOptions): Promise<Engine> {
    return new Engine(options, await Program.compile(cachedDecoder(options.config, options.parts), options))
  }

  /**
   * Completes every request; prompts are already token ids.
   * @returns the first request's samples, then the second's, and so on
   */
  async generate(requests: readonly GenerateRequest[], onToken?: OnToken): Promise<Completion[]> {
    const { config, tokenizer } = this.#options
    using cache = new KeyValueCache(config)
    const running: Row[] = []
    const groups = requests.map((request, index): Group => ({
      prompt: request.prompt,
      rows: Array.from({ length: request.samples ?? 1 }, (_, sample) => new Row(request, index, sample, config, tokenizer)),
    }))
    // Long prompts first: those of like length share a run with little padding.
    const waiting = groups.toSorted((a, b) => b.prompt.length - a.prompt.length)
    const most = batchRows(requests, config)

    while (waiting.length > 0 || running.length > 0) {
      const admitted = admit(waiting, most - running.length, most)
      if (admitted.length > 0) running.push(...await this.#readPrompts(admitted, cache, onToken))
      else cache.extend(await this.#run(running, this.#feeds.step(running, cache), onToken))
      removeFinished(running, cache)
    }
    return groups.flatMap(({ rows }) => rows.map(({ completion }) => completion!))
  }

  async release(): Promise<void> {
    await this.#program.release()
  }

  /** Computes each group's prompt once, and the first token of each of its rows. @returns the rows */
  async #readPrompts(groups: readonly Group[], cache: KeyValueCache, onToken: OnToken | undefined): Promise<Row[]> {
    const prompts = groups.map(({ prompt }) => prompt)
    const rows = groups.flatMap((group) => group.rows)
    const askers = groups.flatMap((group, prompt) => group.rows.map(() => prompt))
    const results = await this.#run(rows, this.#feeds.prompts(prompts, askers), onToken)
    cache.add(results, askers.map((from) => ({ from, length: prompts[from]!.length })))
    return rows
  }

  /** Runs the graph and gives each row its next token. @returns the new keys and values */
  async #run(rows: readonly Row[], feeds: Record<string, HostTensor>, onToken: OnToken | undefined): Promise<Record<string, HostTensor>> {
    const outputs = rows.some((row) => row.needsLogits) ? this.#program.outputs : this.#outputsButLogits
    const results = await this.#program.run({ ...this.#options.parameters, ...feeds, ...this.#feeds.choice(rows) }, outputs)
    const choices = readChoices(results, rows)
    rows.forEach((row, i) => {
      const { id, text } = row.take(choices, i)
      onToken?.(row.index, row.sample, id, text)
    })
    return results
  }
}

/** Rows that came to their end leave the batch; the last row takes a free place, as in the cache. */
function removeFinished(rows: Row[], cache: KeyValueCache): void {
  for (let row = rows.length - 1; row >= 0; row--) {
    if (rows[row]!.completion === undefined) continue
    cache.remove(row)
    rows[row] = rows.at(-1)!
    rows.pop()
  }
}
