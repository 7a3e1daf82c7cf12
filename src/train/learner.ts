import { forwardFeeds, packedLogprobs, type PackedBatch } from '../models/graph/forward.ts'
import { RotaryTable } from '../models/graph/rotary.ts'
import type { Method } from '../methods/method.ts'
import { Program } from '../runtime/program.ts'
import { gradients } from '../tensor/gradients.ts'
import { input, type Tensor } from '../tensor/tensor.ts'
import { parameterFeeds, type Placement, type Policy } from './policy.ts'

/** What one optimizer step's micro-batches come to. */
export interface StepGradients {
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
  /** By parameter name; the arrays may be changed by the caller. */
  readonly gradients: ReadonlyMap<string, Float32Array>
}

/** Losses and gradients of a policy under a method: the compiled forward and backward graph. */
export class Learner {
  readonly #policy: Policy
  readonly #program: Program
  readonly #metricNames: readonly string[]
  readonly #rotary: RotaryTable

  private constructor(policy: Policy, program: Program, metricNames: readonly string[]) {
    this.#policy = policy
    this.#program = program
    this.#metricNames = metricNames
    this.#rotary = new RotaryTable(policy.config)
  }

  static async compile(policy: Policy, method: Method, settings: Record<string, unknown>, placement: Placement): Promise<Learner> {
    const { loss, metrics } = method.loss({
      logprobs_N: packedLogprobs(policy.config, policy.parts),
      perToken: input('per_token', 'float32', []),
      settings,
    })
    const outputs = new Map<string, Tensor>([['loss', loss]])
    for (const [name, tensor] of Object.entries(metrics)) outputs.set(metricOutput(name), tensor)
    const names = [...policy.parameters.keys()]
    gradients(loss, [...policy.parameters.values()]).forEach((gradient, i) => {
      if (gradient !== undefined) outputs.set(gradientOutput(names[i]!), gradient)
    })
    const program = await Program.compile(outputs, { ...placement, weights: policy.weights, prepack: policy.prepack })
    return new Learner(policy, program, Object.keys(metrics))
  }

  /** Loss, metrics and gradients of one optimizer step, summed over its micro-batches. */
  async differentiate(batches: readonly PackedBatch[]): Promise<StepGradients> {
    const tokens = batches.reduce((sum, { targets }) => sum + targets.labels.length, 0)
    const total = new Map<string, Float32Array>()
    const sums: Record<string, number> = Object.fromEntries(['loss', ...this.#metricNames.map(metricOutput)].map((name) => [name, 0]))
    for (const batch of batches) {
      const outputs = await this.#program.run({
        ...forwardFeeds(this.#policy.config, batch, this.#rotary),
        ...parameterFeeds(this.#policy),
        per_token: { data: Float32Array.of(1 / tokens), shape: [] },
      })
      for (const name of Object.keys(sums)) sums[name]! += (outputs[name]!.data as Float32Array)[0]!
      for (const name of this.#policy.values.keys()) {
        const gradient = outputs[gradientOutput(name)]?.data as Float32Array | undefined
        if (gradient !== undefined) accumulate(total, name, gradient)
      }
    }
    const metrics = Object.fromEntries(this.#metricNames.map((name) => [name, sums[metricOutput(name)]!]))
    return { loss: sums['loss']!, metrics, gradients: total }
  }

  async release(): Promise<void> {
    await this.#program.release()
  }
}

function accumulate(total: Map<string, Float32Array>, name: string, gradient: Float32Array): void {
  const sum = total.get(name)
  if (sum === undefined) total.set(name, gradient)
  else for (let i = 0; i < sum.length; i++) sum[i]! += gradient[i]!
}

const gradientOutput = (parameter: string): string => `gradient of ${parameter}`
const metricOutput = (metric: string): string => `metric ${metric}`
