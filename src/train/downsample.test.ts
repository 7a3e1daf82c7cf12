import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../random.ts'
import { downsample } from './downsample.ts'
import { MetricColumns, metricSink } from './metric-columns.ts'

function columnsOf(rows: number, value: (step: number) => Record<string, number>): MetricColumns {
  const columns = new MetricColumns()
  for (let step = 1; step <= rows; step++) columns.add(step, value(step))
  return columns
}

test('few rows are given as they are', () => {
  const columns = columnsOf(5, (step) => ({ loss: step / 2, ...(step % 2 === 0 && { reward: step }) }))
  assert.deepEqual(downsample(columns, { keys: ['loss', 'reward', 'unknown'], points: 5 }), {
    rows: 1, steps: [1, 2, 3, 4, 5],
    series: { loss: { mean: [0.5, 1, 1.5, 2, 2.5] }, reward: { mean: [null, 2, null, 4, null] } },
  })
})

test('a spike of one step among a hundred thousand stays, at its step', () => {
  const columns = columnsOf(100_000, (step) => ({ loss: step === 77_777 ? 25 : 1 }))
  const { rows, steps, series } = downsample(columns, { keys: ['loss'], points: 600 })
  assert.ok(steps.length <= 601)
  const at = series['loss']!.max!.indexOf(25)
  assert.ok(Math.abs(steps[at]! - 77_777) <= rows / 2)
  assert.deepEqual(series['loss']!.max!.filter((value) => value !== 1), [25])
})

test('whatever the rows, the range and the points: each row is in one point, whose mean, least and greatest value it makes', () => {
  const random = new Random(7, 1)
  const whole = (most: number): number => Math.floor(random.uniform() * most)
  for (let round = 0; round < 200; round++) {
    const rows = 1 + whole(700)
    const values = Array.from({ length: rows }, () => (whole(5) === 0 ? NaN : whole(1000) - 500))
    const columns = columnsOf(rows, (step) => ({ value: values[step - 1]! }))
    const [from, to] = [whole(rows), whole(rows * 1.2)].sort((a, b) => a - b)
    const points = 2 + whole(60)
    const { rows: each, steps, series } = downsample(columns, { keys: ['value'], points, from, to })
    // With the row before the first and the one after the last.
    const seen = values.slice(Math.max(0, from! - 2), to! + 1).filter(Number.isFinite)
    assert.ok(steps.length <= points + 1, `${steps.length} of ${points} points`)
    const { mean, min = mean, max = mean } = series['value'] ?? { mean: [] }
    assert.equal(Math.min(...min.map((value) => value ?? Infinity)), Math.min(...seen))
    assert.equal(Math.max(...max.map((value) => value ?? -Infinity)), Math.max(...seen))
    assert.ok(mean.every((value, i) => value === null || (value >= min[i]! && value <= max[i]!)))
    assert.ok(steps.every((step, i) => i === 0 || step > steps[i - 1]!))
    assert.ok(each === 1 || Number.isInteger(Math.log2(each)))
  }
})

test('points stay where they are while a run grows', () => {
  const columns = columnsOf(5000, (step) => ({ loss: 1 / step }))
  const before = downsample(columns, { keys: ['loss'], points: 600 })
  columns.add(5001, { loss: 9 })
  const now = downsample(columns, { keys: ['loss'], points: 600 })
  assert.equal(now.rows, before.rows)
  assert.deepEqual(now.steps.slice(0, before.steps.length - 1), before.steps.slice(0, -1))
  assert.deepEqual(now.series['loss']!.mean.slice(0, -1), before.series['loss']!.mean.slice(0, now.steps.length - 1))
})

test('a part of the steps is drawn in all detail where few rows are in it', () => {
  const columns = columnsOf(100_000, (step) => ({ loss: step }))
  const part = downsample(columns, { keys: ['loss'], points: 600, from: 77_700.5, to: 77_703 })
  assert.deepEqual([part.rows, part.steps], [1, [77_700, 77_701, 77_702, 77_703, 77_704]])
})

test('lines that are no records are passed over, steps that come again replace what was after them', () => {
  const columns = new MetricColumns()
  const sink = metricSink(columns)
  const lines = ['{"step":1,"loss":3}', 'no json', '[1]', '{"step":"2"}', '{"step":2,"loss":2,"name":"x"}', '{"step":3,"loss":1}', '{"step":2,"loss":2.5,"kl":0.1}']
  for (const line of lines) sink.line(Buffer.from(line), 0)
  assert.deepEqual([columns.length, columns.step(0), columns.step(1)], [2, 1, 2])
  assert.deepEqual([columns.row(0), columns.row(1)], [{ loss: 3 }, { loss: 2.5, kl: 0.1 }])
  assert.deepEqual([columns.last('loss'), columns.greatest('loss'), columns.greatest('none')], [2.5, 3, undefined])
})

test('a key that appears late has no values before, also where the columns have grown', () => {
  const columns = columnsOf(1000, (step) => ({ loss: step, ...(step > 700 && { late: step }) }))
  assert.deepEqual(downsample(columns, { keys: ['late'], points: 1000, from: 700, to: 701 }).series['late']!.mean, [null, null, 701, 702])
})
