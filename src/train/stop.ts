/** When to evaluate, which evaluation is the best so far, and when to stop early. */

/**
 * What a run may be told while it goes. `pause`: to stop at its next checkpoint, from which it can go on. `finish`: to end there
 * as if its steps were over, and keep what it has learnt.
 */
export type StopRequest = 'pause' | 'finish'

/** The held-out losses so far, in as much as they matter. Part of every checkpoint. */
export interface Progress {
  /** The lowest loss and the step at which it was measured; the earlier of two equal ones. */
  readonly best: { readonly step: number; readonly loss: number } | null
  /** Evaluations since then that were no better. */
  readonly evaluationsSinceBest: number
}

export const noProgress: Progress = { best: null, evaluationsSinceBest: 0 }

/** The progress after an evaluation. A loss that is not finite is no better than any other. */
export function afterEvaluation(progress: Progress, step: number, loss: number): Progress {
  const improved = loss < (progress.best?.loss ?? Infinity)
  return improved
    ? { best: { step, loss }, evaluationsSinceBest: 0 }
    : { best: progress.best, evaluationsSinceBest: progress.evaluationsSinceBest + 1 }
}

/** Whether the latest evaluation was the best one. */
export function isBest(progress: Progress, step: number): boolean {
  return progress.best?.step === step
}

/** `patience` is the number of evaluations in a row that may bring nothing better; undefined: never stop early. */
export function shouldStop(progress: Progress, patience: number | undefined): boolean {
  return patience !== undefined && progress.evaluationsSinceBest >= patience
}

export interface EvaluationPlan {
  readonly totalSteps: number
  readonly stepsPerEpoch: number
  /** Evaluate every so many steps; undefined: at the end of each epoch. */
  readonly every: number | undefined
}

/** Whether to evaluate when `step` optimizer steps are done: before the first, as planned, and after the last. */
export function evaluationDue(step: number, { totalSteps, stepsPerEpoch, every }: EvaluationPlan): boolean {
  return step === totalSteps || step % (every ?? stepsPerEpoch) === 0
}
