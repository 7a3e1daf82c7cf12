import { UserError } from '../errors.ts'
import { chunkSize } from '../models/graph/next-token.ts'
import type { ModelConfig } from '../models/config.ts'
import { TokenStream, type Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { Random } from '../random.ts'
import type { HostTensor } from '../runtime/program.ts'
import type { Completion, GenerateRequest } from './completion.ts'
import { isGreedy, isTruncated, sampleToken } from './sampling.ts'

/** What the graph chose for each row of a run (models/graph/next-token.ts). */
export interface Choices {
  readonly chunks: BigInt64Array
  readonly chunkLogits: Float32Array
  readonly peaks: Float32Array
  readonly peakProbabilities: Float32Array
  readonly temperedPeakProbabilities: Float32Array
  /** Only where a row asked for all of its logits. */
  readonly logits: Float32Array | undefined
}

export function readChoices(results: Readonly<Record<string, HostTensor>>): Choices {
  const floats = (name: string): Float32Array => results[name]!.data as Float32Array
  return {
    chunks: results['chunk']!.data as BigInt64Array,
    chunkLogits: floats('chunk_logits'),
    peaks: floats('peak_logit'),
    peakProbabilities: floats('peak_probability'),
    temperedPeakProbabilities: floats('tempered_peak_probability'),
    logits: results['logits'] && floats('logits'),
  }
}

/** One completion on its way through the batch. */
export class Row {
  readonly request: GenerateRequest
  /** The request's place in its list, and the completion's among the request's samples. */
  readonly index: number
  readonly sample: number
  readonly ids: number[] = []
  /** Set with the last token. */
  completion: Completion | undefined

  readonly #config: ModelConfig
  readonly #stream: TokenStream
  readonly #random: Random
  readonly #logprobs: number[] = []
  readonly #samplingLogprobs: number[] = []
  /** Characters of the text that were handed out. */
  #printed = 0

  constructor(request: GenerateRequest, index: number, sample: number, config: ModelConfig, tokenizer: Tokenizer) {
    this.request = request
    this.index = index
    this.sample = sample
    this.#config = config
    this.#stream = new TokenStream(tokenizer)
    this.#random = new Random(request.seed ?? 0, index, sample)
  }

  /** Whether the host needs all logits to choose. */
  get needsLogits(): boolean {
    return isTruncated(this.request) && !isGreedy(this.request)
  }

  /** Feeds of the graph's choice. */
  get inverseTemperature(): number {
    // Bounded, so that its product with a logit is finite.
    return isGreedy(this.request) ? 1 : Math.min(1 / this.request.temperature, 1e30)
  }

  /** A number from 0 to 1; −1 asks for the likeliest token. */
  nextDraw(): number {
    return isGreedy(this.request) || this.needsLogits ? -1 : this.#random.uniform()
  }

  /**
   * Takes the next token: row `i` of what the graph chose.
   * @returns its id, and the text that is certain by now and was not before
   */
  take(choices: Choices, i: number): { id: number; text: string } {
    const start = this.needsLogits ? 0 : Number(choices.chunks[i]) * chunkSize
    const values = this.needsLogits ? rowOf(choices.logits!, i, this.#config.vocabSize) : rowOf(choices.chunkLogits, i, chunkSize)
    const at = sampleToken(values, this.request, this.#random)
    const id = start + at
    const below = values[at]! - choices.peaks[i]!
    const logprob = below + Math.log(choices.peakProbabilities[i]!)
    if (!Number.isFinite(logprob)) throw noNumber(this.request.prompt.length + this.ids.length)
    this.ids.push(id)
    this.#logprobs.push(logprob)
    this.#samplingLogprobs.push(this.#tempered(below, choices.temperedPeakProbabilities[i]!))
    return { id, text: this.#advance(id) }
  }

  /** The log-probability at the request's temperature of a token whose logit lies `below` the peak (at most 0). */
  #tempered(below: number, peakProbability: number): number {
    const { temperature } = this.request
    return temperature === 0 ? 0 : below / temperature + Math.log(peakProbability)
  }

  #advance(id: number): string {
    if (!this.#config.eosTokenIds.includes(id)) this.#stream.push(id)
    this.completion = this.#finished()
    const text = this.completion?.text ?? withoutStopPrefix(this.#stream.text, this.request.stop ?? [])
    const fresh = text.slice(this.#printed)
    this.#printed = Math.max(this.#printed, text.length)
    return fresh
  }

  #finished(): Completion | undefined {
    const { request, ids } = this
    const ended = this.#config.eosTokenIds.includes(ids.at(-1)!)
    const stopAt = firstStop(this.#stream.text, request.stop ?? [])
    const full = ids.length >= Math.min(request.maxTokens, this.#config.maxPositions - request.prompt.length)
    if (!ended && stopAt === undefined && !full) return undefined
    this.#stream.flush()
    return {
      text: this.#stream.text.slice(0, stopAt),
      ids,
      logprobs: this.#logprobs,
      samplingLogprobs: this.#samplingLogprobs,
      finishReason: ended || stopAt !== undefined ? 'stop' : 'length',
      usage: { promptTokens: request.prompt.length, completionTokens: ids.length },
    }
  }
}

function noNumber(position: number): UserError {
  return new UserError(
    `the model's logits at position ${position} are not numbers: its weights or its adapter are damaged, or its training ` +
    'diverged. Take an earlier checkpoint, or train with a lower learning rate',
  )
}

function rowOf(values: Float32Array, i: number, width: number): Float32Array {
  return values.subarray(i * width, (i + 1) * width)
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
