import { cacheNames } from '../models/graph/cached.ts'
import type { ModelConfig } from '../models/config.ts'
import { masked } from '../models/graph/forward.ts'
import { RotaryTable } from '../models/graph/rotary.ts'
import type { HostTensor } from '../runtime/program.ts'
import type { KeyValueCache } from './cache.ts'
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
   * Prompts to be read whole, each asked for its next token by some rows.
   * @param askers for each row, which prompt is its
   */
  prompts(prompts: readonly (readonly number[])[], askers: readonly number[]): Feeds {
    const { unusedPast, leastRows } = this.#options
    const batch = prompts.length
    const length = Math.max(leastRows, ...prompts.map((prompt) => prompt.length))
    const [ids, positions] = [new BigInt64Array(batch * length), new Int32Array(batch * length)]
    prompts.forEach((prompt, row) => {
      prompt.forEach((id, i) => {
        ids[row * length + i] = BigInt(id)
        positions[row * length + i] = i
      })
    })
    return {
      ids: { data: ids, shape: [batch, length] },
      mask: promptMask(batch, length, this.#config.slidingWindow, unusedPast),
      lengths: vector([length, unusedPast]),
      target_positions: vector(this.#padded(askers).map((prompt) => prompt * length + prompts[prompt]!.length - 1)),
      ...noPast(this.#config, batch, unusedPast),
      ...this.#rotary.feeds(positions, batch, length),
    }
  }

  /** One more position of each row, its last token. */
  step(rows: readonly Row[], cache: KeyValueCache): Feeds {
    const places = this.#padded([...rows.keys()])
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
    const draws = this.#padded(rows.map((row) => row.nextDraw()))
    const inverseTemperatures = this.#padded(rows.map((row) => row.inverseTemperature))
    const logitRows = rows.flatMap((row, i) => (row.needsLogits ? [i] : []))
    return {
      draw: { data: Float32Array.from(draws), shape: [draws.length, 1] },
      inverse_temperature: { data: Float32Array.from(inverseTemperatures), shape: [draws.length, 1] },
      // Never empty: a tensor of no size crashes WebGPU.
      logit_rows: vector(logitRows.length > 0 ? logitRows : [0]),
    }
  }

  #padded<T>(values: readonly T[]): readonly T[] {
    return values.length < this.#options.leastRows ? [...values, values[0]!] : values
  }
}

/**
 * Each position sees those before it and itself, within the sliding window. The padding behind a prompt is seen by no
 * position that counts. [batch, 1, length, length + unused]
 */
function promptMask(batch: number, length: number, window: number | undefined, unused: number): HostTensor {
  const width = length + unused
  const data = new Float32Array(batch * length * width).fill(masked)
  for (let query = 0; query < batch * length; query++) {
    const position = query % length
    const row = query * width
    data.fill(0, row + Math.max(0, position - (window ?? length) + 1), row + position + 1)
  }
  return { data, shape: [batch, 1, length, width] }
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
