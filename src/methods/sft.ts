import { z } from 'zod'
import { mul, neg, sum } from '../tensor/operators.ts'
import { defineMethod } from './method.ts'

/**
 * Supervised fine-tuning: cross-entropy on the assistant's tokens.
 * The mean is over the loss-carrying tokens of the whole optimizer step, not of each micro-batch or row, so that
 * accumulation over 1 x 8 rows gives the gradient of 8 x 1.
 */
export const sft = defineMethod({
  name: 'sft',
  rows: 'sft',
  settings: z.object({}),
  loss: ({ logprobs_N, perToken }) => ({ loss: mul(neg(sum(logprobs_N)), perToken), metrics: {} }),
})
