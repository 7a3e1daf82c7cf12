import { UserError } from '../errors.ts'
import { firstNonFinite } from './optimizer.ts'
import type { NamedArrays } from './optimizer.ts'

/** What one optimizer step computed, before it changes any parameter. */
export interface StepOutcome {
  /** Counted from 1. */
  readonly step: number
  readonly loss: number
  /** Global norm of the gradients, before clipping. */
  readonly gradNorm: number
  readonly gradients: NamedArrays
}

/**
 * Throws a UserError that names the step, and the tensor if it is a gradient, where a number is NaN or infinite.
 * Called before the update, it leaves parameters, optimizer and checkpoints at the last good step.
 */
export function requireFinite({ step, loss, gradNorm, gradients }: StepOutcome): void {
  if (Number.isFinite(loss) && Number.isFinite(gradNorm)) return
  const what = Number.isFinite(loss)
    ? `the gradient of ${firstNonFinite(gradients) ?? 'the parameters'} is not finite`
    : `the loss is ${loss}`
  throw new UserError(
    `Stopped at step ${step}: ${what}. The parameters are those of step ${step - 1}, earlier checkpoints are untouched. ` +
      'Lower optimizer.lr, raise schedule.warmup or lower optimizer.max_grad_norm, and look at the rows of this step.',
  )
}
