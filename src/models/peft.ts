/** Adapters as PEFT stores them: adapter_config.json beside adapter_model.safetensors. */
import { closeSync, existsSync, fstatSync, openSync, read, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { UserError, messageOf } from '../errors.ts'
import { replaceDirectory, writeFileDurably } from '../files.ts'
import type { ModelConfig } from './config.ts'
import { linearModules } from './graph/decoder.ts'
import { precisions } from './graph/linear-maps.ts'
import { loraNames, loraShapes, type Adapter, type LoraConfig } from './graph/lora.ts'
import { bytesInMemory } from './formats/byte-file.ts'
import { pickleError } from './formats/safetensors-header.ts'
import { openSafetensors, readSafetensors, writeSafetensors, type SafetensorsFile } from './formats/safetensors.ts'

const readBytes = promisify(read)
const prefix = 'base_model.model.'
const headName = `${prefix}score.weight`
const weightsFile = 'adapter_model.safetensors'

const schema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().positive(),
  lora_alpha: z.number(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  bias: z.string().nullish(),
  fan_in_fan_out: z.boolean().nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
  modules_to_save: z.array(z.string()).nullish(),
  rank_pattern: z.record(z.string(), z.number()).nullish(),
  alpha_pattern: z.record(z.string(), z.number()).nullish(),
})

/**
 * Reads a LoRA adapter for a model. Throws a UserError that names file, key or tensor where the adapter is damaged,
 * of a kind that is not implemented, or made for another base (its tensors' names or shapes do not fit).
 */
export function loadAdapter(directory: string, config: ModelConfig): Adapter {
  const adapter = readAdapter(directory, config)
  if (adapter.head === undefined) return adapter
  throw rewardModel(directory)
}

function rewardModel(directory: string): UserError {
  return new UserError(`${directory} is a reward model: it scores answers and cannot write them. Use it as a grader, {"type": "reward_model", "adapter": …}`)
}

/** Reads an adapter with a scalar head, as PEFT saves those of sequence classifiers. Throws UserErrors as `loadAdapter` does. */
export function loadRewardAdapter(directory: string, config: ModelConfig): Adapter & Required<Pick<Adapter, 'head'>> {
  const { head, ...adapter } = readAdapter(directory, config)
  if (head === undefined) throw new UserError(`${directory} has no scalar head (${headName}): it is no reward model. Train one with method: reward`)
  return { ...adapter, head }
}

/**
 * Reads an adapter without stopping the thread for the disk, and none of its weights before `check` has seen what it is.
 * Throws UserErrors as `loadAdapter` does.
 */
export async function loadAdapterAside(directory: string, config: ModelConfig, check: (lora: LoraConfig) => void): Promise<Adapter> {
  const path = join(directory, weightsFile)
  check(inspectAdapter(directory, config))
  const bytes = await readAtOnce(path)
  return readAdapter(directory, config, () => readSafetensors(bytesInMemory(path, bytes)))
}

/** A file in one turn of the event loop: `readFile` takes many, and each waits for the others' work to come to a pause. */
async function readAtOnce(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const descriptor = openSync(path, 'r')
  try {
    const bytes = new Uint8Array(fstatSync(descriptor).size)
    const { bytesRead } = await readBytes(descriptor, bytes, 0, bytes.length, 0)
    return bytes.subarray(0, bytesRead)
  } finally {
    closeSync(descriptor)
  }
}

/** What an adapter is, by its configuration and the header of its weights. Throws UserErrors as `loadAdapter` does. */
export function inspectAdapter(directory: string, config: ModelConfig): LoraConfig {
  const { lora, file } = openAdapter(directory, config, openSafetensors)
  file.close()
  if (file.tensors.has(headName)) throw rewardModel(directory)
  return lora
}

function readAdapter(directory: string, config: ModelConfig, openWeights = openSafetensors): Adapter {
  const { lora, file } = openAdapter(directory, config, openWeights)
  try {
    return {
      config: lora,
      parameters: new Map([...loraShapes(config, lora).keys()].map((name) => [name, file.read(prefix + name)])),
      ...(file.tensors.has(headName) && { head: file.read(headName) }),
      ...readOrigin(join(directory, originFile)),
    }
  } finally {
    file.close()
  }
}

/** Opens the weights and checks that they are the ones that the configuration says, and fit the model. */
function openAdapter(
  directory: string, config: ModelConfig, openWeights: (path: string) => SafetensorsFile,
): { lora: LoraConfig; file: SafetensorsFile } {
  const settingsPath = join(directory, 'adapter_config.json')
  if (!existsSync(settingsPath)) {
    throw new UserError(`There is no adapter at ${directory}: a LoRA adapter is a folder with adapter_config.json and adapter_model.safetensors`)
  }
  const settings = readSettings(settingsPath)
  const path = join(directory, weightsFile)
  if (!existsSync(path)) {
    const pickle = join(directory, 'adapter_model.bin')
    if (existsSync(pickle)) throw pickleError(pickle)
    throw new UserError(`${directory}: there is no adapter_model.safetensors in it`)
  }
  const file = openWeights(path)
  try {
    const lora: LoraConfig = {
      rank: settings.r,
      alpha: settings.lora_alpha,
      rankStabilized: settings.use_rslora ?? false,
      ...(settings.use_dora === true && { dora: true }),
      modules: linearModules(config).filter((module) => file.tensors.has(prefix + loraNames(module).a)),
    }
    checkFit(file, path, loraShapes(config, lora), lora)
    checkHead(file, path, config)
    return { lora, file }
  } catch (error) {
    file.close()
    throw error
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new UserError(`${path}: not a readable adapter configuration: ${messageOf(error)}`, { cause: error })
  }
}

function readSettings(path: string): z.output<typeof schema> {
  const parsed = schema.safeParse(readJson(path))
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw new UserError(`${path}: ${issue.path.join('.')}: ${issue.message}. Only LoRA adapters of PEFT can be used.`)
  }
  const settings = parsed.data
  const refuse = (key: string, why: string): never => {
    throw new UserError(`${path}: ${key} is set: ${why} is not implemented`)
  }
  if (settings.fan_in_fan_out) refuse('fan_in_fan_out', 'a transposed base layer')
  if (settings.bias != null && settings.bias !== 'none') refuse('bias', 'a trained bias')
  // PEFT lists both names that sequence classifiers may have for their head.
  const saved = settings.modules_to_save?.find((name) => name !== 'score' && name !== 'classifier')
  if (saved !== undefined) refuse('modules_to_save', `a fully trained module beside the adapter (${saved})`)
  if (/^(pissa|olora|corda)/.test(String(settings.init_lora_weights))) {
    refuse('init_lora_weights', 'an adapter whose base was changed with it (save it with PEFT\'s path_initial_model_for_weight_conversion)')
  }
  for (const key of ['rank_pattern', 'alpha_pattern'] as const) {
    if (Object.keys(settings[key] ?? {}).length > 0) refuse(key, 'a rank or alpha that differs between layers')
  }
  return settings
}

/** What PEFT's configuration has no place for, in a file of our own that PEFT passes over. */
const originFile = 'posttrain.json'
const originSchema = z.looseObject({ base_precision: z.enum(precisions).optional() })

function readOrigin(path: string): Pick<Adapter, 'basePrecision'> {
  if (!existsSync(path)) return {}
  const parsed = originSchema.safeParse(readJson(path))
  if (!parsed.success) throw new UserError(`${path}: base_precision must be one of ${precisions.join(', ')}`)
  const { base_precision: basePrecision } = parsed.data
  return basePrecision === undefined ? {} : { basePrecision }
}

function checkFit(file: SafetensorsFile, path: string, shapes: ReadonlyMap<string, readonly number[]>, lora: LoraConfig): void {
  const misfit = (tensor: string, problem: string): UserError =>
    new UserError(`${path}: tensor ${tensor} ${problem}. The adapter was made for another base model.`)
  for (const name of file.tensors.keys()) {
    if (name !== headName && (!name.startsWith(prefix) || !shapes.has(name.slice(prefix.length)))) throw misfit(name, 'has no place in this model')
  }
  if (lora.modules.length === 0) throw new UserError(`${path}: holds no LoRA matrices`)
  for (const [name, shape] of shapes) {
    const entry = file.tensors.get(prefix + name)
    if (entry === undefined) throw misfit(prefix + name, 'is missing')
    if (entry.shape.join() !== shape.join()) throw misfit(prefix + name, `is [${entry.shape.join(', ')}], not [${shape.join(', ')}] (rank ${lora.rank})`)
  }
}

function checkHead({ tensors }: SafetensorsFile, path: string, { hiddenSize }: ModelConfig): void {
  const shape = tensors.get(headName)?.shape.join(', ')
  if (shape === undefined || shape === `1, ${hiddenSize}`) return
  throw new UserError(`${path}: tensor ${headName} is [${shape}], not [1, ${hiddenSize}]: only heads with a single score can be used`)
}

/** Writes an adapter directory that PEFT loads; whole or not at all. @param baseModel what the user named as the base */
export async function saveAdapter(directory: string, adapter: Adapter, config: ModelConfig, baseModel: string | null): Promise<void> {
  await replaceDirectory(directory, (aside) => writeAdapter(aside, adapter, config, baseModel))
}

/** Writes the two files into an existing directory. */
export async function writeAdapter(directory: string, adapter: Adapter, config: ModelConfig, baseModel: string | null): Promise<void> {
  const shapes = loraShapes(config, adapter.config)
  await writeFileDurably(join(directory, 'adapter_config.json'), JSON.stringify(peftSettings(adapter, config.layers, baseModel), null, 2) + '\n')
  if (adapter.basePrecision !== undefined) {
    await writeFileDurably(join(directory, originFile), JSON.stringify({ base_precision: adapter.basePrecision }) + '\n')
  }
  await writeSafetensors(
    join(directory, 'adapter_model.safetensors'),
    [
      ...[...adapter.parameters].map(([name, data]) => ({ name: prefix + name, dtype: 'F32' as const, shape: shapes.get(name)!, data })),
      ...(adapter.head === undefined ? [] : [{ name: headName, dtype: 'F32' as const, shape: [1, config.hiddenSize], data: adapter.head }]),
    ],
    { format: 'pt' },
  )
}

function peftSettings({ config: lora, head }: Adapter, layers: number, baseModel: string | null): Record<string, unknown> {
  const kinds = [...new Set(lora.modules.map((module) => module.slice(module.lastIndexOf('.') + 1)))]
  // PEFT matches by ending: a kind's last name stands for all its layers; where some are left out, each is named whole.
  const everyLayer = kinds.length * layers === lora.modules.length
  return {
    peft_type: 'LORA',
    task_type: head === undefined ? 'CAUSAL_LM' : 'SEQ_CLS',
    ...(head !== undefined && { modules_to_save: ['score'] }),
    base_model_name_or_path: baseModel,
    r: lora.rank,
    lora_alpha: lora.alpha,
    use_rslora: lora.rankStabilized,
    use_dora: lora.dora ?? false,
    target_modules: everyLayer ? kinds : lora.modules,
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    inference_mode: true,
  }
}
