import { add, matmul, mul } from '../../tensor/operators.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { ModelConfig } from '../config.ts'
import { linearShape, type DecoderParts } from './decoder.ts'
import { doraFactor } from './dora.ts'
import type { FrozenParts, Precision } from './parts.ts'

/** A low-rank adapter: y = W x + s B A x (Hu et al. 2021), for some linear layers of the blocks. */
export interface LoraConfig {
  readonly rank: number
  readonly alpha: number
  /** s = α/√r instead of α/r (rsLoRA, Kalajdzievski 2023). */
  readonly rankStabilized: boolean
  /** Full names of the adapted layers, such as model.layers.0.self_attn.q_proj. */
  readonly modules: readonly string[]
  /** Direction and magnitude apart (DoRA, Liu et al. 2024): see dora.ts. */
  readonly dora?: boolean
}

/**
 * An adapter's weights by parameter name: `MODULE.lora_A.weight` [rank, in], `MODULE.lora_B.weight` [out, rank], and with
 * DoRA `MODULE.lora_magnitude_vector` [out].
 */
export interface Adapter {
  readonly config: LoraConfig
  readonly parameters: ReadonlyMap<string, Float32Array<ArrayBuffer>>
  /** The scalar head of a reward model, [1, H]. */
  readonly head?: Float32Array<ArrayBuffer>
  /** How the base was stored under which it was trained, where that is known. */
  readonly basePrecision?: Precision
}

/** The factor s in front of B A. */
export function loraScale({ rank, alpha, rankStabilized }: LoraConfig): number {
  return alpha / (rankStabilized ? Math.sqrt(rank) : rank)
}

/** Parameter names of a module's two matrices and of DoRA's vector, PEFT's without their prefix. */
export function loraNames(module: string): { a: string; b: string; magnitude: string } {
  return { a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight`, magnitude: `${module}.lora_magnitude_vector` }
}

/** Every parameter of an adapter with its shape. */
export function loraShapes(config: ModelConfig, lora: LoraConfig): Map<string, number[]> {
  return new Map(
    lora.modules.flatMap((module): [string, number[]][] => {
      const [outputs, inputs] = linearShape(config, module)
      const { a, b, magnitude } = loraNames(module)
      return [
        [a, [lora.rank, inputs]],
        [b, [outputs, lora.rank]],
        ...(lora.dora === true ? [[magnitude, [outputs]] as [string, number[]]] : []),
      ]
    }),
  )
}

/** Adds an adapter, whose matrices are graph inputs (their names after `prefix`), to the linear layers of a frozen decoder. */
export function withLora(
  base: FrozenParts,
  config: ModelConfig,
  lora: LoraConfig,
  prefix = '',
): { parts: DecoderParts; parameters: ReadonlyMap<string, Tensor> } {
  const parameters = new Map([...loraShapes(config, lora)].map(([name, shape]) => [name, input(prefix + name, 'float32', shape)]))
  const adapted = new Set(lora.modules)
  const scale = loraScale(lora)
  const linear = (module: string, x: Tensor): Tensor => {
    if (!adapted.has(module)) return base.linear(module, x)
    const names = loraNames(module)
    const [a, b] = [parameters.get(names.a)!, parameters.get(names.b)!]
    const lowRank = matmul(mul(matmul(x, a, { transposeB: true }), scale), b, { transposeB: true })
    if (lora.dora !== true) return add(base.linear(module, x), lowRank)
    const factor = doraFactor(base, module, { a, b, magnitude: parameters.get(names.magnitude)!, scale })
    const y = mul(add(base.product(module, x), lowRank), factor)
    const bias = base.bias(module)
    return bias === undefined ? y : add(y, bias)
  }
  return { parts: { ...base, linear, loneRowDiffers: true }, parameters }
}
