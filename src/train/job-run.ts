/** What a job does, in the process that does it. */
import { existsSync, readdirSync } from 'node:fs'
import { dataKinds, type DataKind } from '../data/kinds.ts'
import { readRows } from '../data/read.ts'
import { UserError } from '../errors.ts'
import { openModel } from '../models/open.ts'
import { cacheDirectory } from '../models/sources/cache.ts'
import { resolveModel } from '../models/sources/source.ts'
import { methods } from '../methods/index.ts'
import { checkpointDirectory, type CheckRequest, type CompareRequest, type JobFile, type JobMessage, type RunJobRequest } from './job.ts'
import { CheckpointAdapters, copyAdapter, storedRecipe } from './job-checkpoints.ts'
import { compareAdapters, type Comparison } from './job-comparison.ts'
import { checkRecipe, type Recipe } from './recipe.ts'
import { runTraining } from './run.ts'
import { runPaths } from './run-folder.ts'
import type { StopRequest } from './stop.ts'

/** A file of the request is wrong. */
export class JobFileError extends UserError {
  readonly param: JobFile['param']

  constructor(message: string, param: JobFile['param'], cause: unknown) {
    super(message, { exitCode: 2, cause })
    this.param = param
  }
}

/** Reads the files of a job. @returns how many rows each has @throws JobFileError that names file and line as the client knows them */
export async function checkFiles({ files, kind, minimumRows }: CheckRequest): Promise<number[]> {
  const counts: number[] = []
  for (const { path, name, param } of files) {
    try {
      const { length } = await readRows(path, (dataKinds[kind] as DataKind<unknown>).rows)
      if (param === 'training_file' && length < minimumRows) {
        throw new UserError(`${name} has ${length} rows; a job needs at least ${minimumRows}`)
      }
      counts.push(length)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      throw new JobFileError(error.message.replaceAll(path, name), param, error)
    }
  }
  return counts
}

/**
 * Trains what a job asks for, from its last checkpoint where there is one; puts the adapter in its place; compares it.
 * @param stopRequest asked after every step
 */
export async function runJob(request: RunJobRequest, send: (message: JobMessage) => void, stopRequest: () => StopRequest | undefined): Promise<void> {
  const recipe = checkRecipe(request.recipe, methods)
  const model = await resolveModel(recipe.model)
  const adapters = await openCheckpointAdapters(recipe, model, request.adapter, send)
  let totalSteps = Infinity
  const result = await runTraining({ recipe, model, resume: true, overwrite: false, cache: cacheDirectory() }, (event) => {
    if (event.type === 'step') totalSteps = event.steps
    if (event.type === 'checkpoint') adapters.add(event.path, event.step, totalSteps)
    send({ type: 'event', event })
  }, stopRequest)
  await adapters.finish()
  if (result.finished) await copyAdapter(result.output, request.adapter)
  send({ type: 'done', result })
}

async function openCheckpointAdapters(recipe: Recipe, model: string, adapter: string, send: (message: JobMessage) => void): Promise<CheckpointAdapters> {
  const { config, close } = await openModel(model)
  close()
  return new CheckpointAdapters(config, {
    recipe: () => storedRecipe(recipe.output),
    directoryOf: (step) => checkpointDirectory(adapter, step),
    onAdapter: (step, directory) => { send({ type: 'checkpoint', step, directory }) },
  })
}

/** Compares a finished run's adapter with the one in use, where the run has held-out rows. */
export async function compareRun({ run, candidate, incumbent }: CompareRequest): Promise<Comparison | undefined> {
  const recipe = storedRecipe(run)
  const { eval: heldOut } = recipe
  return heldOut === undefined ? undefined : compareAdapters({ recipe: { ...recipe, eval: heldOut }, candidate, incumbent })
}

/** The step of a run's newest checkpoint; 0 where there is none. */
export function lastCheckpoint(run: string): number {
  const { checkpoints } = runPaths(run)
  const names = existsSync(checkpoints) ? readdirSync(checkpoints) : []
  return Math.max(0, ...names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number))
}
