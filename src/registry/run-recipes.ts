/** Recipes of runs, as they are shown and compared. */
import { parse } from 'yaml'
import { openPlain } from '../train/growing-lines.ts'
import { runPaths } from '../train/run-folder.ts'

export type RunRecipe = Readonly<Record<string, unknown>>

/** A key that not all recipes have alike: `optimizer.lr`, and what each has there; undefined where it has none. */
export interface RecipeDifference {
  readonly key: string
  readonly values: readonly unknown[]
}

/** Where a run lies says nothing of how it was made. */
const places = new Set(['output'])

/** The keys in which recipes differ, in the order in which they appear. */
export function recipeDifferences(recipes: readonly RunRecipe[]): RecipeDifference[] {
  const flat = recipes.map((recipe) => new Map(leaves(recipe)))
  const keys = [...new Set(flat.flatMap((each) => [...each.keys()]))].filter((key) => !places.has(key))
  return keys
    .map((key) => ({ key, values: flat.map((each) => each.get(key)) }))
    .filter(({ values }) => new Set(values.map((value) => JSON.stringify(value))).size > 1)
}

/** `[['optimizer.lr', 2e-4], …]`; lists are leaves. */
function leaves(value: unknown, path = ''): (readonly [key: string, value: unknown])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path, value]]
  return Object.entries(value).flatMap(([key, each]) => leaves(each, path === '' ? key : `${path}.${key}`))
}

const mostBytes = 1 << 20

/** recipe.yaml of a run's folder as it stands there, and when it was written (milliseconds since 1970); undefined where it is none. */
export async function readRunRecipe(folder: string): Promise<{ readonly recipe: RunRecipe; readonly changed: number } | undefined> {
  const file = await openPlain(runPaths(folder).recipe)
  if (file === undefined) return undefined
  try {
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > mostBytes) return undefined
    const recipe: unknown = parse(await file.readFile('utf8'))
    return typeof recipe === 'object' && recipe !== null && !Array.isArray(recipe) ? { recipe: recipe as RunRecipe, changed: stat.mtimeMs } : undefined
  } catch {
    // Whatever stands there is no recipe.
    return undefined
  } finally {
    await file.close()
  }
}
