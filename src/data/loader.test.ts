import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Loader } from './loader.ts'
import type { LoaderBatch, LoaderOptions } from './loader.ts'

const options: LoaderOptions = { parts: [{ rows: 10 }], batch: 4, seed: 7, shuffle: true }

function take(loader: Loader, steps: number): LoaderBatch[] {
  return Array.from({ length: steps }, () => loader.next())
}

test('an epoch has each row once, its last batch is short, and no batch reaches over its end', () => {
  const loader = new Loader(options)
  assert.equal(loader.stepsPerEpoch, 3)
  const batches = take(loader, 6)
  assert.deepEqual(batches.map(({ epoch, rows }) => [epoch, rows.length]), [[0, 4], [0, 4], [0, 2], [1, 4], [1, 4], [1, 2]])
  for (const epoch of [0, 1]) {
    const rows = batches.filter(batch => batch.epoch === epoch).flatMap(batch => batch.rows)
    assert.deepEqual(rows.toSorted((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  }
})

test('the order depends on the seed and differs between epochs', () => {
  const order = (seed: number): number[][] => take(new Loader({ ...options, seed }), 6).map(batch => [...batch.rows])
  assert.deepEqual(order(7), order(7))
  assert.notDeepEqual(order(7), order(8))
  assert.notDeepEqual(order(7).slice(0, 3), order(7).slice(3))
})

test('without shuffling the order is that of the files', () => {
  const loader = new Loader({ ...options, shuffle: false, parts: [{ rows: 3 }, { rows: 2 }] })
  assert.deepEqual(take(loader, 4).map(batch => batch.rows), [[0, 1, 2, 3], [4], [0, 1, 2, 3], [4]])
})

test('a loader resumed at any step goes on as the one that never stopped', () => {
  const parts = [{ rows: 7, weight: 1.5 }, { rows: 5, weight: 0.4 }]
  const whole = take(new Loader({ ...options, parts }), 12)
  for (let stop = 0; stop < 12; stop++) {
    const first = new Loader({ ...options, parts })
    take(first, stop)
    const state = JSON.parse(JSON.stringify(first.state)) as typeof first.state
    assert.deepEqual(take(new Loader({ ...options, parts }, state), 12 - stop), whole.slice(stop))
  }
})

test('weights: whole copies and a share drawn anew each epoch', () => {
  const loader = new Loader({ parts: [{ rows: 4, weight: 2 }, { rows: 8, weight: 0.5 }, { rows: 3, weight: 0 }], batch: 100, seed: 1, shuffle: true })
  assert.equal(loader.rowsPerEpoch, 12)
  const epochs = take(loader, 8).map(({ rows }) => rows.toSorted((a, b) => a - b))
  for (const rows of epochs) {
    assert.deepEqual(rows.slice(0, 8), [0, 0, 1, 1, 2, 2, 3, 3])
    assert.equal(new Set(rows.slice(8)).size, 4)
    assert.ok(rows.every(row => row < 12))
  }
  assert.ok(new Set(epochs.map(rows => rows.slice(8).join())).size > 1)
})

test('no rows is an error, not an endless loop', () => {
  assert.throws(() => new Loader({ ...options, parts: [] }).next(), RangeError)
})
