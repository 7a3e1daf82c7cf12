import { UserError } from '../errors.ts'
import { linearShape } from './graph/decoder.ts'
import { writeHuggingFaceDirectory, type FinalWeights } from './formats/export.ts'
import type { FloatType } from './formats/float.ts'
import type { ModelFiles } from './files.ts'
import { writeGgufModel } from './formats/gguf-export.ts'
import { loraNames, loraScale, type Adapter } from './graph/lora.ts'
import { openModel } from './open.ts'
import { loadAdapter } from './peft.ts'

export interface MergeOptions {
  /** Directory or .gguf file of the base. */
  readonly model: string
  /** Directory of a PEFT LoRA adapter. */
  readonly adapter: string
  /** A directory (safetensors) or a .gguf file, which is replaced if it is one already. */
  readonly output: string
  readonly format?: 'safetensors' | 'gguf'
  /** The base's stored type unless given; f32 where that is quantized. */
  readonly dtype?: FloatType
}

/**
 * Writes a model with an adapter added to its weights: W + s B A, computed in f32.
 * @throws UserError where model or adapter are missing, damaged or do not fit; nothing is written then
 */
export async function merge({ model: path, adapter: directory, output, format = 'safetensors', dtype }: MergeOptions): Promise<void> {
  if (format === 'gguf' && !output.endsWith('.gguf')) {
    throw new UserError(`--output ${output}: the name of a GGUF file ends in .gguf`, { exitCode: 2 })
  }
  const model = await openModel(path)
  try {
    const weights = mergedWeights(model, loadAdapter(directory, model.config))
    const options = dtype === undefined ? {} : { dtype }
    if (format === 'gguf') await writeGgufModel(output, model, weights, options)
    else await writeHuggingFaceDirectory(output, model, weights, options)
  } finally {
    model.close()
  }
}

/** The weights of a model with an adapter's product added to each adapted layer, computed as they are read. */
export function mergedWeights(model: ModelFiles, { config: lora, parameters }: Adapter): FinalWeights {
  const adapted = new Map(lora.modules.map((module) => [`${module}.weight`, module]))
  return {
    read(name) {
      const values = model.read(name)
      const module = adapted.get(name)
      if (module === undefined) return values
      const { a, b } = loraNames(module)
      addProduct(values, parameters.get(b)!, parameters.get(a)!, linearShape(model.config, module), lora.rank, loraScale(lora))
      return values
    },
  }
}

/** w += scale · b a, where w is [out, in], b [out, rank], a [rank, in]. */
function addProduct(
  w: Float32Array,
  b: Float32Array,
  a: Float32Array,
  [outputs, inputs]: readonly [number, number],
  rank: number,
  scale: number,
): void {
  const sum = new Float64Array(inputs)
  for (let row = 0; row < outputs; row++) {
    sum.fill(0)
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[row * rank + r]!
      for (let i = 0; i < inputs; i++) sum[i]! += factor * a[r * inputs + i]!
    }
    for (let i = 0; i < inputs; i++) w[row * inputs + i]! += sum[i]!
  }
}
