/** Which waiting prompts join the batch, and when. */
import type { ModelConfig } from '../models/config.ts'
import { bytesPerPosition } from './cache.ts'
import type { GenerateRequest } from './completion.ts'
import type { Row } from './row.ts'

/** Completions of one prompt that wait for places in the batch. */
export interface Group {
  readonly prompt: readonly number[]
  readonly rows: readonly Row[]
}

/** Most rows that decode at once. */
const maxRows = 128
/** Most memory that the keys and values of all rows may come to take, in bytes. */
const cacheBudget = 4 * 2 ** 30
/** Most prompt positions of one run, padding included. */
const promptBudget = 2048

/** How many rows may decode at once: as many as have room in the cache even if each becomes as long as the longest may; at least one. */
export function batchRows(requests: readonly GenerateRequest[], config: ModelConfig): number {
  const longest = requests.reduce((most, { prompt, maxTokens }) => Math.max(most, prompt.length + maxTokens), 1)
  const row = Math.min(longest, config.maxPositions) * bytesPerPosition(config)
  return Math.max(1, Math.min(maxRows, Math.floor(cacheBudget / row)))
}

/**
 * Takes as many waiting groups, the longest prompt first, as fit into the batch and into one run; none where the first has
 * to wait for places. A group of more rows than a batch has is split: its prompt is computed once for each part.
 * @param waiting what is taken is taken out
 * @param free places in the batch, of `rows`
 */
export function admit(waiting: Group[], free: number, rows: number): Group[] {
  const admitted: Group[] = []
  let places = free
  while (waiting.length > 0) {
    const next = waiting[0]!
    const fitsRun = admitted.length === 0 || (admitted.length + 1) * admitted[0]!.prompt.length <= promptBudget
    if (!fitsRun || (next.rows.length > places && places < rows)) break
    if (next.rows.length > places) waiting[0] = { ...next, rows: next.rows.slice(places) }
    else waiting.shift()
    admitted.push({ ...next, rows: next.rows.slice(0, places) })
    places -= Math.min(places, next.rows.length)
  }
  return admitted
}
