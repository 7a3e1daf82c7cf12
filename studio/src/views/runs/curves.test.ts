import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WireRunMetrics } from '../../../../src/server/routes/runs-wire.ts'
import { chartsFor, overlaid, seriesOf } from './curves.ts'

const common = ['epoch', 'loss', 'grad_norm', 'lr', 'tokens', 'tokens_per_second', 'memory_mb']
const titles = (charts: readonly { title: string }[]): string[] => charts.map(({ title }) => title)

test('a run has the charts of its method and no others', () => {
  const sft = chartsFor(common, ['loss', 'general_loss'])
  assert.deepEqual(titles(sft.filter(({ aside }) => !aside)), ['Loss', 'Forgetting: loss on the general set'])
  const grpo = chartsFor([...common, 'reward', 'reward_std', 'kl', 'entropy'], ['reward'])
  assert.deepEqual(titles(grpo.filter(({ aside }) => !aside)), ['Reward', 'Loss', 'Distance from the model at the start (KL)', 'Entropy'])
})

test('a metric that no chart knows has one of its own', () => {
  const last = chartsFor([...common, 'sampling/logp_difference_mean'], []).at(-1)
  assert.deepEqual([last?.title, last?.curves.length, last?.aside], ['sampling/logp_difference_mean', 1, true])
})

test('several runs share charts of one metric each, with the held-out one beside it', () => {
  const charts = overlaid(chartsFor([...common, 'rewards/chosen', 'rewards/rejected'], ['loss']))
  assert.deepEqual(titles(charts).slice(0, 3), ['Loss', 'Rewards of chosen and rejected answers: chosen', 'Rewards of chosen and rejected answers: rejected'])
  assert.deepEqual(charts[0]!.curves.map(({ of }) => of), ['steps', 'evaluations'])
})

const metrics: WireRunMetrics = {
  object: 'run.metrics', rows: 2, steps: [1, 3], last: 4,
  series: { reward: { mean: [0.5, null], min: [0.1, null], max: [0.9, null] }, reward_std: { mean: [0.25, null] }, loss: { mean: [2, 1], min: [1, 0], max: [3, 2] } },
  evaluations: { rows: 1, steps: [0, 4], series: { loss: { mean: [3, 1] } } },
}

test('a band spans least and greatest values, or the standard deviation where there is one', () => {
  const [reward] = seriesOf([{ key: 'reward', label: 'reward', of: 'steps', spread: 'reward_std' }], metrics)
  assert.deepEqual([reward?.low, reward?.high], [[0.25, null], [0.75, null]])
  const [loss] = seriesOf([{ key: 'loss', label: 'loss', of: 'steps' }], metrics)
  assert.deepEqual([loss?.low, loss?.high], [[1, 0], [3, 2]])
})

test('of several runs each has a colour, its evaluations are dashed and dotted; what is not there is left out', () => {
  const series = seriesOf([{ key: 'loss', label: 'loss', of: 'steps' }, { key: 'loss', label: 'held-out loss', of: 'evaluations' }, { key: 'kl', label: 'KL', of: 'steps' }], metrics, { label: 'v1', colour: 3 })
  assert.deepEqual(series.map(({ label, colour, dashed, dots }) => [label, colour, dashed, dots]), [['v1', 3, false, undefined], ['v1, held-out loss', 3, true, true]])
})
