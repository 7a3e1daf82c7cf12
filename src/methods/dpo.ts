import { z } from 'zod'
import { add, cast, div, exp, less, log, logSigmoid, maximum, mul, neg, split, squeeze, sub, sum } from '../tensor/operators.ts'
import { constant, type Tensor } from '../tensor/tensor.ts'
import { defineMethod, type PairInputs } from './method.ts'

const settings = z.object({
  beta: z.number().positive().default(0.1),
  loss: z.enum(['sigmoid', 'ipo', 'hinge', 'simpo', 'orpo']).default('sigmoid'),
  /** Share of labels that are taken to be wrong (conservative DPO); `sigmoid` and `simpo` only. */
  label_smoothing: z.number().min(0).lt(0.5).default(0),
  /** SimPO's target margin γ. */
  simpo_gamma: z.number().min(0).default(0.5),
})

type Settings = z.output<typeof settings>

/**
 * Direct Preference Optimization (Rafailov et al. 2023, eq. 7) and its kin, by `loss`:
 *
 *     sigmoid   −log σ(β (Δ_c − Δ_r)),   Δ = log π(y|x) − log ref(y|x), summed over the answer's tokens
 *     ipo       (Δ_c/|y_c| − Δ_r/|y_r| − 1/2β)²                        Azar et al. 2023, eq. 17
 *     hinge     max(0, 1 − β (Δ_c − Δ_r))                              SLiC, Zhao et al. 2023
 *     simpo     −log σ(β (l_c − l_r) − γ),   l = log π(y|x) / |y|       Meng et al. 2024, eq. 6
 *     orpo      NLL(x, y_c) − β log σ(log odds_c − log odds_r), odds = e^l / (1 − e^l)   Hong et al. 2024, eq. 6
 *
 * Departs from the papers: the prompt of a pair is computed once for both answers; IPO averages by length, which its
 * paper does not, so that long answers do not dominate. The reference is the policy as it was at step 0.
 */
export const dpo = defineMethod({
  name: 'dpo',
  rows: 'pairs',
  settings,
  learningRate: 1e-5,
  reference: ({ loss }) => loss !== 'simpo' && loss !== 'orpo',
  promptLoss: ({ loss }) => loss === 'orpo',
  loss(inputs) {
    const { logprobs_PC, reference_PC, lengths_PC, perPair, settings } = inputs
    const byLength = settings.loss === 'simpo' || settings.loss === 'orpo'
    const scores_PC = byLength ? div(logprobs_PC, lengths_PC) : sub(logprobs_PC, reference_PC)
    const [chosen_P, rejected_P] = sides(scores_PC)
    const mean = (x_P: Tensor): Tensor => mul(sum(x_P), perPair)
    const rewards = [mul(chosen_P, settings.beta), mul(rejected_P, settings.beta)] as const
    const margins_P = sub(...rewards)
    const [logprobsChosen_P, logprobsRejected_P] = sides(byLength ? scores_PC : logprobs_PC)
    return {
      loss: settings.loss === 'orpo' ? oddsRatioLoss(inputs, chosen_P, rejected_P) : mean(pairLosses(inputs, chosen_P, rejected_P)),
      metrics: {
        'rewards/chosen': mean(rewards[0]),
        'rewards/rejected': mean(rewards[1]),
        'rewards/margins': mean(margins_P),
        'rewards/accuracies': mean(cast(less(constant(0), margins_P), 'float32')),
        'logps/chosen': mean(logprobsChosen_P),
        'logps/rejected': mean(logprobsRejected_P),
      },
    }
  },
})

function pairLosses(
  { lengths_PC, settings }: PairInputs & { readonly settings: Settings },
  chosen_P: Tensor,
  rejected_P: Tensor,
): Tensor {
  const { beta, simpo_gamma: gamma, label_smoothing: wrong } = settings
  const difference_P = sub(chosen_P, rejected_P)
  const smoothed = (x_P: Tensor): Tensor =>
    wrong === 0 ? neg(logSigmoid(x_P)) : sub(mul(logSigmoid(x_P), wrong - 1), mul(logSigmoid(neg(x_P)), wrong))
  switch (settings.loss) {
    case 'ipo': {
      const [chosenLength_P, rejectedLength_P] = sides(lengths_PC)
      const off_P = sub(sub(div(chosen_P, chosenLength_P), div(rejected_P, rejectedLength_P)), 1 / (2 * beta))
      return mul(off_P, off_P)
    }
    case 'hinge':
      return maximum(sub(1, mul(difference_P, beta)), 0)
    case 'simpo':
      return smoothed(sub(mul(difference_P, beta), gamma))
    default:
      return smoothed(mul(difference_P, beta))
  }
}

/** ORPO: the likelihood of prompt and chosen answer, and the odds of the chosen answer against the rejected one. */
function oddsRatioLoss(
  { logprobs_PC, promptLogprobs_P, perPair, perChosenToken, settings }: PairInputs & { readonly settings: Settings },
  chosen_P: Tensor,
  rejected_P: Tensor,
): Tensor {
  const logOdds = (x_P: Tensor): Tensor => sub(x_P, log(sub(1, exp(x_P))))
  const ratio_P = logSigmoid(sub(logOdds(chosen_P), logOdds(rejected_P)))
  const likelihood_P = add(promptLogprobs_P, sides(logprobs_PC)[0])
  return neg(add(mul(sum(likelihood_P), perChosenToken), mul(mul(sum(ratio_P), perPair), settings.beta)))
}

/** [P, 2] -> chosen [P], rejected [P] */
function sides(x_PC: Tensor): [Tensor, Tensor] {
  return split(x_PC, [1, 1], 1).map((side) => squeeze(side, 1)) as [Tensor, Tensor]
}
