import type { z } from 'zod'
import type { Tensor } from '../tensor/tensor.ts'
import type { Estimates, Rollout, RolloutSettings } from './rollout.ts'

/**
 * What a loss is made of, for one micro-batch, by the kind of rows that the method learns from.
 * Sizes in names: N tokens that carry loss, P pairs, C = 2 sides (chosen, rejected), R rows.
 * `per...` are scalars: 1 / how many there are in the whole optimizer step, over all its micro-batches.
 */
export interface LossInputs {
  readonly sft: SftInputs
  readonly pairs: PairInputs
  readonly labelled: LabelledInputs
  readonly prompts: RolloutInputs
}

/** Kinds of training rows (data/rows.ts). */
export type RowKind = keyof LossInputs

export interface SftInputs {
  /** Log-probability of each token that carries loss. */
  readonly logprobs_N: Tensor
  readonly perToken: Tensor
}

export interface PairInputs {
  /** Log-probability of each answer, summed over its tokens. */
  readonly logprobs_PC: Tensor
  /** The same under the policy as it was at step 0. */
  readonly reference_PC: Tensor
  /** Tokens of each answer. */
  readonly lengths_PC: Tensor
  /** Log-probability of the prompt, summed over its tokens but the first. Only where `promptLoss` holds. */
  readonly promptLogprobs_P: Tensor
  /** What the scalar head gives at each answer's last token. Only where `scalarHead` holds. */
  readonly scores_PC: Tensor
  /** By how much the rows say that the chosen answer is better; 0 where they do not. */
  readonly margin_P: Tensor
  readonly perPair: Tensor
  /** 1 / tokens of all chosen answers and, where `promptLoss` holds, their prompts. */
  readonly perChosenToken: Tensor
}

export interface LabelledInputs {
  /** Log-probability of each answer, summed over its tokens. */
  readonly logprobs_R: Tensor
  /** The same under the policy as it was at step 0. */
  readonly reference_R: Tensor
  /** 1 for a thumb up, 0 for one down. */
  readonly label_R: Tensor
  /** Mean over the step of log π(y'|x) − log ref(y'|x) with answers y' of other rows; no gradient, not below 0. */
  readonly kl: Tensor
  readonly perRow: Tensor
  /** Not a number where the step has none. */
  readonly perDesirable: Tensor
  readonly perUndesirable: Tensor
}

/** All log-probabilities are at the sampling temperature. */
export interface RolloutInputs {
  /** Log-probability of each sampled token. */
  readonly logprobs_N: Tensor
  /** The same before the first update on these rollouts: in the first iteration the very same value, without gradient. */
  readonly old_N: Tensor
  /** The same under the policy as it was at step 0. Only where `reference` holds. */
  readonly reference_N: Tensor
  readonly advantages_N: Tensor
  /** What each token counts for in the loss (`estimate` says); 0 leaves it out. */
  readonly weights_N: Tensor
  /** The critic's value before each token, now and before the first update. Only where `critic` holds. */
  readonly values_N: Tensor
  readonly oldValues_N: Tensor
  readonly returns_N: Tensor
  readonly valueWeights_N: Tensor
  readonly perToken: Tensor
  /** The mean of x over the tokens of each answer, at each of them. [N] -> [N] */
  answerMean(x_N: Tensor): Tensor
}

/** A scalar to minimize and scalars to log; both are summed over the micro-batches of a step. */
export interface Loss {
  readonly loss: Tensor
  readonly metrics: Readonly<Record<string, Tensor>>
}

/** A training method: one file in this folder, one line in index.ts. */
export interface MethodOf<Kind extends RowKind, Settings extends z.ZodObject = z.ZodObject> {
  readonly name: string
  readonly rows: Kind
  /** The recipe's block that bears the method's name. */
  readonly settings: Settings
  /** Order of rows where the recipe does not say; true unless given. */
  readonly shuffle?: boolean
  /** The fewest rows of an optimizer step that the method can work with; 1 unless given. */
  readonly minBatch?: number
  /** Learning rates where the recipe does not say: for adapters; a tenth for full fine-tuning. 2e-4 unless given. */
  readonly learningRate?: number
  /** Settings that may name a file, found beside the recipe too. */
  readonly files?: readonly string[]
  /** Whether log-probabilities under the policy of step 0 are needed. */
  reference?(settings: z.output<Settings>): boolean
  loss(inputs: LossInputs[Kind] & { readonly settings: z.output<Settings> }): Loss
}

/** What is particular about methods that learn from pairs. */
export interface PairMethod<Settings extends z.ZodObject = z.ZodObject> extends MethodOf<'pairs', Settings> {
  /** Whether the prompt's own log-probability is part of the loss. */
  promptLoss?(settings: z.output<Settings>): boolean
  /** Whether the model is trained with a scalar head in place of the output head. */
  readonly scalarHead?: boolean
}

/** What is particular about methods that learn from their own answers. */
export interface RolloutMethod<Settings extends z.ZodObject = z.ZodObject> extends MethodOf<'prompts', Settings> {
  /** How answers are sampled and how often they are used. */
  rollouts(settings: z.output<Settings>): RolloutSettings
  /** From the rewards of a step's answers to what the loss needs of each token. `state` is what the last call returned. */
  estimate(rollouts: readonly Rollout[], settings: z.output<Settings>, state: unknown): Estimates
}

export type Method = MethodOf<'sft'> | PairMethod | MethodOf<'labelled'> | RolloutMethod

type Defined<Settings extends z.ZodObject> = MethodOf<'sft', Settings> | PairMethod<Settings> | MethodOf<'labelled', Settings> | RolloutMethod<Settings>

export function defineMethod<Settings extends z.ZodObject, M extends Defined<Settings>>(method: M & { readonly settings: Settings }): M {
  return method
}
