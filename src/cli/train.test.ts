import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { TrainEvent } from '../train/events.ts'
import type { Progress, Update } from './progress.ts'
import { showTraining } from './train.ts'

function shownOf(events: readonly TrainEvent[]): string[] {
  const lines: string[] = []
  const progress: Progress = {
    update: ({ done, detail }: Update) => lines.push(`${String(done)} ${detail ?? ''}`),
    note: text => lines.push(text),
    end: () => undefined,
  }
  const show = showTraining(progress)
  events.forEach(show)
  return lines
}

const step = (number: number, metrics: Readonly<Record<string, number>>): TrainEvent => (
  { type: 'step', step: number, steps: 9, loss: 0.5, grad_norm: 1, lr: 1e-4, tokens_per_second: 250.4, memory_mb: 900.2, eta_seconds: 5, metrics })

test('beside the loss stand the figures of the method', () => {
  assert.deepEqual(shownOf([step(1, {}), step(1, { 'rewards/margins': 0.25, 'rewards/accuracies': 1, 'logps/chosen': -60 })]), [
    '1 loss 0.5000  250 tokens/s  900 MB', '1 loss 0.5000  margin 0.250  accuracy 1.000  250 tokens/s  900 MB',
  ])
})

test('a reward stays in sight while its answers are learned from again, and answers without one are counted', () => {
  const rewarded = { reward: 0.5, kl: 0.01, frac_reward_null: 0, clip_ratio: 0 }
  assert.deepEqual(shownOf([step(1, rewarded), step(2, { clip_ratio: 0.1 }), step(3, { ...rewarded, reward: 1, frac_reward_null: 0.25 })]), [
    '1 loss 0.5000  reward 0.500  kl 0.010  250 tokens/s  900 MB', '2 loss 0.5000  reward 0.500  kl 0.010  250 tokens/s  900 MB',
    '3 loss 0.5000  reward 1.000  kl 0.010  no reward 0.250  250 tokens/s  900 MB',
  ])
})

test('an evaluation says what was measured', () => {
  const evaluation = (metrics: Readonly<Record<string, number>>): TrainEvent => ({ type: 'eval', step: 4, metrics })
  assert.deepEqual(shownOf([
    evaluation({ loss: 0.6, 'rewards/accuracies': 0.75, general_loss: 2.5 }), evaluation({ reward: 0.3, completion_length: 20 }), evaluation({ general_loss: 2 }),
    evaluation({ reward: -0.0001 }), evaluation({ reward: -0.01 }),
  ]), ['step 4: held-out loss 0.6000, accuracy 0.750; general loss 2.5000', 'step 4: held-out reward 0.300', 'step 4: general loss 2.0000', 'step 4: held-out reward 0.000', 'step 4: held-out reward -0.010'])
})
