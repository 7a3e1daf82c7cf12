import { z } from 'zod'
import { add, mul, sigmoid, sub, sum } from '../tensor/operators.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { defineMethod } from './method.ts'

/**
 * Kahneman-Tversky Optimization (Ethayarajh et al. 2024, eq. 8): a thumb for each answer is enough.
 *
 *     r = log π(y|x) − log ref(y|x),   z = max(0, mean(log π(y'|x) − log ref(y'|x))), no gradient
 *     desirable: λ_D (1 − σ(β (r − z))),   undesirable: λ_U (1 − σ(β (z − r)))
 *
 * y' are the step's answers, each given to the next row's prompt: of a batch of rows alone z could not be told, hence
 * two rows at least. Departs from the paper: z is that of the whole step, not of a micro-batch.
 */
export const kto = defineMethod({
  name: 'kto',
  rows: 'labelled',
  settings: z.object({
    beta: z.number().positive().default(0.1),
    /** λ_D. The paper wants weight · count of the two classes within [1, 4/3] of each other. */
    desirable_weight: z.number().min(0).default(1),
    /** λ_U */
    undesirable_weight: z.number().min(0).default(1),
  }),
  shuffle: false,
  minBatch: 2,
  learningRate: 1e-5,
  reference: () => true,
  loss({ logprobs_R, reference_R, label_R, kl, perRow, perDesirable, perUndesirable, settings }) {
    const { beta, desirable_weight: desirable, undesirable_weight: undesirable } = settings
    const reward_R = mul(sub(logprobs_R, reference_R), beta)
    const gap_R = sub(reward_R, mul(kl, beta))
    const down_R = sub(1, label_R)
    // 1 − σ(x) = σ(−x): for a thumb up x is the gap, for one down its negative.
    const up = mul(mul(label_R, sigmoid(mul(gap_R, -1))), desirable)
    const down = mul(mul(down_R, sigmoid(gap_R)), undesirable)
    const mean = (x_R: Tensor, of_R: Tensor, per: Tensor): Tensor => mul(sum(mul(x_R, of_R)), per)
    const chosen = mean(reward_R, label_R, perDesirable)
    const rejected = mean(reward_R, down_R, perUndesirable)
    return {
      loss: mul(sum(add(up, down)), perRow),
      metrics: {
        'rewards/chosen': chosen,
        'rewards/rejected': rejected,
        'rewards/margins': sub(chosen, rejected),
        'logps/chosen': mean(logprobs_R, label_R, perDesirable),
        'logps/rejected': mean(logprobs_R, down_R, perUndesirable),
      },
    }
  },
})
