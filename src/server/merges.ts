/** Adapters that are written into the weights of their base: one at a time, in a thread, under `<directory>/merged`. */
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../errors.ts'
import { codeOf, writeFileDurably } from '../files.ts'
import { resolveModel } from '../models/sources/source.ts'
import type { Adapter } from '../registry/adapters.ts'
import { ConflictError, NotFoundError } from '../registry/errors.ts'
import { folderName } from '../registry/names.ts'
import { siblingModule, WorkerClient } from '../runtime/worker.ts'
import type { ArchiveFile } from './archive.ts'
import type { MergeProgress, MergeRequest } from './merge-service.ts'

/** The types as they are written in files. */
const dtypes = { f32: 'F32', bf16: 'BF16', f16: 'F16' } as const

export interface MergeSettings {
  readonly format: 'safetensors' | 'gguf'
  /** undefined: as the base is stored. */
  readonly dtype: keyof typeof dtypes | undefined
}

/** What is noted of a merged model, in `NAME.json` beside it. */
interface Manifest extends MergeSettings {
  readonly adapter: string
  /** Of the adapter's weights. */
  readonly sha256: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

export interface Merge extends Manifest {
  /** Under `merged`: a directory's name, or that of a .gguf file. */
  readonly name: string
  readonly path: string
  readonly status: 'queued' | 'running' | 'succeeded' | 'failed'
  readonly progress: MergeProgress
  /** undefined: not written yet. */
  readonly bytes: number | undefined
  readonly error: string | undefined
}

/** A merged model has one place for each form of each adapter: a later merge takes that of the earlier one. */
export class Merges {
  readonly #directory: string
  readonly #modelRef: string
  /** What is not written yet, or failed. */
  readonly #tasks = new Map<string, Merge>()
  #last: Promise<unknown> = Promise.resolve()
  #worker: WorkerClient | undefined
  #closed = false

  /** @param modelRef what the base is loaded from */
  constructor({ directory, modelRef }: { readonly directory: string; readonly modelRef: string }) {
    this.#directory = join(directory, 'merged')
    this.#modelRef = modelRef
  }

  /**
   * Begins to merge, once what was asked for before is done.
   * @returns the task, and its end, which rejects where it fails
   * @throws ConflictError where this is under way
   */
  start(adapter: Adapter, settings: MergeSettings): { readonly merge: Merge; readonly done: Promise<Merge> } {
    const name = `${folderName(adapter.id)}${settings.format === 'gguf' ? '.gguf' : ''}`
    const before = this.#tasks.get(name)
    if (before !== undefined && before.status !== 'failed') throw new ConflictError(`${adapter.id} is being merged into ${name}: wait for its end`)
    const manifest: Manifest = { adapter: adapter.id, sha256: adapter.facts.sha256, ...settings, createdAt: Date.now() }
    const merge: Merge = {
      ...manifest, name, path: join(this.#directory, name), status: 'queued', progress: { done: 0, total: 0 }, bytes: undefined, error: undefined,
    }
    this.#tasks.set(name, merge)
    const done = this.#last.then(async () => this.#run(merge, manifest, adapter.directory))
    this.#last = done.catch((error: unknown) => { this.#change(name, { status: 'failed', error: messageOf(error) }) })
    return { merge, done }
  }

  /** All merged models and those under way, the newest first. */
  async list(): Promise<Merge[]> {
    const files = await readdir(this.#directory).catch(emptyWhereMissing)
    const names = files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length))
    const written = await Promise.all(names.filter((name) => !this.#tasks.has(name)).map(async (name) => this.#written(name)))
    return [...this.#tasks.values(), ...written.filter((merge) => merge !== undefined)].toSorted((a, b) => b.createdAt - a.createdAt)
  }

  /** @throws NotFoundError */
  async get(name: string): Promise<Merge> {
    const merge = this.#tasks.get(name) ?? await this.#written(name)
    if (merge === undefined) throw new NotFoundError(`There is no merged model ${name}`)
    return merge
  }

  /** The files of a merged model. @throws NotFoundError; ConflictError where it is not written yet */
  async files(name: string): Promise<ArchiveFile[]> {
    const { status, error, path, format } = await this.get(name)
    if (status !== 'succeeded') throw new ConflictError(error === undefined ? `${name} is not written yet` : `${name} was not written: ${error}`)
    if (format === 'gguf') return [{ name, path }]
    return (await readdir(path)).toSorted().map((file) => ({ name: `${name}/${file}`, path: join(path, file) }))
  }

  /** Deletes a merged model, or forgets that it failed. @throws NotFoundError; ConflictError while it is written */
  async remove(name: string): Promise<void> {
    const { status, path } = await this.get(name)
    if (status === 'queued' || status === 'running') throw new ConflictError(`${name} is being written: wait for its end`)
    this.#tasks.delete(name)
    await rm(`${path}.json`, { force: true })
    await rm(path, { recursive: true, force: true })
  }

  /** Ends what is under way; what was not finished is not there. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#worker?.close('the server is about to stop')
    await this.#last
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run({ name, path, format, dtype }: Merge, manifest: Manifest, adapter: string): Promise<Merge> {
    if (this.#closed) throw new Error('the server is about to stop')
    this.#change(name, { status: 'running' })
    const worker = this.#worker = new WorkerClient(siblingModule(import.meta, './merge-service'))
    try {
      const request: MergeRequest = {
        model: await resolveModel(this.#modelRef), adapter, output: path, format, ...(dtype !== undefined && { dtype: dtypes[dtype] }),
      }
      await worker.call('merge', request, (progress: MergeProgress) => { this.#change(name, { progress }) })
    } finally {
      await worker.close()
    }
    await writeFileDurably(`${path}.json`, `${JSON.stringify(manifest)}\n`)
    this.#tasks.delete(name)
    return this.get(name)
  }

  #change(name: string, changes: Partial<Merge>): void {
    const task = this.#tasks.get(name)
    if (task !== undefined) this.#tasks.set(name, { ...task, ...changes })
  }

  /** What was merged before, by its manifest; a name that could lead elsewhere is none. */
  async #written(name: string): Promise<Merge | undefined> {
    if (!/^[a-z0-9_-]+(\.gguf)?$/.test(name)) return undefined
    const path = join(this.#directory, name)
    try {
      const manifest = JSON.parse(await readFile(`${path}.json`, 'utf8')) as Manifest
      return { ...manifest, name, path, status: 'succeeded', progress: { done: 1, total: 1 }, bytes: await bytesOf(path), error: undefined }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }
}

async function bytesOf(path: string): Promise<number> {
  const facts = await stat(path)
  if (!facts.isDirectory()) return facts.size
  const sizes = await Promise.all((await readdir(path)).map(async (file) => (await stat(join(path, file))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

function emptyWhereMissing(error: unknown): string[] {
  if (codeOf(error) === 'ENOENT') return []
  throw error
}
