import { cacheNames, cachedDecoder } from '../models/graph/cached.ts'
import type { ModelConfig } from '../models/config.ts'
import type { DecoderParts } from '../models/graph/decoder.ts'
import { RotaryTable } from '../models/graph/rotary.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { Program, type CompileOptions, type HostTensor } from '../runtime/program.ts'
import { KeyValueCache } from './cache.ts'
import type { Completion, GenerateRequest } from './completion.ts'
import { promptMask, stepMask } from './masks.ts'
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

/** Most rows that decode at once. */
const maxRows = 128
/** Most prompt positions of one run, padding included. */
const promptBudget = 2048

/** Completions of one prompt that wait for places in the batch. */
interface Group {
  readonly prompt: readonly number[]
  readonly rows: readonly Row[]
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
  readonly #rotary: RotaryTable
  readonly #outputsButLogits: readonly string[]

  private constructor(options: EngineOptions, program: Program) {
    this.#options = options
    this.#program = program
    this.#rotary = new RotaryTable(options.config)
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
    const cache = new KeyValueCache(config)
    const running: Row[] = []
    const groups = requests.map((request, index): Group => ({
      prompt: request.prompt,
      rows: Array.from({ length: request.samples ?? 1 }, (_, sample) => new Row(request, index, sample, config, tokenizer)),
    }))
    // Long prompts first: those of like length share a run with little padding.
    const waiting = groups.toSorted((a, b) => b.prompt.length - a.prompt.length)

    while (waiting.length > 0 || running.length > 0) {
      const admitted = admit(waiting, running.length)
      await (admitted.length > 0 ? this.#readPrompts(admitted, cache, onToken) : this.#decodeStep(running, cache, onToken))
      running.push(...admitted.flatMap(({ rows }) => rows))
      removeFinished(running, cache)
    }
    return groups.flatMap(({ rows }) => rows.map(({ completion }) => completion!))
  }

  async release(): Promise<void> {
    await this.#program.release()
  }

  /** Computes each group's prompt once, and the first token of each of its rows. */
  async #readPrompts(groups: readonly Group[], cache: KeyValueCache, onToken: OnToken | undefined): Promise<void> {
    const { config } = this.#options
    const batch = groups.length
    const longest = Math.max(...groups.map(({ prompt }) => prompt.length))
    const [ids, positions] = [new BigInt64Array(batch * longest), new Int32Array(batch * longest)]
    groups.forEach(({ prompt }, group) => {
      prompt.forEach((id, i) => {
        ids[group * longest + i] = BigInt(id)
        positions[group * longest + i] = i
      })
    })
    const sources = groups.flatMap(({ prompt, rows }, from) => rows.map(() => ({ from, length: prompt.length })))
    const results = await this.#run(groups.flatMap(({ rows }) => rows), {
      ids: { data: ids, shape: [batch, longest] },
      mask: promptMask(batch, longest, config.slidingWindow, this.#unusedPast),
      lengths: { data: BigInt64Array.of(BigInt(longest), BigInt(this.#unusedPast)), shape: [2] },
      target_positions: vector(sources.map(({ from, length }) => from * longest + length - 1)),
      ...unusedPast(config, batch, this.#unusedPast),
      ...this.#rotary.feeds(positions, batch, longest),
    }, onToken)
    cache.add(results, sources)
  }

  async #decodeStep(rows: readonly Row[], cache: KeyValueCache, onToken: OnToken | undefined): Promise<void> {
    const batch = rows.length
    const results = await this.#run(rows, {
      ids: { data: BigInt64Array.from(rows, (row) => BigInt(row.ids.at(-1)!)), shape: [batch, 1] },
      mask: stepMask(cache, this.#options.config.slidingWindow),
      lengths: { data: BigInt64Array.of(1n, BigInt(cache.room)), shape: [2] },
      target_positions: vector([...rows.keys()]),
      ...cache.feeds(),
      ...this.#rotary.feeds(Int32Array.from(rows, (_, row) => cache.length(row)), batch, 1),
    }, onToken)
    cache.extend(results)
  }

  /** Runs the graph and gives each row its next token. @returns the new keys and values */
  async #run(rows: readonly Row[], feeds: Record<string, HostTensor>, onToken: OnToken | undefined): Promise<Record<string, HostTensor>> {
    const column = [rows.length, 1]
    const choice = {
      draw: { data: Float32Array.from(rows, (row) => row.nextDraw()), shape: column },
      inverse_temperature: { data: Float32Array.from(rows, (row) => row.inverseTemperature), shape: column },
    }
    const wanted = rows.some((row) => row.needsLogits) ? this.#program.outputs : this.#outputsButLogits
    const results = await this.#program.run({ ...this.#options.parameters, ...feeds, ...choice }, wanted)
    const choices = readChoices(results)
    rows.forEach((row, i) => {
      const { id, text } = row.take(choices, i)
      onToken?.(row.index, row.sample, id, text)
    })
    return results
  }

  /** Positions of the past while prompts are read, all masked: none, but a tensor of no size crashes WebGPU. */
  get #unusedPast(): number {
    return this.#options.device === 'webgpu' ? 1 : 0
  }
}

/**
 * Takes as many waiting groups as fit into the batch and into one run. A group of more rows than a batch has is split:
 * its prompt is computed once for each part.
 */
function admit(waiting: Group[], running: number): Group[] {
  const admitted: Group[] = []
  let places = maxRows - running
  while (waiting.length > 0) {
    const { prompt, rows } = waiting[0]!
    if (admitted.length > 0 && (admitted.length + 1) * admitted[0]!.prompt.length > promptBudget) break
    if (rows.length > places) {
      if (places < maxRows) break
      admitted.push({ prompt, rows: rows.slice(0, maxRows) })
      waiting[0] = { prompt, rows: rows.slice(maxRows) }
      break
    }
    admitted.push(waiting.shift()!)
    places -= rows.length
  }
  return admitted
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

function unusedPast({ layers, kvHeads, headDim }: ModelConfig, batch: number, positions: number): Record<string, HostTensor> {
  const zeros = { data: new Float32Array(batch * kvHeads * positions * headDim), shape: [batch, kvHeads, positions, headDim] }
  const feeds: Record<string, HostTensor> = {}
  for (let layer = 0; layer < layers; layer++) {
    const { k, v } = cacheNames.past(layer)
    feeds[k] = feeds[v] = zeros
  }
  return feeds
}

function vector(values: readonly number[]): HostTensor {
  return { data: BigInt64Array.from(values, BigInt), shape: [values.length] }
}
