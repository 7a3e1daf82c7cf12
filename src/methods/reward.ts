import { z } from 'zod'
import { add, cast, less, logSigmoid, mul, neg, split, squeeze, sub, sum } from '../tensor/operators.ts'
import { constant, type Tensor } from '../tensor/tensor.ts'
import { defineMethod } from './method.ts'

/**
 * A reward model from preference pairs (Bradley-Terry; Ouyang et al. 2022, eq. 1): −log σ(r_c − r_r − margin), where r is
 * what a scalar head gives at an answer's last token. Optionally r is centred on zero: c (r_c + r_r)² (Eisenstein et al.
 * 2023), since the loss knows only differences. Departs from the papers: the prompt of a pair is computed once.
 */
export const reward = defineMethod({
  name: 'reward',
  rows: 'pairs',
  scalarHead: true,
  settings: z.object({
    /** c; 0.01 is usual. */
    center_rewards_coefficient: z.number().min(0).default(0),
  }),
  learningRate: 1e-4,
  loss({ scores_PC, margin_P, perPair, settings: { center_rewards_coefficient: centering } }) {
    const [chosen_P, rejected_P] = split(scores_PC, [1, 1], 1).map((side) => squeeze(side, 1)) as [Tensor, Tensor]
    const mean = (x_P: Tensor): Tensor => mul(sum(x_P), perPair)
    const difference_P = sub(chosen_P, rejected_P)
    const total_P = add(chosen_P, rejected_P)
    const preference = mean(neg(logSigmoid(sub(difference_P, margin_P))))
    return {
      loss: centering === 0 ? preference : add(preference, mul(mean(mul(total_P, total_P)), centering)),
      metrics: {
        'rewards/chosen': mean(chosen_P),
        'rewards/rejected': mean(rejected_P),
        'rewards/margins': mean(difference_P),
        'rewards/accuracies': mean(cast(less(constant(0), difference_P), 'float32')),
      },
    }
  },
})
