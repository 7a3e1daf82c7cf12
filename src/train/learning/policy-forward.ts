import { packTrees, type PackOptions } from '../../data/pack.ts'
import type { RenderedTree } from '../../data/tree.ts'
import { forwardFeeds, packedForward, type PackedBatch } from '../../models/graph/forward.ts'
import { RotaryTable } from '../../models/graph/rotary.ts'
import { Program } from '../../runtime/program.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { parameterFeeds, type Placement, type Policy } from '../policy.ts'

/** Values at the targets of a packed batch, [N] each. */
export interface TargetValues {
  readonly logprobs: Float32Array
  /** The critic's, where there is one. */
  readonly values?: Float32Array
}

export interface ForwardOptions {
  /** Log-probabilities are those of softmax(logits / temperature); 1 unless given. */
  readonly temperature?: number
  /** The critic's values at the targets, [N]. */
  readonly values?: Tensor | undefined
}

/** A policy's forward pass alone: references, old log-probabilities, values. Under its own parameters or others. */
export class PolicyForward {
  readonly #policy: Policy
  readonly #program: Program
  readonly #rotary: RotaryTable

  private constructor(policy: Policy, program: Program) {
    this.#policy = policy
    this.#program = program
    this.#rotary = new RotaryTable(policy.config)
  }

  static async compile(policy: Policy, placement: Placement, { temperature = 1, values }: ForwardOptions = {}): Promise<PolicyForward> {
    const outputs = new Map([['logprobs', packedForward(policy.config, policy.parts).logprobs(temperature)]])
    if (values !== undefined) outputs.set('values', values)
    const program = await Program.compile(outputs, { ...placement, weights: policy.weights, prepack: policy.prepack, shrink: true })
    return new PolicyForward(policy, program)
  }

  /** @param parameters in place of the policy's own, such as those of step 0 */
  async run(batch: PackedBatch, parameters = this.#policy.values): Promise<TargetValues> {
    const policy = { ...this.#policy, values: parameters }
    const outputs = await this.#program.run({ ...forwardFeeds(policy.config, batch, this.#rotary), ...parameterFeeds(policy) })
    const of = (name: string): Float32Array | undefined => outputs[name]?.data as Float32Array | undefined
    const values = of('values')
    return { logprobs: of('logprobs')!, ...(values === undefined ? {} : { values }) }
  }

  /** The summed log-probability of each branch of each tree: [tree][branch]. */
  async branchSums(trees: readonly RenderedTree[], options: PackOptions, parameters = this.#policy.values): Promise<Float64Array[]> {
    const sums = trees.map(({ branches }) => new Float64Array(branches.length))
    for (const batch of packTrees(trees, options)) addBranchSums(sums, batch, (await this.run(batch, parameters)).logprobs)
    return sums
  }

  /** Mean over all targets of the KL to the policy with other parameters, nats: k3 = e^d − d − 1, d = log other − log π. */
  async klTo(parameters: Policy['values'], batches: readonly PackedBatch[]): Promise<number> {
    let sum = 0
    let count = 0
    for (const batch of batches) {
      const { logprobs: now } = await this.run(batch)
      const { logprobs: then } = await this.run(batch, parameters)
      now.forEach((logprob, n) => { sum += Math.exp(then[n]! - logprob) - (then[n]! - logprob) - 1 })
      count += now.length
    }
    return sum / count
  }

  async release(): Promise<void> {
    await this.#program.release()
  }
}

function addBranchSums(sums: readonly Float64Array[], { targets, sequences }: PackedBatch, logprobs: Float32Array): void {
  targets.sequences.forEach((sequence, n) => {
    if (sequence >= 0) sums[sequences.trees[sequence]!]![sequences.branches[sequence]!]! += logprobs[n]!
  })
}
