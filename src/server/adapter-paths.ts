import { realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { ApiError } from './errors.ts'

/** What makes a directory an adapter: none of it may lie elsewhere either. */
const files = ['adapter_config.json', 'adapter_model.safetensors']

/**
 * The real directory that a client's path names: under one of the roots, through no symbolic link that leads out of them.
 * @param path relative to a root, or absolute and under one
 * @throws ApiError 400 that says the same for what is elsewhere and for what is not there at all
 */
export async function resolveAdapterPath(path: string, roots: readonly string[]): Promise<string> {
  if (isSuspicious(path)) throw refused(path, 'it must be a plain path, without "..", "\\", "%" or control characters')
  for (const root of roots) {
    const real = await realUnder(root, isAbsolute(path) ? path : join(root, path))
    if (real !== undefined) return real
  }
  throw refused(path, 'there is no adapter of this path under the adapter roots; --adapter-root DIR permits another folder when the server starts')
}

function isSuspicious(path: string): boolean {
  return path === '' || path.length > 1000 || /[\\%\u0000-\u001f\u007f]/.test(path) || path.split('/').includes('..')
}

async function realUnder(root: string, path: string): Promise<string | undefined> {
  try {
    const realRoot = await realpath(root)
    const directory = await realpath(path)
    const parts = await Promise.all(files.map(async (file) => realpath(join(directory, file))))
    return [directory, ...parts].every((part) => isInside(realRoot, part)) ? directory : undefined
  } catch {
    return undefined
  }
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

function refused(path: string, why: string): ApiError {
  return new ApiError(400, `lora_path ${JSON.stringify(path.slice(0, 200))}: ${why}`, { param: 'lora_path', code: 'invalid_value' })
}
