import { add, matmul, mul } from '../../tensor/operators.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { ModelConfig } from '../config.ts'
import { linearShape, type DecoderParts } from './decoder.ts'

/** A low-rank adapter: y = W x + s B A x (Hu et al. 2021), for some linear layers of the blocks. */
export interface LoraConfig {
  readonly rank: number
  readonly alpha: number
  /** s = α/√r instead of α/r (rsLoRA, Kalajdzievski 2023). */
  readonly rankStabilized: boolean
  /** Full names of the adapted layers, such as model.layers.0.self_attn.q_proj. */
  readonly modules: readonly string[]
}

/** An adapter's weights by parameter name (`MODULE.lora_A.weight` [rank, in], `MODULE.lora_B.weight` [out, rank]). */
export interface Adapter {
  readonly config: LoraConfig
  readonly parameters: ReadonlyMap<string, Float32Array<ArrayBuffer>>
}

/** The factor s in front of B A. */
export function loraScale({ rank, alpha, rankStabilized }: LoraConfig): number {
  return alpha / (rankStabilized ? Math.sqrt(rank) : rank)
}

/** Parameter names of a module's two matrices, PEFT's without their prefix. */
export function loraNames(module: string): { a: string; b: string } {
  return { a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` }
}

/** Every parameter of an adapter with its shape. */
export function loraShapes(config: ModelConfig, lora: LoraConfig): Map<string, [number, number]> {
  return new Map(
    lora.modules.flatMap((module): [string, [number, number]][] => {
      const [outputs, inputs] = linearShape(config, module)
      const { a, b } = loraNames(module)
      return [
        [a, [lora.rank, inputs]],
        [b, [outputs, lora.rank]],
      ]
    }),
  )
}

/** Adds an adapter, whose matrices are graph inputs, to the linear layers of a decoder. */
export function withLora(
  base: DecoderParts,
  config: ModelConfig,
  lora: LoraConfig,
): { parts: DecoderParts; parameters: ReadonlyMap<string, Tensor> } {
  const parameters = new Map([...loraShapes(config, lora)].map(([name, shape]) => [name, input(name, 'float32', shape)]))
  const adapted = new Set(lora.modules)
  const scale = loraScale(lora)
  const linear = (module: string, x: Tensor): Tensor => {
    const y = base.linear(module, x)
    if (!adapted.has(module)) return y
    const { a, b } = loraNames(module)
    const down = mul(matmul(x, parameters.get(a)!, { transposeB: true }), scale)
    return add(y, matmul(down, parameters.get(b)!, { transposeB: true }))
  }
  return { parts: { ...base, linear }, parameters }
}
