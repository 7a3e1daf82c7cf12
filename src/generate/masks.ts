import { masked } from '../models/graph/forward.ts'
import type { HostTensor } from '../runtime/program.ts'
import type { KeyValueCache } from './cache.ts'

/**
 * For prompts of up to `length` positions: each position sees those before it and itself, within the sliding window. The
 * padding behind a prompt is seen by no position that counts. [batch, 1, length, length + unused]
 * @param unused masked positions of an otherwise empty past
 */
export function promptMask(batch: number, length: number, window: number | undefined, unused: number): HostTensor {
  const width = length + unused
  const data = new Float32Array(batch * length * width).fill(masked)
  for (let query = 0; query < batch * length; query++) {
    const position = query % length
    const row = query * width
    data.fill(0, row + Math.max(0, position - (window ?? length) + 1), row + position + 1)
  }
  return { data, shape: [batch, 1, length, width] }
}

/** For one new position of each row: itself, then the room of the cache, of which a row sees its own length. [rows, 1, 1, 1 + room] */
export function stepMask(cache: KeyValueCache, window: number | undefined): HostTensor {
  const width = 1 + cache.room
  const data = new Float32Array(cache.rows * width).fill(masked)
  for (let row = 0; row < cache.rows; row++) {
    const length = cache.length(row)
    const seen = Math.min(length, (window ?? Infinity) - 1)
    data[row * width] = 0
    data.fill(0, row * width + 1 + length - seen, row * width + 1 + length)
  }
  return { data, shape: [cache.rows, 1, 1, width] }
}
