import { cachedDecoder } from '../models/graph/cached.ts'
import type { ModelConfig } from '../models/config.ts'
import type { DecoderParts } from '../models/graph/decoder.ts'
import type { AdaptedLayers } from '../models/graph/row-lora.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { Program, type CompileOptions, type HostTensor } from '../runtime/program.ts'
import { AdapterSlots, layersOf } from './adapter-slots.ts'
import { admit, batchRows, wholeBatch, type BatchLimits } from './admission.ts'
import type { Completion, GenerateRequest } from './completion.ts'
import { DecoderFeeds } from './feeds.ts'
import { blockLength, freeFresh, pastOfBlocks, type KeyValueBlock } from './key-value-block.ts'
import type { PackedAdapter } from './packed-adapter.ts'
import { PrefixCache } from './prefix-cache.ts'
import { PromptReader, releaseBlocks, type Chunk, type ChunkRun } from './prompt-reader.ts'
import { readChoices, Row } from './row.ts'
import { RunningBatch, type RunningRow, type SubmittedGroup } from './running-batch.ts'
import { fail, finish, type Listener, type Submission } from './submission.ts'

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
  /** For requests that come one by one. */
  readonly live?: LiveEngineOptions
}

/** With these, prompts are read in chunks, between which the running rows go on, and beginnings of prompts are kept. */
export interface LiveEngineOptions {
  readonly limits: BatchLimits
  /** Most memory that beginnings of prompts take. */
  readonly prefixBytes: number
  /** The parts with slots for adapters (models/graph/row-lora.ts). */
  readonly adapted: (layers: AdaptedLayers) => DecoderParts
}

/**
 * Hears of each token, and of the text that is certain by then; the texts of a completion, joined, are its text.
 * @param request the request's place in its list
 * @param sample the completion's place among the request's
 */
export type OnToken = (request: number, sample: number, id: number, text: string) => void

export interface EngineCounts {
  readonly promptTokens: number
  readonly cachedPromptTokens: number
  readonly completionTokens: number
}

/** Most positions of prompts in one run, padding included. */
const promptBudget = 2048
/** The same where rows decode meanwhile: what they wait for. */
const promptBudgetBeside = 256

/**
 * Batched decoding with a cache of its own: requests join the running batch whenever they come, and leave it as they end.
 * A row's tokens and log-probabilities do not depend on the rows beside it.
 */
export class Engine {
  readonly #options: EngineOptions
  readonly #programs = new Map<AdaptedLayers | undefined, Promise<Program>>()
  readonly #feeds: DecoderFeeds
  readonly #prefixes: PrefixCache | undefined
  readonly #reader: PromptReader<SubmittedGroup>
  readonly #batch: RunningBatch
  /** Adapters of the prompts of a run. */
  readonly #promptSlots: AdapterSlots
  readonly #counts = { promptTokens: 0, cachedPromptTokens: 0, completionTokens: 0 }
  #waiting: SubmittedGroup[] = []
  #stepping: Promise<void> | undefined

  private constructor(options: EngineOptions) {
    const { config, device, parts, live } = options
    this.#options = options
    this.#feeds = new DecoderFeeds(config, { unusedPast: device === 'webgpu' ? 1 : 0, leastRows: parts.loneRowDiffers ? 2 : 1 })
    this.#prefixes = live && new PrefixCache(live.prefixBytes)
    this.#reader = new PromptReader(config, this.#prefixes)
    this.#batch = new RunningBatch(config, live?.limits ?? wholeBatch)
    this.#promptSlots = new AdapterSlots(config)
  }

  static async compile(options: EngineOptions): Promise<Engine> {
    const engine = new Engine(options)
    await engine.prepare(undefined)
    return engine
  }

  /** Compiles the graph with slots for adapters of some layers, or without any; once. */
  async prepare(layers: AdaptedLayers | undefined): Promise<void> {
    await this.#program(layers)
  }

  /** Whether there is anything to do. */
  get busy(): boolean {
    return this.#waiting.length + this.#batch.rows.length + this.#reader.groups.length > 0 || this.#batch.hasParked
  }

  get runningRows(): number {
    return this.#batch.rows.length
  }

  /** Requests that have no token yet. */
  get waitingRequests(): number {
    return new Set([...this.#waiting, ...this.#reader.groups].map(({ submission }) => submission)).size
  }

  get counts(): EngineCounts {
    return { ...this.#counts }
  }

  /**
   * Takes a request into the batch at the next step that has places for it.
   * @param index the place in the list of `generate`: part of the random stream's name
   */
  submit(request: GenerateRequest, listener: Listener, { index = 0, adapter }: { index?: number; adapter?: PackedAdapter | undefined } = {}): Submission {
    const { config, tokenizer } = this.#options
    const rows = Array.from({ length: request.samples ?? 1 }, (_, sample) => new Row(request, index, sample, config, tokenizer))
    const submission = { request, rows, listener, ended: false }
    this.#waiting.push({ request, adapter, rows, submission })
    this.#counts.promptTokens += request.prompt.length
    return submission
  }

  /** Takes a request's rows out of the batch before the next step; it hears nothing more. */
  cancel(submission: Submission): void {
    submission.ended = true
    if (this.#stepping === undefined) this.#removeEnded()
  }

  /** Forgets what is kept for an adapter that is not asked for again. */
  forget(adapter: string): void {
    this.#prefixes?.forget(adapter)
  }

  /** One more token for each running row; before that, a run over prompts that wait. Calls share a step that is under way. */
  async step(): Promise<void> {
    this.#stepping ??= this.#advance().finally(() => { this.#stepping = undefined })
    await this.#stepping
  }

  /**
   * Completes every request; prompts are already token ids.
   * @returns the first request's samples, then the second's, and so on
   */
  async generate(requests: readonly GenerateRequest[], onToken?: OnToken): Promise<Completion[]> {
    const results: Completion[][] = []
    let failure: { readonly error: unknown } | undefined
    const submissions = requests.map((request, index) => ({ request, index }))
      // Long prompts first: those of like length share a run with little padding.
      .sort((a, b) => b.request.prompt.length - a.request.prompt.length)
      .map(({ request, index }) => this.submit(request, {
        token: (sample, { id, text }) => { onToken?.(index, sample, id, text) },
        done: (completions) => { results[index] = completions },
        failed: (error) => { failure ??= { error } },
      }, { index }))
    while (failure === undefined && submissions.some(({ ended }) => !ended)) await this.step()
    if (failure === undefined) return results.flat()
    submissions.forEach((submission) => { this.cancel(submission) })
    throw failure.error
  }

  async release(): Promise<void> {
    for (const program of this.#programs.values()) await (await program).release()
  }

  #program(layers: AdaptedLayers | undefined): Promise<Program> {
    const known = this.#programs.get(layers)
    if (known !== undefined) return known
    const { config, parts, live } = this.#options
    const compiled = Program.compile(cachedDecoder(config, layers === undefined ? parts : live!.adapted(layers)), this.#options)
    this.#programs.set(layers, compiled)
    return compiled
  }

  async #advance(): Promise<void> {
    this.#removeEnded()
    try {
      this.#batch.returnParked()
      this.#reader.start(this.#admit())
      const run = this.#reader.next(this.#promptBudget, (tokens) => { this.#counts.cachedPromptTokens += tokens })
      if (run !== undefined) await this.#read(run)
      // Whoever has all requests at once is served best by reading all prompts first.
      if (run === undefined || this.#options.live !== undefined) await this.#decode()
    } catch (error) {
      for (const { submission } of [...this.#batch.groups, ...this.#reader.groups]) fail(submission, error)
    }
    this.#removeEnded()
  }

  get #promptBudget(): number {
    return this.#options.live !== undefined && this.#batch.rows.length > 0 ? promptBudgetBeside : promptBudget
  }

  #admit(): SubmittedGroup[] {
    const { config, live } = this.#options
    const limits = live?.limits ?? wholeBatch
    // Whoever was parked comes first.
    if (this.#waiting.length === 0 || this.#batch.hasParked) return []
    const inBatch = [...this.#batch.groups, ...this.#reader.groups]
    const used = this.#batch.rows.length + this.#reader.groups.reduce((sum, { rows }) => sum + rows.length, 0)
    return admit(this.#waiting, used, (taken, next) => batchRows([...inBatch, ...taken, next], config, limits, this.#batch.cache.longest + 1))
  }

  /** Reads a chunk of some prompts, and the first token of the rows whose prompts end with it. */
  async #read(run: ChunkRun<SubmittedGroup>): Promise<void> {
    const { config } = this.#options
    const { chunks, length } = run
    const rows = chunks.flatMap(({ reading: { group }, isLast }): RunningRow[] => (isLast ? group.rows.map((row) => ({ row, group })) : []))
    const askers = chunks.flatMap(({ reading, isLast }, place) => (isLast ? reading.group.rows.map(() => place) : []))
    const before = chunks.map(({ reading: { blocks } }) => [...blocks])
    const past = before[0]!.length === 0 ? undefined : pastOfBlocks(before, config)
    const feeds = this.#feeds.chunks(chunks.map((chunk, place) => promptChunk(chunk, before[place]!)), length, askers, past)
    const adapters = chunks.map(({ reading: { group } }) => group.adapter)
    const outputs = await this.#run(rows, feeds, adapters, this.#promptSlots, chunks.length)
    past?.release()
    this.#reader.take(run, outputs)
    this.#batch.add(rows, outputs, askers.map((from) => ({ from, length: chunks[from]!.tokens.length, before: before[from]! })))
    freeFresh(outputs, config)
    chunks.forEach(({ reading, isLast }) => { if (isLast) releaseBlocks(reading) })
  }

  /** One more token for each running row. */
  async #decode(): Promise<void> {
    this.#removeEnded()
    if (this.#batch.rows.length === 0) return
    this.#batch.park()
    const { rows: running, cache, adapters, slots } = this.#batch
    const feeds = this.#feeds.step(running.map(({ row }) => row), cache)
    cache.extend(await this.#run(running, feeds, adapters, slots, this.#feeds.atLeast(running.length)))
  }

  /**
   * Runs the graph and gives each row its next token.
   * @param adapters those of the graph's rows
   * @returns the new keys and values
   */
  async #run(
    running: readonly RunningRow[], feeds: Record<string, HostTensor>, adapters: readonly (PackedAdapter | undefined)[], slots: AdapterSlots,
    graphRows: number,
  ): Promise<Record<string, HostTensor>> {
    const rows = running.map(({ row }) => row)
    const layers = layersOf(adapters)
    const program = await this.#program(layers)
    const outputs = rows.some((row) => row.needsLogits) ? program.outputs : program.outputs.filter((name) => name !== 'logits')
    const slotFeeds = layers === undefined ? {} : slots.feeds(adapters, graphRows)
    const results = await program.run({ ...this.#options.parameters, ...slotFeeds, ...feeds, ...this.#feeds.choice(rows) }, outputs)
    const choices = readChoices(results, rows)
    running.forEach(({ row, group: { submission } }, i) => {
      if (submission.ended) return
      try {
        const taken = row.take(choices, i)
        this.#counts.completionTokens++
        submission.listener.token(row.sample, taken)
      } catch (error) {
        fail(submission, error)
      }
    })
    for (const { group: { submission } } of running) if (!submission.ended) finish(submission)
    return results
  }

  #removeEnded(): void {
    this.#waiting = this.#waiting.filter(({ submission }) => !submission.ended)
    this.#reader.drop(({ submission }) => submission.ended)
    this.#batch.removeEnded()
    if (this.busy) return
    this.#batch.clear()
    this.#promptSlots.clear()
  }
}

function promptChunk({ tokens }: Chunk<SubmittedGroup>, before: readonly KeyValueBlock[]): { tokens: readonly number[]; before: number } {
  return { tokens, before: before.length * blockLength }
}
