import { join } from 'node:path'
import { WeightFile } from '../runtime/weights.ts'
import { headName, linearModules, parameterShapes } from './graph/decoder.ts'
import type { ModelConfig } from './config.ts'
import type { ModelFiles, TensorSource } from './files.ts'
import { headPrecision, rowSquaresName, type Precision } from './graph/linear-maps.ts'
import { squaredRows, storageForm, type StoredValues } from './stored.ts'

/** Part of the file's name: raise it when the layout of prepared weights changes. */
const layoutVersion = 3

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
function preparation(config: ModelConfig, source: Pick<TensorSource, 'read'>, precision: Precision): Map<string, () => StoredValues> {
  const recipe = new Map<string, () => StoredValues>()
  const layers = new Set(linearModules(config).map((module) => `${module}.weight`))
  for (const [name, shape] of parameterShapes(config)) {
    const read = () => source.read(name)
    const matrix = shape as [number, number]
    if (layers.has(name)) {
      const form = storageForm(name, matrix, precision)
      addTogether(recipe, [...form.names, rowSquaresName(name)], () => {
        const { tensors, values } = form.store(read())
        return [...tensors, squaredRows(values, matrix[0])]
      })
      continue
    }
    // Rows of the embedding and of the head are looked up as they are.
    recipe.set(name, read)
    if (name !== headName(config) || headPrecision(precision) === 'f32') continue
    const form = storageForm(name, matrix, headPrecision(precision))
    addTogether(recipe, form.names, () => form.store(read()).tensors)
  }
  return recipe
}

/** Tensors that are made together: they are asked for in order, and kept from the first to the last. */
function addTogether(recipe: Map<string, () => StoredValues>, names: readonly string[], make: () => readonly StoredValues[]): void {
  let made: readonly StoredValues[] | undefined
  names.forEach((name, i) => {
    recipe.set(name, () => {
      made ??= make()
      const values = made[i]!
      if (i === names.length - 1) made = undefined
      return values
    })
  })
}
