import { UserError, nearest } from '../errors.ts'
import type { Device } from '../runtime/device.ts'
import type { HostTensor } from '../runtime/program.ts'
import type { WeightFile } from '../runtime/weights.ts'
import type { ModelConfig } from '../models/config.ts'
import { linearModules, linearShape, parameterShapes, type DecoderParts } from '../models/graph/decoder.ts'
import type { TensorSource } from '../models/files.ts'
import { loraNames, withLora, type Adapter, type LoraConfig } from '../models/graph/lora.ts'
import { frozenParts, trainableParts, type Precision } from '../models/graph/parts.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** What is trained: a decoder as a graph, and the values of the graph inputs that are its parameters. */
export interface Policy {
  readonly config: ModelConfig
  readonly parts: DecoderParts
  readonly parameters: ReadonlyMap<string, Tensor>
  /** Updated in place by the optimizer. */
  readonly values: ReadonlyMap<string, Float32Array<ArrayBuffer>>
  /** A scalar head over the hidden states, [1, H], among the parameters: a reward model's, or the critic's of PPO. */
  readonly scalarHead?: Tensor | undefined
  /** The decoder whose hidden states the critic reads where they are not the policy's own. */
  readonly critic?: DecoderParts | undefined
  /** The frozen base's weights; undefined where all are trained. */
  readonly weights: WeightFile | undefined
  /**
   * Whether ONNX Runtime rearranges the frozen weights. The integer kernels need it; in f32 long batches are as fast
   * without, and a third of the memory is saved: both passes read the one memory-mapped copy.
   */
  readonly prepack: boolean
}

/** Where and how a policy's graphs run. */
export interface Placement {
  readonly device: Device
  readonly threads: number | undefined
}

/** The values of a policy's parameters as graph inputs; not copied. */
export function parameterFeeds({ parameters, values }: Policy): Record<string, HostTensor> {
  return Object.fromEntries(
    [...parameters].map(([name, { shape }]) => [name, { data: values.get(name)!, shape: shape as readonly number[] }]),
  )
}

/** A low-rank adapter over a frozen base. */
export function loraPolicy(config: ModelConfig, adapter: Adapter, precision: Precision, weights: WeightFile): Policy {
  const { parts, parameters } = withLora(frozenParts(config, precision), config, adapter.config)
  return { config, parts, parameters, values: adapter.parameters, weights, prepack: precision === 'int8' || precision === 'int4' }
}

/** Every weight of the model, for full fine-tuning. */
export function fullPolicy(model: TensorSource & { readonly config: ModelConfig }): Policy {
  const values = new Map([...parameterShapes(model.config).keys()].map((name) => [name, model.read(name)]))
  return { config: model.config, ...trainableParts(model.config), values, weights: undefined, prepack: false }
}

/**
 * A fresh adapter: A Kaiming-uniform with a = √5, that is uniform within ±1/√in, B zero (PEFT's default), so that the
 * first step starts from the base.
 */
export function initialAdapter(config: ModelConfig, lora: LoraConfig, random: () => number): Adapter {
  const parameters = new Map<string, Float32Array<ArrayBuffer>>()
  for (const module of lora.modules) {
    const [outputs, inputs] = linearShape(config, module)
    const { a, b } = loraNames(module)
    const bound = 1 / Math.sqrt(inputs)
    parameters.set(a, new Float32Array(lora.rank * inputs).map(() => (2 * random() - 1) * bound))
    parameters.set(b, new Float32Array(outputs * lora.rank))
  }
  return { config: lora, parameters }
}

/**
 * The full names of the layers that a recipe's `targets` mean: all of them, or those with one of the given names.
 * @throws UserError for a name that no layer has: left out silently, it would train less than was asked for
 */
export function targetModules(config: ModelConfig, targets: string | readonly string[]): string[] {
  const modules = linearModules(config)
  const wanted = typeof targets === 'string' ? [targets] : targets
  if (wanted.includes('all-linear')) return modules
  const isMeant = (module: string, name: string): boolean => module === name || module.endsWith(`.${name}`)
  for (const name of wanted) {
    if (!modules.some((module) => isMeant(module, name))) throw unknownTarget(name, modules)
  }
  return modules.filter((module) => wanted.some((name) => isMeant(module, name)))
}

function unknownTarget(name: string, modules: readonly string[]): UserError {
  const kinds = [...new Set(modules.map((module) => module.slice(module.lastIndexOf('.') + 1)))]
  const meant = nearest(name, kinds)
  const hint = meant === undefined ? `known are all-linear, ${kinds.join(', ')}, or a layer's whole name` : `did you mean ${meant}?`
  return new UserError(`adapter.targets: no linear layer of the model's blocks is called ${name}; ${hint}`, { exitCode: 2 })
}

/** Norms and biases are spared from weight decay, as in transformers' Trainer. */
export function isDecayed(parameter: string): boolean {
  return !/norm\.weight$|\.bias$/.test(parameter)
}
