import { Random } from '../random.ts'
import type { ModelConfig } from './config.ts'
import { parameterShapes } from './graph/decoder.ts'
import type { TensorSource } from './files.ts'

/** A Llama-like configuration small enough for tests; `changes` replace what differs. */
export function tinyConfig(changes: Partial<ModelConfig> = {}): ModelConfig {
  return {
    architecture: 'llama', hiddenSize: 32, intermediateSize: 64, layers: 2, heads: 4, kvHeads: 2, headDim: 8, vocabSize: 64,
    normEps: 1e-5, ropeTheta: 10_000, ropeScaling: { type: 'none' }, tieEmbeddings: true,
    qkvBias: false, outputBias: false, mlpBias: false, qkNorm: false, maxPositions: 2048, slidingWindow: undefined,
    bosTokenId: 1, eosTokenIds: [2], padTokenId: undefined,
    ...changes,
  }
}

/** Weights of a model that was never trained: uniform within ±1/√in, norms of one. Equal seeds give equal weights. */
export function randomModel(config: ModelConfig, seed = 0): TensorSource & { readonly config: ModelConfig } {
  const shapes = parameterShapes(config)
  const names = [...shapes.keys()]
  return {
    config,
    tensors: new Map([...shapes].map(([name, shape]) => [name, { shape, dtype: 'F32' }])),
    read(name) {
      const shape = shapes.get(name)!
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1))
      if (shape.length === 1) return values.fill(name.endsWith('.bias') ? 0 : 1)
      const random = new Random(seed, names.indexOf(name))
      const bound = 1 / Math.sqrt(shape.at(-1)!)
      return values.map(() => ((2 * random.uint32()) / 2 ** 32 - 1) * bound)
    },
    close: () => undefined,
  }
}
