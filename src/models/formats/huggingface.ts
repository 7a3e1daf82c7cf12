import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { UserError, messageOf } from '../../errors.ts'
import type { ModelConfig } from '../config.ts'
import { parameterShapes } from '../graph/decoder.ts'
import type { TensorEntry, TensorSource } from '../files.ts'
import { isFloatType } from './float.ts'
import { parseHuggingFaceConfig } from './huggingface-config.ts'
import { isObject } from './json.ts'
import { pickleError } from './safetensors-header.ts'
import { openSafetensors } from './safetensors.ts'
import type { SafetensorsFile } from './safetensors.ts'

/** A model's configuration and weights, without its tokenizer. */
export interface ModelWeights extends TensorSource {
  readonly config: ModelConfig
  /** The files that hold the weights, for the content hash. */
  readonly weightFiles: readonly string[]
}

const singleFile = 'model.safetensors'
const indexFile = 'model.safetensors.index.json'

/**
 * Opens a Hugging Face model directory: config.json, generation_config.json, and model.safetensors or its shards.
 *
 * `tensors` has exactly what the configuration calls for; a missing tensor, a wrong shape, pickled weights or a
 * configuration that is not implemented is a UserError that names it.
 */
export function openHuggingFace(directory: string): ModelWeights {
  const config = readConfig(directory)
  const shards = openShards(directory)
  const close = () => shards.files.forEach(file => file.close())
  try {
    const tensors = selectTensors(directory, config, shards.fileOf)
    return {
      config, tensors, close,
      weightFiles: shards.files.map(file => file.path),
      read(name) {
        if (!tensors.has(name)) throw new UserError(`${directory} has no tensor "${name}"`)
        return shards.fileOf.get(name)!.read(name)
      },
    }
  } catch (error) {
    close()
    throw error
  }
}

function readConfig(directory: string): ModelConfig {
  const path = join(directory, 'config.json')
  if (!existsSync(path)) {
    const isAdapter = existsSync(join(directory, 'adapter_config.json'))
    throw new UserError(isAdapter
      ? `${directory} is an adapter, not a model: give it as the adapter, together with its base model`
      : `${directory} is not a model directory: it has no config.json`)
  }
  const generationPath = join(directory, 'generation_config.json')
  const generation = existsSync(generationPath) ? readJson(generationPath) : undefined
  return parseHuggingFaceConfig(readJson(path), generation, path)
}

/** A JSON file's value. Throws a UserError that names the file if it is not JSON. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown
  } catch (error) {
    throw new UserError(`${path} cannot be read as JSON: ${messageOf(error)}`, { cause: error })
  }
}

interface Shards {
  readonly files: readonly SafetensorsFile[]
  readonly fileOf: ReadonlyMap<string, SafetensorsFile>
}

function openShards(directory: string): Shards {
  if (existsSync(join(directory, indexFile))) return openIndexed(directory)
  const path = join(directory, singleFile)
  if (!existsSync(path)) throw missingWeights(directory)
  const file = openSafetensors(path)
  return { files: [file], fileOf: new Map([...file.tensors.keys()].map(name => [name, file])) }
}

function openIndexed(directory: string): Shards {
  const index = readIndex(join(directory, indexFile))
  const files = new Map<string, SafetensorsFile>()
  try {
    for (const shard of new Set(index.values())) files.set(shard, openShard(directory, shard))
    const fileOf = new Map([...index].map(([name, shard]) => [name, files.get(shard)!]))
    const absent = [...fileOf].find(([name, file]) => !file.tensors.has(name))
    if (absent !== undefined) {
      const [name, { path }] = absent
      throw new UserError(`${path} has no tensor "${name}", which ${indexFile} places there`)
    }
    return { files: [...files.values()], fileOf }
  } catch (error) {
    files.forEach(file => file.close())
    throw error
  }
}

function openShard(directory: string, shard: string): SafetensorsFile {
  const path = join(directory, shard)
  if (!existsSync(path)) {
    throw new UserError(`${directory}: the shard ${shard}, which ${indexFile} names, is missing. Fetch it`)
  }
  return openSafetensors(path)
}

/** Tensor name -> shard's file name, which may not lead out of the directory. */
function readIndex(path: string): ReadonlyMap<string, string> {
  const index = readJson(path)
  const map = isObject(index) ? index.weight_map : undefined
  if (!isObject(map)) throw new UserError(`${path} has no weight_map`)
  const entries = Object.entries(map).map(([name, shard]): [string, string] => {
    if (typeof shard !== 'string' || !/^[\w.-]+\.safetensors$/.test(shard)) {
      const given = JSON.stringify(shard)
      throw new UserError(`${path}: the shard of "${name}" is ${given}, not the name of a .safetensors file`)
    }
    return [name, shard]
  })
  return new Map(entries)
}

function missingWeights(directory: string): UserError {
  const pickle = readdirSync(directory).find(name => /(model|consolidated).*\.(bin|pt|pth|pkl)$/.test(name))
  if (pickle !== undefined) return pickleError(join(directory, pickle))
  return new UserError(`${directory} has no weights: neither ${singleFile} nor ${indexFile} is there`)
}

/** The entries of all tensors that the configuration calls for, checked against it. */
function selectTensors(
  directory: string, config: ModelConfig, fileOf: ReadonlyMap<string, SafetensorsFile>,
): ReadonlyMap<string, TensorEntry> {
  refuseTooManyLayers(directory, config, fileOf.size)
  const shapes = parameterShapes(config)
  const missing = [...shapes.keys()].filter(name => !fileOf.has(name))
  if (missing.length > 0) throw missingTensors(directory, missing)
  const tensors = new Map<string, TensorEntry>()
  for (const [name, expected] of shapes) {
    const file = fileOf.get(name)!
    const { dtype, shape } = file.tensors.get(name)!
    if (shape.join() !== expected.join()) throw wrongShape(file.path, name, shape, expected)
    if (!isFloatType(dtype)) {
      throw new UserError(`${file.path}: tensor "${name}" is stored as ${dtype}; posttrain reads F32, F16 and BF16`)
    }
    tensors.set(name, { dtype, shape })
  }
  return tensors
}

/** A number of layers out of all proportion would fill the memory with the names of tensors that are not there. */
export function refuseTooManyLayers(path: string, { layers }: ModelConfig, tensors: number): void {
  if (layers <= tensors) return
  throw new UserError(`${path}: the configuration calls for ${layers} layers, but there are only ${tensors} tensors`)
}

/** The error for tensors that a model lacks; names the first few. */
export function missingTensors(path: string, missing: readonly string[]): UserError {
  const listed = missing.slice(0, 3).map(name => `"${name}"`).join(', ')
  const rest = missing.length > 3 ? ` and ${missing.length - 3} more` : ''
  return new UserError(`${path}: the weights lack ${listed}${rest}, which the configuration calls for`)
}

/** The error for a tensor whose shape contradicts the configuration. */
export function wrongShape(
  path: string, name: string, shape: readonly number[], expected: readonly number[],
): UserError {
  return new UserError(`${path}: tensor "${name}" has the shape [${shape.join(', ')}]; ` +
    `the configuration calls for [${expected.join(', ')}]`)
}
