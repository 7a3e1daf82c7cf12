import { cacheDirectory } from '../models/sources/cache.ts'
import type { FetchProgress } from '../models/sources/hub.ts'
import { resolveModel } from '../models/sources/source.ts'
import { methods } from '../methods/index.ts'
import { WorkerClient, siblingModule } from '../runtime/worker.ts'
import type { TrainEvent, TrainResult } from './events.ts'
import { checkRecipe, type Recipe, type RecipeInput } from './recipe.ts'
import type { RunRequest } from './run.ts'

export interface TrainOptions {
  /** Go on from the last checkpoint of the recipe's output folder; begins anew where there is none. */
  readonly resume?: boolean
  /** Replace the run that is in the output folder. */
  readonly overwrite?: boolean
  /** Aborting ends the run after the current step, at a checkpoint. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: TrainEvent) => void
  readonly onProgress?: (progress: FetchProgress) => void
}

/**
 * Trains what a recipe asks for, in a worker thread, into a run folder of plain files.
 * @throws UserError for a wrong recipe, model or data file, a full disk, or a loss that is not finite
 */
export async function train(recipe: RecipeInput | Recipe, options: TrainOptions = {}): Promise<TrainResult> {
  const { resume = false, overwrite = false, signal, onEvent, onProgress } = options
  const checked = checkRecipe(recipe, methods)
  const model = await resolveModel(checked.model, onProgress === undefined ? {} : { onProgress })
  const request: RunRequest = { recipe: checked, model, resume, overwrite, cache: cacheDirectory() }
  const worker = new WorkerClient(siblingModule(import.meta, './service'))
  const stop = (): void => void worker.call('stop', undefined)
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await worker.call<TrainResult>('run', request, onEvent)
  } finally {
    signal?.removeEventListener('abort', stop)
    await worker.close()
  }
}
