import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ModelConfig } from '../models/config.ts'
import { admit, batchRows, wholeBatch, type Group } from './admission.ts'
import type { Row } from './row.ts'

/** A group with a prompt of the given length; only the number of its rows counts here. */
function group(length: number, rows: number): Group {
  const request = { prompt: Array<number>(length).fill(1), maxTokens: 1, temperature: 0 }
  return { request, rows: Array.from({ length: rows }, () => ({}) as Row) }
}

function sizes(groups: readonly Group[]): [length: number, rows: number][] {
  return groups.map(({ request: { prompt }, rows }) => [prompt.length, rows.length])
}

describe('admit', () => {
  test('takes groups in their order while there are places', () => {
    const waiting = [group(900, 8), group(800, 8), group(700, 8)]
    assert.deepEqual(sizes(admit(waiting, 100, () => 120)), [[900, 8], [800, 8]])
    assert.deepEqual(sizes(waiting), [[700, 8]])
    assert.deepEqual(admit(waiting, 113, () => 120), [])
  })

  test('asks for the places of a batch with what was taken and what is next', () => {
    const waiting = [group(5, 2), group(9, 2), group(5, 2)]
    const rowsWith = (taken: readonly Group[], next: Group): number => (next.request.prompt.length > 5 ? taken.length : 128)
    assert.deepEqual(sizes(admit(waiting, 0, rowsWith)), [[5, 2]])
    assert.deepEqual(sizes(waiting), [[9, 2], [5, 2]])
  })

  test('a group waits until it has places for all of its rows', () => {
    const waiting = [group(5, 8), group(4, 2)]
    assert.deepEqual(admit(waiting, 121, () => 128), [])
    assert.equal(waiting.length, 2)
    assert.deepEqual(sizes(admit(waiting, 119, () => 128)), [[5, 8]])
  })

  test('a group larger than an empty batch is split', () => {
    const waiting = [group(5, 20)]
    assert.deepEqual(sizes(admit(waiting, 0, () => 8)), [[5, 8]])
    assert.deepEqual(admit(waiting, 8, () => 8), [])
    assert.deepEqual(sizes(admit(waiting, 0, () => 8)), [[5, 8]])
    assert.deepEqual(sizes(admit(waiting, 0, () => 8)), [[5, 4]])
  })
})

// 2 · 32 layers · 8 heads · 128 values of 4 bytes: 256 KiB for each position
const config = { layers: 32, kvHeads: 8, headDim: 128, heads: 32, hiddenSize: 4096, intermediateSize: 11_008, maxPositions: 8192 } as ModelConfig
const short = { request: { prompt: [1], maxTokens: 1, temperature: 0 } }

test('rows are as many as the cache has memory for, at most 128, at least one', () => {
  const rows = (prompt: number, maxTokens: number, model = config): number =>
    batchRows([short, { request: { prompt: Array<number>(prompt).fill(1), maxTokens, temperature: 0 } }], model)
  assert.equal(rows(64, 64), 128)
  assert.equal(rows(512, 512), 16)
  assert.equal(rows(512, 1e6), 2)
  assert.equal(rows(100, 1e6, { ...config, maxPositions: 131_072 }), 1)
  assert.equal(batchRows([], config), 128)
  assert.equal(batchRows([short], config, { ...wholeBatch, rows: 5 }), 5)
  const unbounded = { request: { prompt: [1], maxTokens: 1e6, temperature: 0 } }
  assert.equal(batchRows([unbounded], config, { ...wholeBatch, expectedTokens: 511 }), 32)
  assert.equal(batchRows([unbounded], config, { ...wholeBatch, expectedTokens: 511 }, 1024), 16)
})

test('rows are as many as have slots for the largest adapter', () => {
  const rows = (rank: number, layers: 'attention' | 'all'): number =>
    batchRows([short, { ...short, adapter: { id: 'a', rank, layers, values: new Map(), bytes: 0 } }], config)
  // Rank 8 on q, k, v, o: 8 · (4 · 4096 + 2 · 4096 + 2 · 1024) values in each of 32 layers, 26 MiB.
  assert.equal(rows(8, 'attention'), 78)
  assert.equal(rows(16, 'attention'), 39)
  assert.ok(rows(64, 'all') < rows(64, 'attention'))
})
