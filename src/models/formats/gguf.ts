import { UserError } from '../../errors.ts'
import { ByteFile } from './byte-file.ts'
import type { ModelConfig } from '../config.ts'
import { parameterShapes } from '../graph/decoder.ts'
import type { TensorEntry } from '../files.ts'
import { parseGgufConfig } from './gguf-config.ts'
import { deinterleaveHeads, ggufName, interleavedHeads } from './gguf-names.ts'
import { parseGguf } from './gguf-parser.ts'
import type { GgufField, GgufHeader, GgufTensor, GgufValue } from './gguf-parser.ts'
import { missingTensors, refuseTooManyLayers, wrongShape } from './huggingface.ts'
import type { ModelWeights } from './huggingface.ts'

export type { GgufField, GgufValue, GgufValueType } from './gguf-parser.ts'

/** An open GGUF file under Hugging Face names, shapes and row order. */
export interface GgufModel extends ModelWeights {
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** The metadata with the types that they are stored in. */
  readonly fields: ReadonlyMap<string, GgufField>
}

/**
 * Opens a GGUF file (versions 2 and 3). Tensors are dequantized as they are read.
 *
 * Throws a UserError that names file, key or tensor where the file is damaged or needs what is not implemented.
 */
export function openGguf(path: string): GgufModel {
  const file = new ByteFile(path)
  try {
    const header = parseGguf(file)
    const metadata = new Map([...header.fields].map(([key, { value }]) => [key, value]))
    const config = configOf(file, header, metadata)
    const stored = selectTensors(path, config, header)
    const entryOf = ({ shape, type }: GgufTensor): TensorEntry => ({ shape, dtype: type.name })
    return {
      config, metadata,
      fields: header.fields,
      weightFiles: [path],
      tensors: new Map([...stored].map(([name, tensor]) => [name, entryOf(tensor)])),
      read: name => readTensor(file, config, name, stored.get(name)),
      close: () => file.close(),
    }
  } catch (error) {
    file.close()
    throw error
  }
}

function configOf(file: ByteFile, { tensors }: GgufHeader, metadata: ReadonlyMap<string, GgufValue>): ModelConfig {
  const vocabSize = tensors.get('token_embd.weight')?.shape[0]
  if (vocabSize === undefined) {
    throw new UserError(`${file.path}: the weights lack "token_embd.weight": this is not a language model`)
  }
  const rope = tensors.get('rope_freqs.weight')
  const ropeFactors = rope && rope.type.dequantize(file.read(rope.begin, rope.bytes))
  return parseGgufConfig(metadata, { has: name => tensors.has(name), vocabSize, ropeFactors }, file.path)
}

/** The tensors that the configuration calls for, under their Hugging Face names. */
function selectTensors(path: string, config: ModelConfig, { tensors }: GgufHeader): ReadonlyMap<string, GgufTensor> {
  refuseTooManyLayers(path, config, tensors.size)
  const shapes = parameterShapes(config)
  const missing = [...shapes.keys()].map(ggufName).filter(name => !tensors.has(name))
  if (missing.length > 0) throw missingTensors(path, missing)
  const selected = new Map<string, GgufTensor>()
  for (const [name, expected] of shapes) {
    const tensor = tensors.get(ggufName(name))!
    if (tensor.shape.join() !== expected.join()) throw wrongShape(path, ggufName(name), tensor.shape, expected)
    selected.set(name, tensor)
  }
  return selected
}

function readTensor(
  file: ByteFile, config: ModelConfig, name: string, tensor: GgufTensor | undefined,
): Float32Array<ArrayBuffer> {
  if (tensor === undefined) throw new UserError(`${file.path} has no tensor "${name}"`)
  const values = tensor.type.dequantize(file.read(tensor.begin, tensor.bytes))
  const heads = config.architecture === 'llama' ? interleavedHeads(name, config) : undefined
  return heads === undefined ? values : deinterleaveHeads(values, tensor.shape[0]!, heads)
}
