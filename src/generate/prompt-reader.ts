/** Prompts are read a chunk at a time, those of several requests together, and what is known of them already is not read again. */
import type { ModelConfig } from '../models/config.ts'
import { widestProduct } from '../models/graph/row-lora.ts'
import type { HostTensor } from '../runtime/program.ts'
import type { Group } from './admission.ts'
import { blockLength, KeyValueBlock } from './key-value-block.ts'
import type { Prefix, PrefixCache } from './prefix-cache.ts'

/** A prompt that is being read. */
interface Reading<G extends Group> {
  readonly group: G
  /** What was read of it. */
  readonly blocks: KeyValueBlock[]
  /** Where its blocks end in the tree of known beginnings. */
  prefix: Prefix | undefined
}

/** A prompt's part in a run. */
export interface Chunk<G extends Group> {
  readonly reading: Reading<G>
  readonly tokens: readonly number[]
  /** Whether the prompt ends with it: its rows then get their first token. */
  readonly isLast: boolean
}

export interface ChunkRun<G extends Group> {
  readonly chunks: readonly Chunk<G>[]
  /** Positions of each, padding included, S. */
  readonly length: number
}

/** Fewest positions of a run: a product of a single row takes another kernel than one of several. */
const leastLength = 2
/** Lengths of chunks behind others are multiples of this, so that those of like length share a run. */
const lengthStep = 16
/** Prompts whose adapters have a higher rank are read by themselves. */
const highestSharedRank = 16

/**
 * Reads prompts, whole or in chunks of 64 tokens. A chunk's keys and values depend on the adapter and the tokens up to its
 * end alone, bit by bit: the first chunk has nothing behind its padding, a later one has a length that its own prompt
 * decides, since what it sees of the past begins there. ONNX Runtime's matrix product sums in parts whose length depends
 * on the number of columns, and gives threads columns where these are more than the rows: so prompts share a run with those
 * of the same rank alone, and have at least as many positions as the products with A have columns.
 */
export class PromptReader<G extends Group> {
  readonly #config: ModelConfig
  readonly #prefixes: PrefixCache | undefined
  /** Those that have waited longest first. */
  #readings: Reading<G>[] = []

  /** @param prefixes what is known of earlier prompts; undefined: prompts are read whole */
  constructor(config: ModelConfig, prefixes: PrefixCache | undefined) {
    this.#config = config
    this.#prefixes = prefixes
  }

  get groups(): readonly G[] {
    return this.#readings.map(({ group }) => group)
  }

  start(groups: readonly G[]): void {
    this.#readings.push(...groups.map((group) => ({ group, blocks: [], prefix: this.#prefixes?.root(group.adapter?.id) })))
  }

  /** Stops reading the prompts of some groups. */
  drop(isDropped: (group: G) => boolean): void {
    const dropped = this.#readings.filter(({ group }) => isDropped(group))
    if (dropped.length === 0) return
    this.#readings = this.#readings.filter(({ group }) => !isDropped(group))
    dropped.forEach(releaseBlocks)
  }

  /**
   * The chunks to be read next: that of the prompt that has waited longest, and with it those of others that fit.
   * @param positions most positions of the run, padding included, unless a single prompt has more
   * @param known hears of the tokens that need not be read
   */
  next(positions: number, known: (tokens: number) => void): ChunkRun<G> | undefined {
    const chunks: Chunk<G>[] = []
    const keys = new Set<string>()
    let length = 0
    for (const reading of this.#readings) {
      this.#skipKnown(reading, known)
      const chunk = this.#chunkOf(reading)
      const own = runLength(chunk)
      if (!chunks.every((other) => fits(chunk, other))) continue
      if (chunks.length > 0 && (chunks.length + 1) * Math.max(length, own) > positions) break
      // A block that this run computes already is waited for.
      const key = this.#keyOf(chunk)
      if (key !== undefined && keys.has(key)) continue
      if (key !== undefined) keys.add(key)
      chunks.push(chunk)
      length = Math.max(length, own)
    }
    return chunks.length === 0 ? undefined : { chunks, length }
  }

  /** Takes what a run returned. Prompts that came to their end are read no more; their blocks are the caller's to release. */
  take({ chunks }: ChunkRun<G>, outputs: Readonly<Record<string, HostTensor>>): void {
    const ended = new Set<Reading<G>>()
    chunks.forEach((chunk, place) => {
      const { reading } = chunk
      if (chunk.isLast) ended.add(reading)
      const key = this.#keyOf(chunk)
      if (key === undefined) return
      const block = KeyValueBlock.of(outputs, place, this.#config)
      reading.prefix = this.#prefixes!.keep(reading.prefix!, key, block)
      if (chunk.isLast) block.release()
      else reading.blocks.push(block)
    })
    const others = this.#readings.filter((reading) => !chunks.some((chunk) => chunk.reading === reading))
    this.#readings = [...others, ...chunks.map(({ reading }) => reading).filter((reading) => !ended.has(reading))]
  }

  /** Takes blocks that were read for another prompt. The last token is always read: its successor is asked for. */
  #skipKnown(reading: Reading<G>, known: (tokens: number) => void): void {
    if (this.#prefixes === undefined) return
    const { prompt } = reading.group.request
    for (;;) {
      const start = reading.blocks.length * blockLength
      if (start + blockLength >= prompt.length) return
      const found = this.#prefixes.find(this.#prefixes.keyOf(reading.prefix!, prompt.slice(start, start + blockLength)))
      if (found === undefined) return
      reading.blocks.push(found.block)
      reading.prefix = found.prefix
      known(blockLength)
    }
  }

  #chunkOf(reading: Reading<G>): Chunk<G> {
    const { prompt } = reading.group.request
    const start = reading.blocks.length * blockLength
    const end = this.#prefixes === undefined ? prompt.length : Math.min(start + blockLength, prompt.length)
    return { reading, tokens: prompt.slice(start, end), isLast: end === prompt.length }
  }

  /** The name of a chunk that is a whole block. */
  #keyOf({ reading, tokens }: Chunk<G>): string | undefined {
    return tokens.length === blockLength ? this.#prefixes?.keyOf(reading.prefix!, tokens) : undefined
  }
}

export function releaseBlocks({ blocks }: { readonly blocks: readonly KeyValueBlock[] }): void {
  for (const block of blocks) block.release()
}

function isFirst({ reading }: Chunk<Group>): boolean {
  return reading.blocks.length === 0
}

function rankOf({ reading }: Chunk<Group>): number {
  return reading.group.adapter?.rank ?? 0
}

/** Positions that a chunk takes in a run, padding included; a first one may take more. */
function runLength(chunk: Chunk<Group>): number {
  const rank = rankOf(chunk)
  const length = Math.max(leastLength, chunk.tokens.length, rank > highestSharedRank ? 0 : widestProduct(rank))
  return isFirst(chunk) ? length : Math.ceil(length / lengthStep) * lengthStep
}

/** Whether two chunks can share a run: both first, or both behind others and of one length; of one rank, where both have one. */
function fits(chunk: Chunk<Group>, other: Chunk<Group>): boolean {
  const [rank, otherRank] = [rankOf(chunk), rankOf(other)]
  if (Math.max(rank, otherRank) > highestSharedRank || (rank !== otherRank && rank > 0 && otherRank > 0)) return false
  return isFirst(chunk) ? isFirst(other) : !isFirst(other) && runLength(chunk) === runLength(other)
}
