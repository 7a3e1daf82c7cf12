import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ModelConfig } from '../models/config.ts'
import { admit, batchRows, type Group } from './admission.ts'
import type { Row } from './row.ts'

/** A group with a prompt of the given length; only the number of its rows counts here. */
function group(length: number, rows: number): Group {
  return { prompt: Array<number>(length).fill(1), rows: Array.from({ length: rows }, () => ({}) as Row) }
}

function sizes(groups: readonly Group[]): [length: number, rows: number][] {
  return groups.map(({ prompt, rows }) => [prompt.length, rows.length])
}

describe('admit', () => {
  test('takes groups in their order while places and positions last', () => {
    const waiting = [group(900, 8), group(800, 8), group(700, 8)]
    assert.deepEqual(sizes(admit(waiting, 128, 128)), [[900, 8], [800, 8]])
    assert.deepEqual(sizes(waiting), [[700, 8]])
    assert.deepEqual(sizes(admit(waiting, 112, 128)), [[700, 8]])
    assert.deepEqual(admit(waiting, 104, 128), [])
  })

  test('a prompt longer than a run is admitted by itself', () => {
    const waiting = [group(3000, 1), group(3000, 1)]
    assert.deepEqual(sizes(admit(waiting, 128, 128)), [[3000, 1]])
  })

  test('a group waits until it has places for all of its rows', () => {
    const waiting = [group(5, 8), group(4, 2)]
    assert.deepEqual(admit(waiting, 7, 128), [])
    assert.equal(waiting.length, 2)
    assert.deepEqual(sizes(admit(waiting, 9, 128)), [[5, 8]])
  })

  test('a group larger than an empty batch is split', () => {
    const waiting = [group(5, 20)]
    assert.deepEqual(sizes(admit(waiting, 8, 8)), [[5, 8]])
    assert.deepEqual(admit(waiting, 0, 8), [])
    assert.deepEqual(sizes(admit(waiting, 8, 8)), [[5, 8]])
    assert.deepEqual(sizes(admit(waiting, 8, 8)), [[5, 4]])
  })
})

test('rows are as many as the cache has memory for, at most 128, at least one', () => {
  // 2 · 32 layers · 8 heads · 128 values of 4 bytes: 256 KiB for each position
  const config = { layers: 32, kvHeads: 8, headDim: 128, maxPositions: 8192 } as ModelConfig
  const rows = (prompt: number, maxTokens: number, model = config): number =>
    batchRows([{ prompt: [1], maxTokens: 1, temperature: 0 }, { prompt: Array<number>(prompt).fill(1), maxTokens, temperature: 0 }], model)
  assert.equal(rows(64, 64), 128)
  assert.equal(rows(512, 512), 16)
  assert.equal(rows(512, 1e6), 2)
  assert.equal(rows(100, 1e6, { ...config, maxPositions: 131_072 }), 1)
  assert.equal(batchRows([], config), 128)
})
