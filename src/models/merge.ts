import { UserError } from '../errors.ts'
import { linearShape, parameterShapes } from './graph/decoder.ts'
import { writeHuggingFaceDirectory, type FinalWeights } from './formats/export.ts'
import type { FloatType } from './formats/float.ts'
import type { ModelFiles } from './files.ts'
import { writeGgufModel } from './formats/gguf-export.ts'
import { loraNames, loraScale, type Adapter } from './graph/lora.ts'
import type { Precision } from './graph/linear-maps.ts'
import { addProduct } from './low-rank.ts'
import { openModel } from './open.ts'
import { loadAdapter } from './peft.ts'
import { frozenSource, squaredRows } from './stored.ts'

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
  /**
   * What the product is added to: the base's weights as they are (`original`, unless given), or the values that a quantized
   * base has for them (`dequantized`), over which the adapter was trained.
   */
  readonly base?: 'original' | 'dequantized'
  /** How the dequantized base was quantized; as the adapter's folder says unless given. */
  readonly precision?: Precision
  /** Hears of each weight that is computed: how many were before it, of how many. */
  readonly onProgress?: (done: number, total: number) => void
}

/** What a merge was made from. */
export interface MergeResult {
  readonly base: 'original' | 'dequantized'
  /** Of a dequantized base. */
  readonly precision?: Precision
}

/**
 * Writes a model with an adapter added to its weights: W + s B A, computed in f32.
 * @throws UserError where model or adapter are missing, damaged or do not fit; nothing is written then
 */
export async function merge(request: MergeOptions): Promise<MergeResult> {
  const { model: path, adapter: directory, output, format = 'safetensors', dtype, base = 'original', onProgress } = request
  if (format === 'gguf' && !output.endsWith('.gguf')) {
    throw new UserError(`--output ${output}: the name of a GGUF file ends in .gguf`, { exitCode: 2 })
  }
  const model = await openModel(path)
  try {
    const adapter = loadAdapter(directory, model.config)
    const precision = base === 'dequantized' ? trainedPrecision(request, adapter) : undefined
    const source = precision === undefined ? model : frozenSource(model, precision)
    const total = parameterShapes(model.config).size
    let done = 0
    const weights = mergedWeights({
      config: model.config,
      read(name) {
        onProgress?.(done++, total)
        return source.read(name)
      },
    }, adapter)
    const options = dtype === undefined ? {} : { dtype }
    if (format === 'gguf') await writeGgufModel(output, model, weights, options)
    else await writeHuggingFaceDirectory(output, model, weights, options)
    return precision === undefined ? { base } : { base, precision }
  } finally {
    model.close()
  }
}

function trainedPrecision({ precision, adapter: directory }: MergeOptions, adapter: Adapter): Precision {
  const found = precision ?? adapter.basePrecision
  if (found !== undefined) return found
  throw new UserError(`${directory} does not say how the base was quantized when the adapter was trained: give --precision`, { exitCode: 2 })
}

/** The weights of a model with an adapter's product added to each adapted layer, computed as they are read. */
export function mergedWeights(model: Pick<ModelFiles, 'config' | 'read'>, { config: lora, parameters }: Adapter): FinalWeights {
  const adapted = new Map(lora.modules.map((module) => [`${module}.weight`, module]))
  return {
    read(name) {
      const values = model.read(name)
      const module = adapted.get(name)
      if (module === undefined) return values
      const { a, b, magnitude } = loraNames(module)
      const shape = linearShape(model.config, module)
      addProduct(values, parameters.get(b)!, parameters.get(a)!, shape, lora.rank, loraScale(lora))
      if (lora.dora === true) scaleRows(values, parameters.get(magnitude)!)
      return values
    },
  }
}

/** Gives each row of w the norm that DoRA's magnitude has for it. w [out, in], magnitudes [out] */
function scaleRows(w: Float32Array, magnitudes: Float32Array): void {
  const squares = squaredRows(w, magnitudes.length)
  const inputs = w.length / magnitudes.length
  for (let i = 0; i < w.length; i++) {
    const row = Math.floor(i / inputs)
    w[i]! *= magnitudes[row]! / Math.sqrt(squares[row]!)
  }
}
