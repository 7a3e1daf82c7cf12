import { cacheNames, cachedDecoder } from '../models/graph/cached.ts'
import type { ModelConfig } from '../models/config.ts'
import type { DecoderParts } from '../models/graph/decoder.ts'
import { masked } from '../models/graph/forward.ts'
import { RotaryTable } from '../models/graph/rotary.ts'
import { TokenStream, type Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { Random } from '../random.ts'
import { Program, type CompileOptions, type HostTensor } from '../runtime/program.ts'
import { KeyValueCache } from './cache.ts'
import type { Completion, GenerateRequest } from './completion.ts'
import { sampleToken } from './sampling.ts'

export interface EngineOptions extends CompileOptions {
  readonly config: ModelConfig
  readonly parts: DecoderParts
  readonly tokenizer: Tokenizer
  /** Values of the parts' graph inputs (an adapter's matrices). */
  readonly parameters: Readonly<Record<string, HostTensor>>
}

/** Most rows that decode at once. */
const maxRows = 128
/** Most prompt positions of one run, padding included. */
const promptBudget = 2048

/** A request on its way through the batch. */
interface Row {
  readonly index: number
  readonly request: GenerateRequest
  readonly random: Random
  readonly stream: TokenStream
  readonly ids: number[]
  readonly logprobs: number[]
  /** Characters of the text that were handed out. */
  printed: number
  /** Set with the last token. */
  completion: Completion | undefined
}

/** Hears of each token, and of the text that is certain by then; the texts of a request, joined, are its completion's. */
export type OnToken = (request: number, id: number, text: string) => void

/**
 * Batched decoding with a cache of its own: prompts join the running batch as rows leave it. A row's tokens and
 * log-probabilities do not depend on the rows beside it.
 */
export class Engine {
  readonly #options: EngineOptions
  readonly #program: Program
  readonly #rotary: RotaryTable

  private constructor(options: EngineOptions, program: Program) {
    this.#options = options
    this.#program = program
    this.#rotary = new RotaryTable(options.config)
  }

  static async compile(options: EngineOptions): Promise<Engine> {
    return new Engine(options, await Program.compile(cachedDecoder(options.config, options.parts), options))
  }

  /** Completes every request; prompts are already token ids. */
  async generate(requests: readonly GenerateRequest[], onToken?: OnToken): Promise<Completion[]> {
    const cache = new KeyValueCache(this.#options.config)
    const rows: Row[] = []
    const completions: Completion[] = []
    const waiting = requests.map((request, index): Row => ({
      index,
      request,
      random: new Random(request.seed ?? 0, index),
      stream: new TokenStream(this.#options.tokenizer),
      ids: [],
      logprobs: [],
      printed: 0,
      completion: undefined,
    }))
    // Long prompts first: those of like length share a run with little padding.
    waiting.sort((a, b) => b.request.prompt.length - a.request.prompt.length)

    while (waiting.length > 0 || rows.length > 0) {
      const outputs = await (waiting.length > 0 && rows.length < maxRows
        ? this.#readPrompts(admit(waiting, maxRows - rows.length), rows, cache)
        : this.#decodeStep(rows, cache))
      this.#takeTokens(outputs.rows, outputs.results, onToken)
      for (let row = rows.length - 1; row >= 0; row--) {
        const { completion, index } = rows[row]!
        if (completion === undefined) continue
        completions[index] = completion
        cache.remove(row)
        rows[row] = rows.at(-1)!
        rows.pop()
      }
    }
    return completions
  }

  async release(): Promise<void> {
    await this.#program.release()
  }

  async #readPrompts(admitted: readonly Row[], rows: Row[], cache: KeyValueCache): Promise<StepOutput> {
    const lengths = admitted.map(({ request }) => request.prompt.length)
    const longest = Math.max(...lengths)
    const [ids, positions] = [new BigInt64Array(admitted.length * longest), new Int32Array(admitted.length * longest)]
    admitted.forEach(({ request }, row) => {
      request.prompt.forEach((id, i) => {
        ids[row * longest + i] = BigInt(id)
        positions[row * longest + i] = i
      })
    })
    const results = await this.#run(new KeyValueCache(this.#options.config), {
      ids: { data: ids, shape: [admitted.length, longest] },
      mask: this.#promptMask(admitted.length, longest),
      lengths: { data: BigInt64Array.of(BigInt(longest), BigInt(this.#unusedPast)), shape: [2] },
      target_positions: vector(lengths.map((length, row) => row * longest + length - 1)),
    }, positions)
    cache.add(results, lengths)
    rows.push(...admitted)
    return { rows: admitted, results }
  }

  async #decodeStep(rows: readonly Row[], cache: KeyValueCache): Promise<StepOutput> {
    const results = await this.#run(cache, {
      ids: { data: BigInt64Array.from(rows, (row) => BigInt(row.ids.at(-1)!)), shape: [rows.length, 1] },
      mask: this.#stepMask(cache),
      lengths: { data: BigInt64Array.of(1n, BigInt(cache.room)), shape: [2] },
      target_positions: vector(rows.map((_, row) => row)),
    }, Int32Array.from(rows, (_, row) => cache.length(row)))
    cache.extend(results)
    return { rows, results }
  }

  async #run(cache: KeyValueCache, feeds: Record<string, HostTensor>, positions: Int32Array): Promise<Record<string, HostTensor>> {
    const { config, parameters } = this.#options
    const [batch, length] = feeds['ids']!.shape as [number, number]
    const past = cache.rows > 0 ? cache.feeds() : unusedPast(config, batch, this.#unusedPast)
    return this.#program.run({ ...parameters, ...past, ...feeds, ...this.#rotary.feeds(positions, batch, length) })
  }

  /** Each position sees those before it and itself; the padding behind a prompt is seen by no position that counts. */
  #promptMask(batch: number, length: number): HostTensor {
    const window = this.#options.config.slidingWindow ?? length
    const width = length + this.#unusedPast
    const data = new Float32Array(batch * length * width).fill(masked)
    for (let query = 0; query < batch * length; query++) {
      const position = query % length
      const row = query * width
      data.fill(0, row + Math.max(0, position - window + 1), row + position + 1)
    }
    return { data, shape: [batch, 1, length, width] }
  }

  /** Positions of the past while prompts are read, all masked: none, but a tensor of no size crashes WebGPU. */
  get #unusedPast(): number {
    return this.#options.device === 'webgpu' ? 1 : 0
  }

  /** The new position first, then the room of the cache, of which each row sees its own length. */
  #stepMask(cache: KeyValueCache): HostTensor {
    const width = 1 + cache.room
    const data = new Float32Array(cache.rows * width).fill(masked)
    for (let row = 0; row < cache.rows; row++) {
      const length = cache.length(row)
      const seen = Math.min(length, (this.#options.config.slidingWindow ?? Infinity) - 1)
      data[row * width] = 0
      data.fill(0, row * width + 1 + length - seen, row * width + 1 + length)
    }
    return { data, shape: [cache.rows, 1, 1, width] }
  }

  #takeTokens(rows: readonly Row[], results: Readonly<Record<string, HostTensor>>, onToken: OnToken | undefined): void {
    const logits = results['logits']!.data as Float32Array
    const peaks = results['peak_logit']!.data as Float32Array
    const peakProbabilities = results['peak_probability']!.data as Float32Array
    const { vocabSize } = this.#options.config
    rows.forEach((row, i) => {
      const ofRow = logits.subarray(i * vocabSize, (i + 1) * vocabSize)
      const id = sampleToken(ofRow, row.request, row.random)
      row.ids.push(id)
      row.logprobs.push(ofRow[id]! - peaks[i]! + Math.log(peakProbabilities[i]!))
      if (!this.#isEnd(id)) row.stream.push(id)
      row.completion = this.#finished(row)
      const text = row.completion?.text ?? withoutStopPrefix(row.stream.text, row.request.stop ?? [])
      onToken?.(row.index, id, text.slice(row.printed))
      row.printed = Math.max(row.printed, text.length)
    })
  }

  #isEnd(id: number): boolean {
    return this.#options.config.eosTokenIds.includes(id)
  }

  /** The completion of a row that has come to its end. */
  #finished(row: Row): Completion | undefined {
    const { request, ids, logprobs, stream } = row
    const ended = this.#isEnd(ids.at(-1)!)
    const stopAt = firstStop(stream.text, request.stop ?? [])
    const full = ids.length >= Math.min(request.maxTokens, this.#options.config.maxPositions - request.prompt.length)
    if (!ended && stopAt === undefined && !full) return undefined
    stream.flush()
    return {
      text: stream.text.slice(0, stopAt),
      ids,
      logprobs,
      finishReason: ended || stopAt !== undefined ? 'stop' : 'length',
      usage: { promptTokens: request.prompt.length, completionTokens: ids.length },
    }
  }
}

interface StepOutput {
  readonly rows: readonly Row[]
  readonly results: Readonly<Record<string, HostTensor>>
}

/** Takes as many waiting rows as fit into one run; at least one. */
function admit(waiting: Row[], places: number): Row[] {
  const longest = waiting[0]!.request.prompt.length
  return waiting.splice(0, Math.max(1, Math.min(places, Math.floor(promptBudget / longest))))
}

/** Where the earliest stop string begins. */
function firstStop(text: string, stops: readonly string[]): number | undefined {
  const places = stops.map((stop) => text.indexOf(stop)).filter((place) => place >= 0)
  return places.length === 0 ? undefined : Math.min(...places)
}

/** The text without an end that may become a stop string. */
function withoutStopPrefix(text: string, stops: readonly string[]): string {
  let held = 0
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > held; length--) {
      if (text.endsWith(stop.slice(0, length))) held = length
    }
  }
  return text.slice(0, text.length - held)
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
