import { Random } from '../random.ts'
import type { ModelConfig } from './config.ts'
import { linearModules } from './graph/decoder.ts'
import { loraShapes, type Adapter, type LoraConfig } from './graph/lora.ts'

export interface RandomAdapterOptions {
  readonly seed: number
  readonly rank: number
  /** Kinds of layers such as q_proj; all of them unless given. */
  readonly kinds?: readonly string[]
  /** A and B are uniform within ± this. */
  readonly size?: number
}

/** An adapter that was never trained, α = 2 r, but changes every layer it is for: no matrix is zero. Equal seeds, equal weights. */
export function randomAdapter(config: ModelConfig, { seed, rank, kinds, size = 0.1 }: RandomAdapterOptions): Adapter {
  const modules = linearModules(config).filter((module) => kinds?.some((kind) => module.endsWith(`.${kind}`)) ?? true)
  const lora: LoraConfig = { rank, alpha: 2 * rank, rankStabilized: false, modules }
  const parameters = [...loraShapes(config, lora)].map(([name, shape], i) => {
    const random = new Random(seed, i)
    const values = new Float32Array(shape.reduce((product, length) => product * length, 1))
    return [name, values.map(() => ((2 * random.uint32()) / 2 ** 32 - 1) * size)] as const
  })
  return { config: lora, parameters: new Map(parameters) }
}
