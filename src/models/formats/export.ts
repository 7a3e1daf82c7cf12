import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import { UserError } from '../../errors.ts'
import { replaceDirectory, writeFileDurably } from '../../files.ts'
import { parameterShapes } from '../graph/decoder.ts'
import type { ModelFiles, TensorSource } from '../files.ts'
import { floatBytes, isFloatType } from './float.ts'
import type { FloatType } from './float.ts'
import { huggingFaceConfig } from './huggingface-export.ts'
import { elementsOf, writeSafetensors } from './safetensors.ts'
import type { TensorInput } from './safetensors.ts'

/** The weights to be written: the model's own, or those of a merged or fully fine-tuned model of the same shapes. */
export type FinalWeights = Pick<TensorSource, 'read'>

export interface ExportOptions {
  /** The type of the weights in the file. Default: storedType(model). */
  readonly dtype?: FloatType
  /** Weights above this are split into several files. Default: 5 GB, as in transformers. */
  readonly maximumShardBytes?: number
  /** The scalar head of a reward model, [1, H]: the directory is then a sequence classifier's. */
  readonly scalarHead?: Float32Array<ArrayBuffer> | undefined
}

/**
 * The narrowest type that holds every weight of a model without loss: the one that all its tensors share, else F32.
 * A GGUF file's quantized tensors are F32 once they are dequantized.
 */
export function storedType({ tensors }: Pick<TensorSource, 'tensors'>): FloatType {
  const types = new Set([...tensors.values()].map(({ dtype }) => dtype))
  const [only] = types
  return types.size === 1 && only !== undefined && isFloatType(only) ? only : 'F32'
}

/**
 * Writes a Hugging Face directory that transformers, vLLM and posttrain load: config.json, generation_config.json,
 * the tokenizer's files and safetensors, in shards where they are large.
 *
 * `model` is what the weights came from. A directory that is there is replaced if it holds nothing but a model.
 * Throws a UserError, and leaves what was there, if it holds anything else or the disk is full.
 */
export async function writeHuggingFaceDirectory(
  directory: string, model: ModelFiles, weights: FinalWeights = model, options: ExportOptions = {},
): Promise<void> {
  const { dtype = storedType(model), scalarHead } = options
  refuseForeignDirectory(directory, model)
  const tensors = [...parameterShapes(model.config)].map(([name, shape]): TensorInput =>
    ({ name, shape, dtype, data: () => weights.read(name) }))
  if (scalarHead !== undefined) tensors.push({ name: 'score.weight', shape: [1, model.config.hiddenSize], dtype, data: () => scalarHead })
  await replaceDirectory(directory, async (aside) => {
    const texts = [...huggingFaceConfig(model, dtype, scalarHead !== undefined), ...model.tokenizer.tokenizerFiles()]
    for (const { name, content } of texts) await writeFileDurably(join(aside, name), content)
    await writeWeights(aside, tensors, options.maximumShardBytes ?? 5_000_000_000)
  })
}

/** `format` tells transformers how the tensors are laid out. */
const metadata = { format: 'pt' }

async function writeWeights(
  directory: string, tensors: readonly TensorInput[], maximumShardBytes: number,
): Promise<void> {
  const shards = intoShards(tensors, maximumShardBytes)
  if (shards.length === 1) return writeSafetensors(join(directory, 'model.safetensors'), tensors, metadata)
  const weightMap: Record<string, string> = {}
  for (const [i, shard] of shards.entries()) {
    const name = `model-${numbered(i + 1)}-of-${numbered(shards.length)}.safetensors`
    for (const tensor of shard) weightMap[tensor.name] = name
    await writeSafetensors(join(directory, name), shard, metadata)
  }
  const totalSize = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0)
  const index = { metadata: { total_size: totalSize }, weight_map: weightMap }
  await writeFileDurably(join(directory, 'model.safetensors.index.json'), JSON.stringify(index, null, 2) + '\n')
}

function intoShards(tensors: readonly TensorInput[], maximumBytes: number): TensorInput[][] {
  const shards: TensorInput[][] = [[]]
  let bytes = 0
  for (const tensor of tensors) {
    if (bytes > 0 && bytes + bytesOf(tensor) > maximumBytes) {
      shards.push([])
      bytes = 0
    }
    shards.at(-1)!.push(tensor)
    bytes += bytesOf(tensor)
  }
  return shards
}

function bytesOf({ shape, dtype }: TensorInput): number {
  return elementsOf(shape) * floatBytes[dtype]
}

function numbered(i: number): string {
  return String(i).padStart(5, '0')
}

/** Names that a model directory has; anything else in it is not ours to delete. */
const modelFiles = [
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$/,
  /^chat_template\.(jinja|json)$/,
  /^(merges\.txt|tokenizer\.model)$/,
  /^model(-\d+-of-\d+)?\.(safetensors|gguf)$/,
  /^model\.safetensors\.index\.json$/,
]

function refuseForeignDirectory(directory: string, model: ModelFiles): void {
  if (!existsSync(directory)) return
  if (existsSync(model.path) && realpathSync(directory) === realpathSync(model.path)) {
    throw new UserError(`${directory} is the model itself; write to another directory`)
  }
  const foreign = readdirSync(directory).find(name => !modelFiles.some(pattern => pattern.test(name)))
  if (foreign !== undefined) {
    throw new UserError(`${directory} is there already and holds ${basename(foreign)}, which is no part of a model: ` +
      'it would be deleted. Write to another directory')
  }
}
