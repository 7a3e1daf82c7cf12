import { withLora, type LoraConfig } from '../../models/graph/lora.ts'
import { frozenParts, trainableParts, type Precision } from '../../models/graph/parts.ts'
import { matmul, reshape } from '../../tensor/operators.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { Random } from '../../random.ts'
import type { Policy } from '../policy.ts'

/** Names of the heads' parameters; the reward model's is that of transformers' sequence classifiers. */
export const rewardHeadName = 'score.weight'
const criticPrefix = 'critic.'
export const criticHeadName = `${criticPrefix}score.weight`

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

/** What a decoder is made of: an adapter over a frozen base, or, where there is none, trained weights. */
export interface Tower {
  readonly adapter: LoraConfig | undefined
  readonly precision: Precision
}

/**
 * A policy with a critic that has a decoder of its own: an adapter over the same frozen base, or all weights once more.
 * Both begin as copies of the policy's.
 */
export function withSeparateCritic(policy: Policy, { adapter, precision }: Tower): Policy {
  const { config } = policy
  const { parts, parameters } = adapter === undefined
    ? trainableParts(config, criticPrefix)
    : withLora(frozenParts(config, precision), config, adapter, criticPrefix)
  const prefixed = <Value>(entries: Iterable<[string, Value]>) => [...entries].map(([name, value]) => [criticPrefix + name, value] as const)
  return {
    ...policy,
    parameters: new Map([...policy.parameters, ...prefixed(parameters)]),
    values: new Map([...policy.values, ...prefixed(policy.values).map(([name, values]) => [name, values.slice()] as const)]),
    critic: parts,
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
