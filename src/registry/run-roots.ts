/** Folders of runs that were not made by jobs: those below the roots that the operator names. */
import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { codeOf } from '../files.ts'
import { glanceAt } from '../train/run-glance.ts'
import { runPaths } from '../train/run-folder.ts'
import { readRunRecipe, type RunRecipe } from './run-recipes.ts'

export interface RootedRun {
  /** Says nothing of where it is: a request names a run that was found, never a path. */
  readonly id: string
  /** The path below its root, or the root's name where it is a run itself. */
  readonly name: string
  readonly path: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly recipe: RunRecipe
}

/** How deep below a root runs are looked for, and in how many folders. */
const deepest = 4
const mostFolders = 20_000
/** For how long what was found is taken to be all, milliseconds. */
const patience = 2000

export class RunRoots {
  readonly #roots: readonly string[]
  #found: ReadonlyMap<string, RootedRun> = new Map()
  #scan: Promise<void> | undefined
  #scannedAt = -Infinity
  /** What does not change while a recipe is the same, by the path of the run. */
  readonly #known = new Map<string, { readonly changed: number; readonly createdAt: number; readonly recipe: RunRecipe }>()

  constructor(roots: readonly string[]) {
    this.#roots = roots.map((root) => resolve(root))
  }

  /** The newest first. */
  async list(): Promise<readonly RootedRun[]> {
    if (this.#roots.length === 0) return []
    if (performance.now() - this.#scannedAt > patience) this.#scan ??= this.#look().finally(() => { this.#scan = undefined })
    await this.#scan
    return [...this.#found.values()]
  }

  /** undefined where there is none (any more). */
  async get(id: string): Promise<RootedRun | undefined> {
    await this.list()
    return this.#found.get(id)
  }

  async #look(): Promise<void> {
    const found = await Promise.all(this.#roots.map(async (root) => {
      const paths: string[] = []
      await collect(root, deepest, paths, { left: mostFolders })
      return Promise.all(paths.map((path) => this.#describe(root, path)))
    }))
    const runs = found.flat().filter((run) => run !== undefined)
    runs.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
    this.#found = new Map(runs.map((run) => [run.id, run]))
    this.#scannedAt = performance.now()
  }

  /** undefined: its recipe is gone, or none that can be read. */
  async #describe(root: string, path: string): Promise<RootedRun | undefined> {
    const known = await this.#facts(path)
    if (known === undefined) return undefined
    const name = relative(root, path).replaceAll('\\', '/')
    const id = `run-${createHash('sha256').update(`${root}\0${name}`).digest('hex').slice(0, 24)}`
    return { id, name: name === '' ? basename(path) : name, path, createdAt: known.createdAt, recipe: known.recipe }
  }

  /** A recipe is read again, and the run's beginning looked up, where it has changed. */
  async #facts(path: string) {
    const { mtimeMs } = await stat(runPaths(path).recipe).catch(() => ({ mtimeMs: NaN }))
    const before = this.#known.get(path)
    if (before?.changed === mtimeMs) return before
    const read = await readRunRecipe(path)
    if (read === undefined) return undefined
    const facts = { ...read, createdAt: (await glanceAt(path)).startedAt ?? read.changed }
    this.#known.set(path, facts)
    return facts
  }
}

/** Adds the folders of runs at or below `path`. Links are not followed: what they point to may lie anywhere. */
async function collect(path: string, depth: number, found: string[], budget: { left: number }): Promise<void> {
  budget.left -= 1
  if (budget.left < 0) return
  const entries = await entriesOf(path)
  if (entries.some((entry) => entry.name === 'recipe.yaml' && entry.isFile()) && entries.some((entry) => entry.name === 'events.jsonl' && entry.isFile())) {
    found.push(path)
    return
  }
  if (depth === 0) return
  for (const entry of entries) {
    if (entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules') await collect(join(path, entry.name), depth - 1, found, budget)
  }
}

async function entriesOf(path: string) {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error) ?? '')) return []
    throw error
  }
}
