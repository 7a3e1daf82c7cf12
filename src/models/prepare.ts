import { join } from 'node:path'
import { WeightFile } from '../runtime/weights.ts'
import { embeddingName, headName, linearModules, parameterShapes } from './graph/decoder.ts'
import type { ModelConfig } from './config.ts'
import type { ModelFiles, TensorSource } from './files.ts'
import { int8Names, type Precision } from './graph/parts.ts'
import { quantizeInt8, transposed, type QuantizedBlocks } from './quantize.ts'

/** Part of the file's name: raise it when the layout of prepared weights changes. */
const layoutVersion = 1

/**
 * The weights of a frozen base in the form that its graphs read, memory-mapped from the cache; made on first use.
 * Training and decoding of one precision share the file.
 */
export function prepareWeights(model: Pick<ModelFiles, 'config' | 'hash' | 'read'>, precision: Precision, cache: string): WeightFile {
  const path = join(cache, 'prepared', `${model.hash.slice(0, 24)}-${precision}-v${layoutVersion}.bin`)
  const recipe = preparation(model.config, model, precision)
  return WeightFile.prepare(path, [...recipe.keys()], (name) => recipe.get(name)!())
}

/** What the prepared file holds: each name with the function that makes its values. */
function preparation(config: ModelConfig, source: Pick<TensorSource, 'read'>, precision: Precision): Map<string, () => Float32Array | Uint8Array> {
  const recipe = new Map<string, () => Float32Array | Uint8Array>()
  const quantized = precision === 'int8' ? quantizedNames(config) : new Set<string>()
  for (const [name, shape] of parameterShapes(config)) {
    const staysF32 = !quantized.has(name) || name === embeddingName || name === headName(config)
    if (staysF32) recipe.set(name, () => source.read(name))
    if (!quantized.has(name)) continue
    const [outputs, inputs] = shape as [number, number]
    addQuantized(recipe, int8Names(name), () => quantizeInt8(source.read(name), outputs, inputs))
    addQuantized(recipe, int8Names(name, 'transposed'), () =>
      quantizeInt8(transposed(source.read(name), outputs, inputs), inputs, outputs),
    )
  }
  return recipe
}

function quantizedNames(config: ModelConfig): Set<string> {
  return new Set([...linearModules(config).map((module) => `${module}.weight`), headName(config)])
}

/** Values and scales come from one quantization: the values are asked for first, the scales then at hand. */
function addQuantized(
  recipe: Map<string, () => Float32Array | Uint8Array>,
  names: { values: string; scales: string },
  make: () => QuantizedBlocks,
): void {
  let blocks: QuantizedBlocks | undefined
  recipe.set(names.values, () => (blocks = make()).values)
  recipe.set(names.scales, () => {
    const { scales } = blocks ?? make()
    blocks = undefined
    return scales
  })
}
