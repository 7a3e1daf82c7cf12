import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../random.ts'
import { packRows, paddingShare } from './pack.ts'
import type { PackedBatch } from '../models/graph/forward.ts'
import type { RenderedRow } from './render.ts'

/** A row of `length` tokens, all different from other rows', with loss from token `from` to before `to`. */
function row(id: number, length: number, from: number, to = length): RenderedRow {
  return {
    ids: Int32Array.from({ length }, (_, i) => id * 10_000 + i + 1),
    mask: new Uint8Array(length).fill(1, from, to),
  }
}

function randomRows(random: Random, count: number, longest: number): RenderedRow[] {
  return Array.from({ length: count }, (_, id) => {
    const length = 2 + random.below(longest - 1)
    const from = 1 + random.below(length - 1)
    const mask = new Uint8Array(length)
    for (let i = from; i < length; i++) mask[i] = random.below(3) === 0 ? 0 : 1
    mask[from] = 1
    return { ...row(id, length, length), mask }
  })
}

/** Every loss-carrying prediction as `row: context -> label`, the context read back from the batch. */
function predictions(batch: PackedBatch): string[] {
  return Array.from(batch.targets.positions, (at, n) => {
    const position = batch.positions[at]!
    const context = batch.ids.subarray(at - position, at + 1)
    const owner = batch.segments[at]!
    assert.equal(batch.sequences.trees[batch.targets.sequences[n]!], owner)
    assert.ok(batch.segments.subarray(at - position, at + 1).every(segment => segment === owner))
    return `${owner}: ${context.join(' ')} -> ${batch.targets.labels[n]}`
  })
}

function expectedPredictions(rows: readonly RenderedRow[]): string[] {
  return rows.flatMap(({ ids, mask }, owner) =>
    Array.from(ids).flatMap((id, i) => (mask[i] === 1 ? [`${owner}: ${ids.subarray(0, i).join(' ')} -> ${id}`] : [])),
  )
}

test('each token that carries loss is predicted once, from its own row from its beginning', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed)
    const rows = randomRows(random, 1 + random.below(20), 2 + random.below(120))
    const batches = packRows(rows, { maxTokens: 64 + random.below(512) })
    assert.deepEqual(batches.flatMap(predictions).toSorted(), expectedPredictions(rows).toSorted(), `seed ${seed}`)
    assert.equal(batches.reduce((sum, batch) => sum + batch.tokens, 0), rows.reduce((sum, { ids }) => sum + ids.length, 0))
  }
})

test('no sequence crosses a bin, positions restart, what is over is padding', () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(seed)
    for (const batch of packRows(randomRows(random, 12, 60), { maxTokens: 256 })) {
      assert.equal(batch.ids.length, batch.bins * batch.length)
      const binOf = new Map<number, number>()
      batch.segments.forEach((segment, at) => {
        if (segment === -1) {
          assert.deepEqual([batch.ids[at], batch.positions[at]], [0n, 0])
          return
        }
        const bin = Math.floor(at / batch.length)
        assert.equal(binOf.get(segment) ?? bin, bin)
        binOf.set(segment, bin)
        const follows = at % batch.length > 0 && batch.segments[at - 1] === segment
        assert.equal(batch.positions[at], follows ? batch.positions[at - 1]! + 1 : 0)
      })
    }
  }
})

test('a micro-batch has at most maxTokens positions, or one bin', () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(seed)
    for (const { bins, length } of packRows(randomRows(random, 16, 300), { maxTokens: 256 })) {
      assert.equal(length % 16, 0)
      assert.ok(bins === 1 || bins * length <= 256, `${bins} x ${length}`)
    }
  }
})

test('tokens after the last one that carries loss are not computed', () => {
  const [batch] = packRows([row(0, 40, 3, 10)])
  assert.equal(batch?.segments.filter(segment => segment === 0).length, 9)
  assert.equal(batch?.targets.labels.at(-1), 10n)
  assert.equal(batch?.tokens, 40)
})

test('the same rows are packed the same way', () => {
  const rows = randomRows(new Random(5), 20, 100)
  assert.deepEqual(packRows(rows), packRows(rows))
})

test('a row without loss is not trained silently', () => {
  assert.throws(() => packRows([row(0, 5, 2), row(1, 5, 5)]), /Row 2 of this step/)
  assert.throws(() => packRows([row(0, 1, 1)]), /Row 1/)
  assert.deepEqual(packRows([]), [])
})

// Lengths of every third of 175 published seed tasks, as ChatML in SmolLM2's tokens.
const chatLengths = [
  151, 236, 160, 119, 90, 64, 237, 60, 255, 56, 66, 121, 121, 270, 109, 122, 58, 98, 60, 58, 78, 198, 53, 96, 149, 47,
  160, 128, 235, 57, 144, 134, 64, 177, 315, 91, 146, 99, 69, 126, 117, 77, 126, 274, 132, 320, 77, 133, 122, 68, 56,
  71, 62, 60, 53, 158, 227, 183,
]

test('steps of chat rows of unequal length are more than 90% full', () => {
  const rows = chatLengths.map((length, id) => row(id, length, Math.floor(length / 2)))
  for (const batch of [4, 8, 16]) {
    const steps = Array.from({ length: Math.floor(rows.length / batch) }, (_, step) => rows.slice(step * batch, (step + 1) * batch))
    const share = paddingShare(steps.flatMap(step => packRows(step)))
    assert.ok(share < 0.1, `batch ${batch}: ${(100 * share).toFixed(1)}% padding`)
  }
})
