import { forwardFeeds, type PackedBatch } from '../models/graph/forward.ts'
import { RotaryTable } from '../models/graph/rotary.ts'
import type { Loss } from '../methods/method.ts'
import { Program, type HostTensor } from '../runtime/program.ts'
import { gradients } from '../tensor/gradients.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { parameterFeeds, type Placement, type Policy } from './policy.ts'

/** A packed batch and what the loss takes beside it. */
export interface MicroBatch {
  readonly batch: PackedBatch
  readonly feeds: Readonly<Record<string, HostTensor>>
}

/** What one optimizer step's micro-batches come to. */
export interface StepLoss {
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
}

export interface StepGradients extends StepLoss {
  /** By parameter name; the arrays may be changed by the caller. */
  readonly gradients: ReadonlyMap<string, Float32Array>
  /** The observed values of each micro-batch. */
  readonly observed: readonly Readonly<Record<string, Float32Array>>[]
}

export interface LearnerOptions {
  /** False: the loss alone, for held-out rows. */
  readonly differentiate?: boolean
  /** Values of each micro-batch to be handed out, such as its log-probabilities. */
  readonly observe?: Readonly<Record<string, Tensor>>
  /** See Program's option. */
  readonly shrink?: boolean
}

/** A loss over a policy, and its gradients: the compiled forward and backward graph. */
export class Learner {
  readonly #policy: Policy
  readonly #program: Program
  readonly #metrics: readonly string[]
  readonly #observed: readonly string[]
  readonly #rotary: RotaryTable

  private constructor(policy: Policy, program: Program, metrics: readonly string[], observed: readonly string[]) {
    this.#policy = policy
    this.#program = program
    this.#metrics = metrics
    this.#observed = observed
    this.#rotary = new RotaryTable(policy.config)
  }

  static async compile(policy: Policy, { loss, metrics }: Loss, placement: Placement, options: LearnerOptions = {}): Promise<Learner> {
    const { differentiate = true, observe = {}, shrink = false } = options
    const outputs = new Map<string, Tensor>([['loss', loss]])
    for (const [name, tensor] of Object.entries(metrics)) outputs.set(metricOutput(name), tensor)
    for (const [name, tensor] of Object.entries(observe)) outputs.set(observedOutput(name), tensor)
    if (differentiate) {
      const names = [...policy.parameters.keys()]
      gradients(loss, [...policy.parameters.values()]).forEach((gradient, i) => {
        if (gradient !== undefined) outputs.set(gradientOutput(names[i]!), gradient)
      })
    }
    const program = await Program.compile(outputs, { ...placement, weights: policy.weights, prepack: policy.prepack, shrink })
    return new Learner(policy, program, Object.keys(metrics), Object.keys(observe))
  }

  /** Loss, metrics and gradients of one optimizer step, summed over its micro-batches. */
  async run(batches: readonly MicroBatch[]): Promise<StepGradients> {
    const total = new Map<string, Float32Array>()
    const sums = new Map(['loss', ...this.#metrics.map(metricOutput)].map((name) => [name, 0]))
    const observed: Record<string, Float32Array>[] = []
    for (const { batch, feeds } of batches) {
      const outputs = await this.#program.run({
        ...forwardFeeds(this.#policy.config, batch, this.#rotary),
        ...parameterFeeds(this.#policy),
        ...feeds,
      })
      const valuesOf = (name: string): Float32Array => outputs[name]!.data as Float32Array
      for (const [name, sum] of sums) sums.set(name, sum + valuesOf(name)[0]!)
      for (const name of this.#policy.values.keys()) {
        const gradient = outputs[gradientOutput(name)]?.data as Float32Array | undefined
        if (gradient !== undefined) accumulate(total, name, gradient)
      }
      observed.push(Object.fromEntries(this.#observed.map((name) => [name, valuesOf(observedOutput(name))])))
    }
    const metrics = Object.fromEntries(this.#metrics.map((name) => [name, sums.get(metricOutput(name))!]))
    return { loss: sums.get('loss')!, metrics, gradients: total, observed }
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
const observedOutput = (name: string): string => `observed ${name}`
