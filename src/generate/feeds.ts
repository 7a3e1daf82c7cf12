import { cacheNames } from '../models/graph/cached.ts'
import type { ModelConfig } from '../models/config.ts'
import { masked } from '../models/graph/forward.ts'
import { RotaryTable } from '../models/graph/rotary.ts'
import type { HostTensor } from '../runtime/program.ts'
import type { KeyValueCache } from './cache.ts'
import type { BlockPast } from './key-value-block.ts'
import type { Row } from './row.ts'

type Feeds = Record<string, HostTensor>

export interface FeedOptions {
  /** Masked positions of the past while prompts are read: none, but a tensor of no size crashes WebGPU. */
  readonly unusedPast: number
  /**
   * Fewest rows of a product. A product of one row takes another kernel than one of several and sums in another order,
   * unless its weights are frozen: 2 keeps a row's bits independent of its batch. The row that is added is a copy.
   */
  readonly leastRows: 1 | 2
}

/** Tokens of a prompt, and how many come before them. */
export interface PromptChunk {
  readonly tokens: readonly number[]
  readonly before: number
}

/** The inputs of the cached decoder's graph (models/graph/cached.ts). */
export class DecoderFeeds {
  readonly #config: ModelConfig
  readonly #options: FeedOptions
  readonly #rotary: RotaryTable

  constructor(config: ModelConfig, options: FeedOptions) {
    this.#config = config
    this.#options = options
    this.#rotary = new RotaryTable(config)
  }

  /**
   * Chunks of prompts, some of which are asked for their next token.
   * @param length positions of each chunk, padding included, S
   * @param askers for each row, which chunk is the last of its prompt
   * @param past what comes before the chunks, where anything does
   */
  chunks(chunks: readonly PromptChunk[], length: number, askers: readonly number[], past: BlockPast | undefined): Feeds {
    const { unusedPast } = this.#options
    const batch = chunks.length
    const room = past?.room ?? unusedPast
    const [ids, positions] = [new BigInt64Array(batch * length), new Int32Array(batch * length)]
    chunks.forEach(({ tokens, before }, row) => {
      tokens.forEach((id, i) => {
        ids[row * length + i] = BigInt(id)
        positions[row * length + i] = before + i
      })
    })
    return {
      ids: { data: ids, shape: [batch, length] },
      mask: chunkMask(chunks, length, room, this.#config.slidingWindow),
      lengths: vector([length, room]),
      target_positions: vector(this.#padded(askers, 0).map((chunk) => chunk * length + chunks[chunk]!.tokens.length - 1)),
      ...(past?.feeds ?? noPast(this.#config, batch, unusedPast)),
      ...this.#rotary.feeds(positions, batch, length),
    }
  }

  /** One more position of each row, its last token. */
  step(rows: readonly Row[], cache: KeyValueCache): Feeds {
    const places = this.#padded([...rows.keys()], 0)
    const batch = places.length
    return {
      ids: { data: BigInt64Array.from(places, (row) => BigInt(rows[row]!.ids.at(-1)!)), shape: [batch, 1] },
      mask: stepMask(places, cache, this.#config.slidingWindow),
      lengths: vector([1, cache.room]),
      target_positions: vector([...places.keys()]),
      ...cache.feeds(batch),
      ...this.#rotary.feeds(Int32Array.from(places, (row) => cache.length(row)), batch, 1),
    }
  }

  /** How each row's next token is chosen. */
  choice(rows: readonly Row[]): Feeds {
    const draws = this.#padded(rows.map((row) => row.nextDraw()), -1)
    const inverseTemperatures = this.#padded(rows.map((row) => row.inverseTemperature), 1)
    const logitRows = rows.flatMap((row, i) => (row.needsLogits ? [i] : []))
    return {
      draw: { data: Float32Array.from(draws), shape: [draws.length, 1] },
      inverse_temperature: { data: Float32Array.from(inverseTemperatures), shape: [draws.length, 1] },
      // Never empty: a tensor of no size crashes WebGPU.
      logit_rows: vector(logitRows.length > 0 ? logitRows : [0]),
    }
  }

  /** How many rows a run has that is to have so many. */
  atLeast(rows: number): number {
    return Math.max(1, rows, this.#options.leastRows)
  }

  #padded(values: readonly number[], filler: number): readonly number[] {
    const missing = this.atLeast(values.length) - values.length
    return missing === 0 ? values : [...values, ...Array<number>(missing).fill(filler)]
  }
}

/**
 * Each position sees those of its chunk before it and itself, and those of the past that are its prompt's, within the
 * sliding window. The padding behind a chunk is seen by no position that counts. [batch, 1, length, length + room]
 */
function chunkMask(chunks: readonly PromptChunk[], length: number, room: number, window = Infinity): HostTensor {
  const width = length + room
  const data = new Float32Array(chunks.length * length * width).fill(masked)
  chunks.forEach(({ before }, chunk) => {
    for (let query = 0; query < length; query++) {
      const row = (chunk * length + query) * width
      data.fill(0, row + Math.max(0, query - window + 1), row + query + 1)
      data.fill(0, row + length + Math.min(before, Math.max(0, before + query - window + 1)), row + length + before)
    }
  })
  return { data, shape: [chunks.length, 1, length, width] }
}

/** The new position first, then the room of the cache, of which each row sees its own length. [places, 1, 1, 1 + room] */
function stepMask(places: readonly number[], cache: KeyValueCache, window: number | undefined): HostTensor {
  const width = 1 + cache.room
  const data = new Float32Array(places.length * width).fill(masked)
  places.forEach((row, place) => {
    const length = cache.length(row)
    const seen = Math.min(length, (window ?? Infinity) - 1)
    data[place * width] = 0
    data.fill(0, place * width + 1 + length - seen, place * width + 1 + length)
  })
  return { data, shape: [places.length, 1, 1, width] }
}

function noPast({ layers, kvHeads, headDim }: ModelConfig, batch: number, positions: number): Feeds {
  const zeros = { data: new Float32Array(batch * kvHeads * positions * headDim), shape: [batch, kvHeads, positions, headDim] }
  const feeds: Feeds = {}
  for (let layer = 0; layer < layers; layer++) {
    const { k, v } = cacheNames.past(layer)
    feeds[k] = feeds[v] = zeros
  }
  return feeds
}

function vector(values: readonly number[]): HostTensor {
  return { data: BigInt64Array.from(values, BigInt), shape: [values.length] }
}
