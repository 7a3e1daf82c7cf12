/** Facts of runs that have ended, from their folders. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../errors.ts'
import { methods } from '../methods/index.ts'
import { parseRecipe, type Recipe } from '../train/recipe.ts'
import { forgets, hasLevelledOff } from '../train/report-advice.ts'
import { runPaths } from '../train/run-folder.ts'
import { summarizeRun, type RunSummary } from '../train/summary.ts'
import type { RunFacts } from './facts.ts'

/** A finished run's recipe and figures. */
export interface FinishedRun {
  readonly directory: string
  readonly recipe: Recipe
  readonly summary: RunSummary
}

/** @throws UserError where the folder holds no finished run */
export async function openFinishedRun(directory: string): Promise<FinishedRun> {
  const { recipe, report } = runPaths(directory)
  if (!existsSync(recipe)) throw new UserError(`${directory} is no run's folder: it has no recipe.yaml`, { exitCode: 2 })
  if (!existsSync(report)) throw new UserError(`${directory}: the run has not finished. Go on with it: posttrain train RECIPE.yaml --resume`, { exitCode: 2 })
  return { directory, recipe: parseRecipe(readFileSync(recipe, 'utf8'), recipe, methods), summary: await summarizeRun(directory) }
}

/** A run's folder, and what people call the run and its adapter. */
export interface NamedRun {
  readonly path: string
  readonly name: string
  readonly adapter: string
}

/** The finished runs among the folders in `root`, the oldest first; none where there is no such folder. */
export function runsIn(root: string): NamedRun[] {
  if (!existsSync(root)) return []
  const folders = readdirSync(root).map((name) => join(root, name)).filter((path) => existsSync(runPaths(path).report))
  const ended = (path: string): number => statSync(runPaths(path).report).mtimeMs
  return folders.toSorted((a, b) => ended(a) - ended(b)).map((path) => ({ path, name: path, adapter: runPaths(path).adapter }))
}

/** @throws UserError where the folder holds no finished run */
export async function runFacts({ path, name, adapter }: NamedRun): Promise<RunFacts> {
  const { recipe, summary } = await openFinishedRun(path)
  const { general } = summary
  return {
    name,
    method: recipe.method,
    adapter: recipe.adapter.type,
    ...(recipe.adapter.type === 'lora' && { output: adapter }),
    plateau: hasLevelledOff(summary),
    forgets: general !== undefined && forgets(general),
    ...(general !== undefined && { generalChange: general.after / general.before - 1 }),
  }
}
