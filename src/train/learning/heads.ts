import { matmul, reshape } from '../../tensor/operators.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import { Random } from '../../random.ts'
import type { Policy } from '../policy.ts'

/** Names of the heads' parameters; the reward model's is that of transformers' sequence classifiers. */
export const rewardHeadName = 'score.weight'
export const criticHeadName = 'critic.score.weight'

/** A policy with a scalar head over its hidden states, trained with it. @param values [H] */
export function withScalarHead(policy: Policy, name: string, values: Float32Array<ArrayBuffer>): Policy {
  const head = input(name, 'float32', [1, policy.config.hiddenSize])
  return {
    ...policy,
    parameters: new Map([...policy.parameters, [name, head]]),
    values: new Map([...policy.values, [name, values]]),
    scalarHead: head,
  }
}

/** What the scalar head gives of each hidden state. [N, H] -> [N] */
export function scalarScores({ scalarHead }: Policy, hidden_NH: Tensor): Tensor {
  if (scalarHead === undefined) throw new Error('the policy has no scalar head')
  return reshape(matmul(hidden_NH, scalarHead, { transposeB: true }), ['N'])
}

/** Normal with deviation 1/√(H + 1) (Stiennon et al. 2020, appendix B). */
export function initialHead(size: number, random: Random): Float32Array<ArrayBuffer> {
  const uniform = (): number => (random.uint32() + 1) / (2 ** 32 + 1)
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
  return new Float32Array(size).map(() => normal() / Math.sqrt(size + 1))
}
