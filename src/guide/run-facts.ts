/** Facts of runs that have ended, from their folders. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { UserError } from '../errors.ts'
import { methods } from '../methods/index.ts'
import { parseRecipe, type Recipe } from '../train/recipe.ts'
import { forgets, verdictsOn } from '../train/report-advice.ts'
import { runPaths } from '../train/run-folder.ts'
import { summarizeRun, type RunSummary } from '../train/summary.ts'
import type { RunFacts } from './facts.ts'

/** A run's folder, and what people call the run and its adapter. */
export interface NamedRun {
  readonly path: string
  readonly name: string
  /** undefined: it made none, or it is there no more. */
  readonly adapter: string | undefined
}

/** A run's recipe and figures. */
export interface OpenedRun {
  readonly recipe: Recipe
  readonly summary: RunSummary
}

/** A run that has ended, with its recipe and figures. */
export type FinishedRun = NamedRun & OpenedRun

/** @throws UserError where the folder holds no run, or one whose logs are damaged */
export function openRunFolder(directory: string): OpenedRun {
  return { recipe: readRecipe(directory), summary: summarizeRun(directory) }
}

function readRecipe(directory: string): Recipe {
  const { recipe } = runPaths(directory)
  if (!existsSync(recipe)) throw new UserError(`${directory} is no run's folder: it has no recipe.yaml`, { exitCode: 2 })
  return parseRecipe(readFileSync(recipe, 'utf8'), recipe, methods)
}

/** What can be read of some runs, in their order: one that is damaged, or gone meanwhile, says nothing. */
export function openRuns(runs: readonly NamedRun[]): FinishedRun[] {
  return runs.map((run) => orNothing(() => ({ ...run, ...openRunFolder(run.path) }))).filter((run) => run !== undefined)
}

function orNothing<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof UserError) return undefined
    throw error
  }
}

/** The finished runs of a model among the folders in `root`, the oldest first; none where there is no such folder. */
export function runsIn(root: string, model: string): NamedRun[] {
  if (!existsSync(root)) return []
  const folders = readdirSync(root).map((name) => join(root, name)).filter((path) => existsSync(runPaths(path).report) && isOf(model, path))
  const ended = (path: string): number => statSync(runPaths(path).report).mtimeMs
  return folders.toSorted((a, b) => ended(a) - ended(b)).map((path) => ({ path, name: path, adapter: adapterIn(path) }))
}

function isOf(model: string, folder: string): boolean {
  const recipe = orNothing(() => readRecipe(folder))
  return recipe !== undefined && resolve(recipe.model) === resolve(model)
}

function adapterIn(folder: string): string | undefined {
  const { adapter } = runPaths(folder)
  return existsSync(adapter) ? adapter : undefined
}

export function runFacts({ name, adapter, recipe, summary }: FinishedRun): RunFacts {
  const { general } = summary
  return {
    name,
    method: recipe.method,
    adapter: recipe.adapter.type,
    ...(recipe.adapter.type === 'lora' && adapter !== undefined && { output: adapter }),
    plateau: verdictsOn(summary, recipe).some(({ kind }) => kind === 'plateau'),
    forgets: general !== undefined && forgets(general),
    ...(general !== undefined && { generalChange: general.after / general.before - 1 }),
  }
}
