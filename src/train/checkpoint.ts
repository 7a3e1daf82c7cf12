/** What a checkpoint holds: all that a run needs to go on bit by bit as if it had never stopped. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { UserError, messageOf } from '../errors.ts'
import { openSafetensors, writeSafetensors } from '../models/formats/safetensors.ts'
import type { TensorInput } from '../models/formats/safetensors.ts'
import type { NamedArrays, OptimizerState } from './optimizer.ts'

/** Where a run stands. */
export const TrainState = z.strictObject({
  /** Optimizer steps done. */
  step: z.int().nonnegative(),
  /** Passes over the data done, in fractions. */
  epoch: z.number().nonnegative(),
  /** The data loader's own state: what it needs to give the next batch. Any JSON. */
  loader: z.json(),
  /** What the method remembers between steps (PPO's KL coefficient). Any JSON. */
  learning: z.json().optional(),
  /** The run's seed; random numbers are derived from it and the step. */
  seed: z.int(),
  /** The best held-out loss so far (of methods that learn from rewards: the negative reward); null: none measured. */
  best: z.strictObject({ step: z.int().nonnegative(), loss: z.number() }).nullable(),
  /** Evaluations since the best one. */
  evaluationsSinceBest: z.int().nonnegative(),
  /** Tokens trained on so far. */
  tokens: z.int().nonnegative(),
  /** Spent training so far, over all sessions of the run. */
  elapsedSeconds: z.number().nonnegative(),
})
export type TrainState = z.infer<typeof TrainState>

export interface Checkpoint {
  /** What is trained, by name. */
  readonly parameters: NamedArrays
  readonly optimizer: OptimizerState
  readonly state: TrainState
}

const names = { parameters: 'parameters.safetensors', optimizer: 'optimizer.safetensors', state: 'state.json' }

/**
 * Writes a checkpoint's files into `directory`; the arrays must not change meanwhile.
 * `shapes` are those of the parameters; one that has none is stored flat.
 */
export async function saveCheckpoint(
  directory: string, checkpoint: Checkpoint, shapes: ReadonlyMap<string, readonly number[]> = new Map(),
): Promise<void> {
  const { parameters, optimizer, state } = checkpoint
  const checked = TrainState.parse(state)
  await writeSafetensors(join(directory, names.parameters), tensorsOf(parameters, shapes))
  await writeSafetensors(join(directory, names.optimizer), tensorsOf(optimizer.moments), { step: String(optimizer.step) })
  await writeFile(join(directory, names.state), `${JSON.stringify(checked, null, 2)}\n`)
}

/** Reads what `saveCheckpoint` wrote. Throws a UserError that names the file, and the key or tensor, if it is damaged. */
export function loadCheckpoint(directory: string): Checkpoint {
  const state = loadTrainState(directory)
  const { arrays: parameters } = readArrays(join(directory, names.parameters))
  const { arrays: moments, metadata } = readArrays(join(directory, names.optimizer))
  const step = Number(metadata.get('step'))
  if (!Number.isSafeInteger(step) || step < 0) {
    throw new UserError(`${join(directory, names.optimizer)} does not say after how many steps it was written`)
  }
  return { parameters, optimizer: { step, moments }, state }
}

/**
 * Copies saved parameters over those of a run.
 * Throws a UserError, with nothing copied, if names or lengths differ: the checkpoint is that of another run.
 */
export function restoreParameters(parameters: NamedArrays, saved: NamedArrays, directory: string): void {
  const file = join(directory, names.parameters)
  for (const name of new Set([...parameters.keys(), ...saved.keys()])) {
    const [wanted, found] = [parameters.get(name)?.length, saved.get(name)?.length]
    if (wanted !== found) {
      const difference = `tensor ${name} has ${found ?? 'no'} values there and ${wanted ?? 'no'} in this run`
      throw new UserError(`${file} does not fit this recipe: ${difference}. Resume with the recipe the run began with.`)
    }
  }
  for (const [name, values] of parameters) values.set(saved.get(name)!)
}

function tensorsOf(arrays: NamedArrays, shapes: ReadonlyMap<string, readonly number[]> = new Map()): TensorInput[] {
  return [...arrays].map(([name, data]) => ({ name, dtype: 'F32', shape: shapes.get(name) ?? [data.length], data }))
}

function readArrays(path: string): { arrays: Map<string, Float32Array>; metadata: ReadonlyMap<string, string> } {
  const file = openSafetensors(path)
  try {
    const arrays = new Map([...file.tensors.keys()].map((name) => [name, file.read(name)]))
    return { arrays, metadata: file.metadata }
  } finally {
    file.close()
  }
}

/** The state alone of a checkpoint that `saveCheckpoint` wrote. Throws as `loadCheckpoint` does. */
export function loadTrainState(directory: string): TrainState {
  const path = join(directory, names.state)
  const parsed = TrainState.safeParse(readJson(path))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? '' : `, key ${issue.path.join('.')}`
  throw new UserError(`${path} is damaged${where}: ${issue?.message}. Remove its folder to resume from an earlier checkpoint.`)
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new UserError(`${path} is damaged: ${messageOf(error)}`, { cause: error })
  }
}
