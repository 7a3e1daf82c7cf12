import { UserError } from '../errors.ts'
import { chunkSize } from '../models/graph/next-token.ts'
import type { ModelConfig } from '../models/config.ts'
import { TokenStream, type Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { Random } from '../random.ts'
import type { HostTensor } from '../runtime/program.ts'
import type { Completion, GenerateRequest, TokenLogprob } from './completion.ts'
import { formatsOf } from './format/constraint.ts'
import { changesLogits, LogitChanges } from './logit-changes.ts'
import { isGreedy, isTruncated, largestLogits, sampleToken } from './sampling.ts'

/** What the graph chose for each row of a run (models/graph/next-token.ts). */
export interface Choices {
  readonly chunks: BigInt64Array
  readonly chunkLogits: Float32Array
  readonly peaks: Float32Array
  readonly peakProbabilities: Float32Array
  readonly temperedPeakProbabilities: Float32Array
  /** All logits of each row that needs them, [V]. */
  readonly logits: readonly (Float32Array | undefined)[]
}

/** @param rows those of the run, in its order */
export function readChoices(results: Readonly<Record<string, HostTensor>>, rows: readonly Row[]): Choices {
  const floats = (name: string): Float32Array => results[name]!.data as Float32Array
  return {
    chunks: results['chunk']!.data as BigInt64Array,
    chunkLogits: floats('chunk_logits'),
    peaks: floats('peak_logit'),
    peakProbabilities: floats('peak_probability'),
    temperedPeakProbabilities: floats('tempered_peak_probability'),
    logits: logitsOf(rows, results['logits']),
  }
}

/** Of each row its logits, where it needs them: `logits` has those of the rows that do, one after the other. */
function logitsOf(rows: readonly Row[], logits: HostTensor | undefined): (Float32Array | undefined)[] {
  let place = 0
  return rows.map((row) => (row.needsLogits ? rowOf(logits!.data as Float32Array, place++, logits!.shape[1]!) : undefined))
}

/** A token that was chosen. */
export interface Taken {
  readonly id: number
  /** Text that is certain by now and was not before. */
  readonly text: string
  /** Under the unmodified distribution. */
  readonly logprob: number
  /** Where they were asked for: the likeliest tokens in its place. */
  readonly top: readonly TokenLogprob[] | undefined
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
  readonly #topLogprobs: (readonly TokenLogprob[])[] = []
  readonly #changes: LogitChanges | undefined
  /** The graph's draw knows neither truncation nor changes. */
  readonly #choosesOnHost: boolean
  /** Characters of the text that were handed out. */
  #printed = 0

  constructor(request: GenerateRequest, index: number, sample: number, config: ModelConfig, tokenizer: Tokenizer) {
    this.request = request
    this.index = index
    this.sample = sample
    this.#config = config
    this.#stream = new TokenStream(tokenizer)
    this.#random = new Random(request.seed ?? 0, index, sample)
    if (changesLogits(request)) {
      const { format } = request
      const constraint = format && formatsOf(tokenizer, config.vocabSize).constraint(format, config.eosTokenIds)
      this.#changes = new LogitChanges(request, constraint)
    }
    this.#choosesOnHost = this.#changes !== undefined || (isTruncated(request) && !isGreedy(request))
  }

  /** Whether the host needs all logits. */
  get needsLogits(): boolean {
    return this.#choosesOnHost || this.#named > 0
  }

  /** How many of the likeliest tokens to name at each position. */
  get #named(): number {
    return this.request.topLogprobs ?? 0
  }

  /** Feeds of the graph's choice. */
  get inverseTemperature(): number {
    // Bounded, so that its product with a logit is finite.
    return isGreedy(this.request) ? 1 : Math.min(1 / this.request.temperature, 1e30)
  }

  /** A number from 0 to 1; −1 asks for the likeliest token. */
  nextDraw(): number {
    return isGreedy(this.request) || this.#choosesOnHost ? -1 : this.#random.uniform()
  }

  /**
   * Takes the next token: row `i` of what the graph chose.
   * @throws UserError where the logits are no numbers, or where the request's format allows no token
   */
  take(choices: Choices, i: number): Taken {
    const peak = choices.peaks[i]!
    const logPeak = Math.log(choices.peakProbabilities[i]!)
    const { id, logit } = this.#choose(choices, i)
    const logprob = logit - peak + logPeak
    if (!Number.isFinite(logprob)) throw noNumber(this.request.prompt.length + this.ids.length)
    this.ids.push(id)
    this.#changes?.take(id)
    this.#logprobs.push(logprob)
    this.#samplingLogprobs.push(this.#tempered(logit - peak, choices.temperedPeakProbabilities[i]!))
    const top = this.#named === 0 ? undefined : likeliest(choices.logits[i]!, this.#named, (logit) => logit - peak + logPeak)
    if (top !== undefined) this.#topLogprobs.push(top)
    return { id, text: this.#advance(id), logprob, top }
  }

  /** The next token's id, and its logit as the model has it. */
  #choose(choices: Choices, i: number): { id: number; logit: number } {
    if (this.#choosesOnHost) {
      const logits = choices.logits[i]!
      const id = sampleToken(this.#changes?.apply(logits) ?? logits, this.request, this.#random)
      return { id, logit: logits[id]! }
    }
    const chunk = rowOf(choices.chunkLogits, i, chunkSize)
    const at = sampleToken(chunk, this.request, this.#random)
    return { id: Number(choices.chunks[i]) * chunkSize + at, logit: chunk[at]! }
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
    const isWhole = this.#changes?.isFinished === true
    const stopAt = firstStop(this.#stream.text, request.stop ?? [])
    const full = ids.length >= Math.min(request.maxTokens, this.#config.maxPositions - request.prompt.length)
    if (!ended && !isWhole && stopAt === undefined && !full) return undefined
    this.#stream.flush()
    return {
      text: this.#stream.text.slice(0, stopAt),
      ids,
      logprobs: this.#logprobs,
      samplingLogprobs: this.#samplingLogprobs,
      ...(this.#named > 0 && { topLogprobs: this.#topLogprobs }),
      finishReason: ended || isWhole || stopAt !== undefined ? 'stop' : 'length',
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

function likeliest(logits: Float32Array, count: number, logprobOf: (logit: number) => number): TokenLogprob[] {
  return largestLogits(logits, count).map((id) => ({ id, logprob: logprobOf(logits[id]!) }))
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
