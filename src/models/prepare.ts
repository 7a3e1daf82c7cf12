import { join } from 'node:path'
import { WeightFile } from '../runtime/weights.ts'
import { embeddingName, headName, linearModules, parameterShapes } from './graph/decoder.ts'
import type { ModelConfig } from './config.ts'
import type { ModelFiles, TensorSource } from './files.ts'
import { headPrecision, integerNames, nf4Names, type Precision } from './graph/linear-maps.ts'
import { quantizeNf4 } from './quantize-nf4.ts'
import { quantizeInt4, quantizeInt8, transposed } from './quantize.ts'

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

type Values = Float32Array | Uint8Array

/** What the prepared file holds: each name with the function that makes its values. */
function preparation(config: ModelConfig, source: Pick<TensorSource, 'read'>, precision: Precision): Map<string, () => Values> {
  const recipe = new Map<string, () => Values>()
  const blocks = new Set(linearModules(config).map((module) => `${module}.weight`))
  for (const [name, shape] of parameterShapes(config)) {
    const isHead = name === headName(config)
    const stored = blocks.has(name) ? precision : isHead ? headPrecision(precision) : 'f32'
    // The head's rows and the embedding are looked up as they are.
    if (stored === 'f32' || isHead || name === embeddingName) recipe.set(name, () => source.read(name))
    if (stored !== 'f32') addQuantized(recipe, name, shape as [number, number], () => source.read(name), stored)
  }
  return recipe
}

function addQuantized(
  recipe: Map<string, () => Values>,
  name: string,
  [outputs, inputs]: readonly [number, number],
  read: () => Float32Array,
  precision: Exclude<Precision, 'f32'>,
): void {
  if (precision === 'nf4') return addParts(recipe, nf4Names(name), () => quantizeNf4(read()))
  const quantize = precision === 'int8' ? quantizeInt8 : quantizeInt4
  addParts(recipe, integerNames(name, precision), () => quantize(read(), outputs, inputs))
  addParts(recipe, integerNames(name, precision, 'transposed'), () => quantize(transposed(read(), outputs, inputs), inputs, outputs))
}

/** Several tensors that come from one quantization: they are asked for in order, and it is kept from the first to the last. */
function addParts<Part extends string>(
  recipe: Map<string, () => Values>,
  names: Readonly<Record<Part, string>>,
  make: () => Readonly<Record<Part, Values>>,
): void {
  let made: Readonly<Record<Part, Values>> | undefined
  const parts = Object.keys(names) as Part[]
  for (const part of parts) {
    recipe.set(names[part], () => {
      made ??= make()
      const values = made[part]
      if (part === parts.at(-1)) made = undefined
      return values
    })
  }
}
