import type { z } from 'zod'
import type { Tensor } from '../tensor/tensor.ts'

/** What a method's loss is made of, for one micro-batch. N: tokens that carry loss. */
export interface LossInputs<Settings> {
  /** Log-probability of each token that carries loss, [N]. */
  readonly logprobs_N: Tensor
  /** 1 / number of loss-carrying tokens in the whole optimizer step, over all its micro-batches; a scalar. */
  readonly perToken: Tensor
  readonly settings: Settings
}

/** A scalar to minimize and scalars to log; both are summed over the micro-batches of a step. */
export interface Loss {
  readonly loss: Tensor
  readonly metrics: Readonly<Record<string, Tensor>>
}

/** Kinds of training rows (data/rows.ts). */
export type RowKind = 'sft'

/** A training method: one file in this folder, one line in index.ts. */
export interface Method<Settings extends z.ZodObject = z.ZodObject> {
  readonly name: string
  readonly rows: RowKind
  /** The recipe's block that bears the method's name. */
  readonly settings: Settings
  /** Order of rows where the recipe does not say; true unless given. */
  readonly shuffle?: boolean
  /** The fewest rows of an optimizer step that the method can work with; 1 unless given. */
  readonly minBatch?: number
  loss(inputs: LossInputs<z.output<Settings>>): Loss
}

export function defineMethod<Settings extends z.ZodObject>(method: Method<Settings>): Method<Settings> {
  return method
}
