import type { Loss } from '../../methods/method.ts'
import { Learner, type MicroBatch } from '../learner.ts'
import { definite, type HeldOut, type LearningContext } from './learning.ts'

/** Positions of one run: few, since the training graph's memory is taken at the same time. */
export const heldOutTokens = 256

/** Held-out rows that are measured together, as an optimizer step would take them. */
export interface HeldOutStep {
  readonly rows: number
  batches(): Promise<readonly MicroBatch[]>
}

/**
 * Loss and metrics of a method over held-out rows, the mean over steps weighted by their rows. The graph is compiled for
 * the purpose and released: between evaluations it takes no memory from training.
 */
export async function heldOutLoss(
  { policy, placement }: Pick<LearningContext, 'policy' | 'placement'>,
  loss: Loss,
  steps: readonly HeldOutStep[],
): Promise<HeldOut | undefined> {
  if (steps.length === 0) return undefined
  const sums = new Map<string, { sum: number; rows: number }>()
  const learner = await Learner.compile(policy, loss, placement, { differentiate: false, shrink: true })
  try {
    for (const { rows, batches } of steps) {
      const result = await learner.run(await batches())
      for (const [name, value] of Object.entries({ ...definite(result.metrics), loss: result.loss })) {
        const before = sums.get(name) ?? { sum: 0, rows: 0 }
        sums.set(name, { sum: before.sum + value * rows, rows: before.rows + rows })
      }
    }
  } finally {
    await learner.release()
  }
  const metrics = Object.fromEntries([...sums].map(([name, { sum, rows }]) => [name, sum / rows]))
  return { objective: metrics['loss']!, metrics }
}
