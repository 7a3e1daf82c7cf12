import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ModelConfig } from '../models/config.ts'
import { cacheNames } from '../models/graph/cached.ts'
import { blockLength, KeyValueBlock, pastOfBlocks } from './key-value-block.ts'
import { PrefixCache, type Prefix } from './prefix-cache.ts'

const config = { layers: 2, kvHeads: 2, headDim: 3 } as ModelConfig
const blockBytes = 2 * config.layers * config.kvHeads * blockLength * config.headDim * 4

/** A run's new keys and values for two prompts of S positions: each value says where it stands. */
function outputs(positions: number): Record<string, { data: Float32Array<ArrayBuffer>; shape: number[] }> {
  const shape = [2, config.kvHeads, positions, config.headDim]
  const names = [0, 1].flatMap((layer) => Object.values(cacheNames.fresh(layer)))
  return Object.fromEntries(names.map((name, store) => {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => store * 10_000 + i)
    return [name, { data, shape }]
  }))
}

const block = (): KeyValueBlock => KeyValueBlock.of(outputs(blockLength), 1, config)
const tokens = (first: number): number[] => Array.from({ length: blockLength }, (_, i) => first + i)

function keep(cache: PrefixCache, before: Prefix, first: number): Prefix {
  const made = block()
  const prefix = cache.keep(before, cache.keyOf(before, tokens(first)), made)
  made.release()
  return prefix
}

test('blocks side by side are the keys and values of their prompts, zeros where a prompt is shorter', () => {
  const [first, second] = [0, 1].map((prompt) => KeyValueBlock.of(outputs(blockLength + 6), prompt, config)) as [KeyValueBlock, KeyValueBlock]
  const past = pastOfBlocks([[first], [second, first]], config)
  assert.equal(past.room, 2 * blockLength)
  const { data, shape } = past.feeds[cacheNames.past(1).v]!
  assert.deepEqual(shape, [2, 2, 2 * blockLength, 3])
  const at = (prompt: number, head: number, position: number): unknown => data[((prompt * 2 + head) * 2 * blockLength + position) * 3]
  const made = (prompt: number, head: number, position: number): number => 30_000 + ((prompt * 2 + head) * (blockLength + 6) + position) * 3
  assert.deepEqual([at(0, 1, 5), at(0, 1, blockLength)], [made(0, 1, 5), 0])
  assert.deepEqual([at(1, 0, 63), at(1, 1, blockLength + 7)], [made(1, 0, 63), made(0, 1, 7)])
})

test('a block is freed when the last one lets go of it', () => {
  const shared = block()
  shared.retain().release()
  assert.equal(shared.values.length, blockBytes / 4)
  shared.release()
  assert.equal(shared.values.length, 0)
})

describe('known beginnings', () => {
  test('are found by adapter and all tokens before', () => {
    const cache = new PrefixCache(1e9)
    const root = cache.root(undefined)
    const first = keep(cache, root, 0)
    keep(cache, first, 100)
    assert.ok(cache.find(cache.keyOf(root, tokens(0))))
    assert.ok(cache.find(cache.keyOf(first, tokens(100))))
    assert.equal(cache.find(cache.keyOf(root, tokens(100))), undefined, 'the same tokens after others')
    assert.equal(cache.find(cache.keyOf(cache.root('adapter'), tokens(0))), undefined, 'the same tokens under an adapter')
  })

  test('the least recently used go first, none before those below it', () => {
    const cache = new PrefixCache(3 * blockBytes)
    const root = cache.root(undefined)
    const [a, b] = [keep(cache, root, 0), keep(cache, root, 1)]
    const below = keep(cache, a, 100)
    cache.find(below.key)?.block.release()
    keep(cache, root, 2)
    assert.equal(cache.bytes, 3 * blockBytes)
    assert.equal(cache.find(b.key), undefined, 'used longest ago')
    keep(cache, root, 3)
    assert.deepEqual([cache.find(below.key), cache.find(a.key) !== undefined], [undefined, true])
  })

  test('one that goes stays readable for whoever reads it', () => {
    const cache = new PrefixCache(blockBytes)
    const root = cache.root(undefined)
    const { block: held } = cache.find(keep(cache, root, 0).key)!
    keep(cache, root, 1)
    assert.equal(held.values.length, blockBytes / 4)
    held.release()
    assert.equal(held.values.length, 0)
  })

  test('those of an adapter are forgotten together', () => {
    const cache = new PrefixCache(1e9)
    keep(cache, keep(cache, cache.root('a'), 0), 1)
    const other = keep(cache, cache.root('b'), 0)
    cache.forget('a')
    assert.equal(cache.bytes, blockBytes)
    assert.ok(cache.find(other.key))
  })
})
