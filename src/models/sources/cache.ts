import { existsSync, readdirSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { UserError, nearest } from '../../errors.ts'

/** Where downloads and prepared weights are kept: $POSTTRAIN_CACHE, or posttrain in $XDG_CACHE_HOME or ~/.cache. */
export function cacheDirectory(): string {
  const { POSTTRAIN_CACHE: own, XDG_CACHE_HOME: shared } = process.env
  if (own) return resolve(own)
  return join(shared ? resolve(shared) : join(homedir(), '.cache'), 'posttrain')
}

/** A model in the cache. */
export interface CachedModel {
  /** What resolveModel takes: a hub id or `package:NAME`. */
  readonly ref: string
  /** The directory or .gguf file. */
  readonly path: string
  readonly bytes: number
}

/** The directory in which a fetched model of this name is kept. */
export function cachedModelDirectory(source: 'hub' | 'package', name: string): string {
  return join(cacheDirectory(), 'models', source, encodeURIComponent(name))
}

/** The models in the cache, by name. */
export function listModels(): CachedModel[] {
  const models = (['hub', 'package'] as const).flatMap((source) => {
    const parent = join(cacheDirectory(), 'models', source)
    const names = existsSync(parent) ? readdirSync(parent).filter(name => !name.startsWith('.')) : []
    return names.map((name) => {
      const directory = join(parent, name)
      const ref = source === 'hub' ? decodeURIComponent(name) : `package:${name}`
      return { ref, path: modelIn(directory), bytes: sizeOf(directory) }
    })
  })
  return models.sort((a, b) => (a.ref < b.ref ? -1 : 1))
}

/** Deletes a model from the cache. Throws a UserError if it is not there. */
export async function removeModel(ref: string): Promise<CachedModel> {
  const models = listModels()
  const model = models.find(model => model.ref === ref)
  if (model === undefined) {
    const near = nearest(ref, models.map(model => model.ref))
    throw new UserError(`"${ref}" is not in the cache (${cacheDirectory()})` +
      (near === undefined ? '' : `; did you mean "${near}"?`))
  }
  const isPackage = ref.startsWith('package:')
  const directory = cachedModelDirectory(isPackage ? 'package' : 'hub', isPackage ? ref.slice('package:'.length) : ref)
  await rm(directory, { recursive: true, force: true })
  return model
}

/** What openModel takes: the .gguf file in a cached directory, if it holds one, else the directory. */
export function modelIn(directory: string): string {
  const gguf = readdirSync(directory).find(name => name.endsWith('.gguf'))
  return gguf === undefined ? directory : join(directory, gguf)
}

function sizeOf(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
}
