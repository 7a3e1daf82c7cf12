/** Facts of runs that have ended, from their folders. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
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

/** The finished runs among the folders in `root`, by name; none where there is no such folder. */
export async function finishedRuns(root: string): Promise<FinishedRun[]> {
  if (!existsSync(root)) return []
  const folders = readdirSync(root).map((name) => join(root, name)).filter((path) => existsSync(runPaths(path).report))
  const runs = []
  for (const folder of folders) runs.push(await openFinishedRun(folder))
  return runs
}

export function runFacts({ directory, recipe, summary }: FinishedRun): RunFacts {
  const { general } = summary
  const { adapter, report: _ } = runPaths(directory)
  return {
    name: basename(directory),
    method: recipe.method,
    adapter: recipe.adapter.type,
    ...(recipe.adapter.type === 'lora' && { output: adapter }),
    plateau: hasLevelledOff(summary),
    forgets: general !== undefined && forgets(general),
    ...(general !== undefined && { generalChange: general.after / general.before - 1 }),
  }
}
