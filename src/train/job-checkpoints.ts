import { existsSync, readFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { replaceDirectory } from '../files.ts'
import type { ModelConfig } from '../models/config.ts'
import { loraShapes, type Adapter, type LoraConfig } from '../models/graph/lora.ts'
import type { Precision } from '../models/graph/parts.ts'
import { loadAdapter, saveAdapter } from '../models/peft.ts'
import { methods } from '../methods/index.ts'
import { loadCheckpoint } from './checkpoint.ts'
import { targetModules } from './policy.ts'
import { parseRecipe, type Recipe } from './recipe.ts'
import { runPaths } from './run-folder.ts'

/** Checkpoints of a run that become adapters: at most one for each part of this size. */
const shareOfRun = 1 / 10

/** Makes adapters of a run's checkpoints, each in a folder of its own: some along the way and the last. */
export class CheckpointAdapters {
  readonly #config: ModelConfig
  readonly #recipe: () => Recipe
  readonly #directoryOf: (step: number) => string
  readonly #onAdapter: (step: number, directory: string) => void
  /** Parts of the run that have an adapter. */
  readonly #served = new Set<number>()
  /** Ends when all adapters so far are on the disk. */
  #written: Promise<void> = Promise.resolve()

  constructor(
    config: ModelConfig,
    { recipe, directoryOf, onAdapter }: {
      /** The recipe as it is carried out. */
      recipe: () => Recipe
      /** Where the adapter of a step belongs. */
      directoryOf: (step: number) => string
      /** Hears of each adapter that is whole and durable. */
      onAdapter: (step: number, directory: string) => void
    },
  ) {
    this.#config = config
    this.#recipe = recipe
    this.#directoryOf = directoryOf
    this.#onAdapter = onAdapter
  }

  /** Reads a checkpoint at once, since a later one may remove it; writes its adapter meanwhile. */
  add(checkpoint: string, step: number, totalSteps: number): void {
    const part = Math.floor(step / Math.max(1, totalSteps * shareOfRun))
    if (this.#served.has(part) && step < totalSteps) return
    this.#served.add(part)
    const recipe = this.#recipe()
    const directory = this.#directoryOf(step)
    const adapter = readCheckpointAdapter(checkpoint, recipe, this.#config)
    this.#written = this.#written.then(async () => {
      if (!existsSync(directory)) await saveAdapter(directory, adapter, this.#config, recipe.model)
      this.#onAdapter(step, directory)
    })
    // The failure is `finish`'s to tell; until then it is no unhandled one.
    this.#written.catch(() => {})
  }

  /** Ends when every adapter is on the disk. @throws UserError where one could not be written */
  async finish(): Promise<void> {
    await this.#written
  }
}

/** The recipe of a run as it is carried out: `auto` replaced by what it came to. */
export function storedRecipe(run: string): Recipe {
  const { recipe } = runPaths(run)
  return parseRecipe(readFileSync(recipe, 'utf8'), recipe, methods)
}

/** What a checkpoint trained, as an adapter; a critic's parameters are left out. */
function readCheckpointAdapter(checkpoint: string, recipe: Recipe, config: ModelConfig): Adapter {
  const lora = loraOf(recipe, config)
  const { parameters } = loadCheckpoint(checkpoint)
  return {
    config: lora,
    parameters: new Map([...loraShapes(config, lora).keys()].map((name) => [name, parameters.get(name)! as Float32Array<ArrayBuffer>])),
    ...(recipe.base.precision !== 'f32' && { basePrecision: recipe.base.precision as Precision }),
  }
}

function loraOf({ adapter }: Recipe, config: ModelConfig): LoraConfig {
  if (adapter.type === 'none' || adapter.init === 'pissa') throw new Error('what is trained here is no adapter of the model itself')
  if (adapter.init !== undefined) return loadAdapter(adapter.init, config).config
  const { rank, alpha, use_rslora: rankStabilized, use_dora: dora } = adapter
  return { rank, alpha, rankStabilized, modules: targetModules(config, adapter.targets), ...(dora && { dora }) }
}

/** Copies an adapter's folder to `directory`, whole or not at all. */
export async function copyAdapter(source: string, directory: string): Promise<void> {
  await replaceDirectory(directory, (aside) => cp(source, aside, { recursive: true }))
}
