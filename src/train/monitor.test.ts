import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMonitor, peakMemoryMb } from './monitor.ts'

test('before the first step there is no speed and no end in sight', () => {
  assert.deepEqual(createMonitor().pace(10), { tokensPerSecond: 0, etaSeconds: Infinity })
})

test('a disturbed step and a short last batch do not move the speed', () => {
  const monitor = createMonitor()
  for (let i = 0; i < 4; i++) monitor.record(1000, 2)
  monitor.record(1000, 30)
  monitor.record(10, 1)
  const pace = monitor.pace(6)
  assert.equal(pace.tokensPerSecond, 500)
  assert.equal(pace.etaSeconds, 39)
})

test('only the recent steps count', () => {
  const monitor = createMonitor(3)
  for (const tokens of [10, 10, 10, 100, 100, 100]) monitor.record(tokens, 1)
  assert.deepEqual(monitor.pace(5), { tokensPerSecond: 100, etaSeconds: 5 })
  assert.deepEqual(monitor.pace(0).etaSeconds, 0)
})

test('peak memory grows with what is held, in MiB', () => {
  const before = peakMemoryMb()
  assert.ok(before > 10 && before < 10_000, `${before} MiB`)
  const held = Buffer.alloc(300 * 2 ** 20, 1)
  const grown = peakMemoryMb()
  assert.ok(grown > Math.max(before, 300), `${grown} MiB after ${held.length} bytes, ${before} before`)
})
