/** Which waiting prompts join the batch, and when. */
import type { ModelConfig } from '../models/config.ts'
import { layersOf, slotBytes } from './adapter-slots.ts'
import { bytesPerPosition } from './cache.ts'
import type { GenerateRequest } from './completion.ts'
import type { PackedAdapter } from './packed-adapter.ts'
import type { Row } from './row.ts'

/** Completions of one prompt that wait for places in the batch, or have them. */
export interface Group {
  readonly request: GenerateRequest
  readonly adapter?: PackedAdapter | undefined
  readonly rows: readonly Row[]
}

/** What bounds a batch. */
export interface BatchLimits {
  /** Most rows that decode at once. */
  readonly rows: number
  /** Most memory that the keys and values of all rows may take, in bytes. */
  readonly cacheBytes: number
  /** Tokens that a completion is expected to have at most, whatever it may have; the engine parks rows where it errs. */
  readonly expectedTokens: number
}

/** Of a batch whose requests are all known: each may become as long as it may. */
export const wholeBatch: BatchLimits = { rows: 128, cacheBytes: 4 * 2 ** 30, expectedTokens: Infinity }

/** Most memory that the slots of the rows' adapters may take, in bytes. */
const slotBudget = 2 * 2 ** 30

/**
 * How many rows may decode at once: as many as have room in the cache even if each becomes as long as the longest is
 * expected to, and slots for adapters as large as the largest; at least one.
 * @param atLeast positions that the longest row has already
 */
export function batchRows(groups: readonly Omit<Group, 'rows'>[], config: ModelConfig, limits: BatchLimits = wholeBatch, atLeast = 1): number {
  const longest = groups.reduce(
    (length, { request: { prompt, maxTokens } }) => Math.max(length, prompt.length + Math.min(maxTokens, limits.expectedTokens)), atLeast,
  )
  const inCache = rowsInCache(Math.min(longest, config.maxPositions), config, limits)
  return Math.max(1, Math.min(limits.rows, inCache, rowsWithSlots(groups.map(({ adapter }) => adapter), config)))
}

/** How many rows of so many positions have room in the cache. */
export function rowsInCache(positions: number, config: ModelConfig, { cacheBytes }: BatchLimits): number {
  return Math.floor(cacheBytes / (positions * bytesPerPosition(config)))
}

function rowsWithSlots(adapters: readonly (PackedAdapter | undefined)[], config: ModelConfig): number {
  const layers = layersOf(adapters)
  if (layers === undefined) return Infinity
  const rank = adapters.reduce((highest, adapter) => Math.max(highest, adapter?.rank ?? 0), 1)
  return Math.floor(slotBudget / slotBytes(config, layers, rank))
}

/**
 * Takes waiting groups, in their order, while there are places for them. A group of more rows than an empty batch has is
 * split: its prompt is computed once for each part.
 * @param waiting what is taken is taken out
 * @param used places of the batch that are taken
 * @param rowsWith how many rows a batch may have that a group joins, after those taken here
 */
export function admit<G extends Group>(waiting: G[], used: number, rowsWith: (taken: readonly G[], next: G) => number): G[] {
  const admitted: G[] = []
  let taken = used
  while (waiting.length > 0) {
    const next = waiting[0]!
    const places = rowsWith(admitted, next) - taken
    if (next.rows.length > places && taken > 0) break
    if (next.rows.length > places) waiting[0] = { ...next, rows: next.rows.slice(places) }
    else waiting.shift()
    const part = { ...next, rows: next.rows.slice(0, places) }
    admitted.push(part)
    taken += part.rows.length
  }
  return admitted
}
