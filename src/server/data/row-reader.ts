import { UserError } from '../../errors.ts'
import { resolveModel } from '../../models/sources/source.ts'
import { siblingModule, WorkerClient } from '../../runtime/worker.ts'
import type { FileCheck, FilePage, FilePageRequest, FileRequest, FileRows, FileRowsRequest, Measured, ViewRequest, Viewed } from './row-service.ts'

/**
 * Rows as training sees them, by the served model's tokenizer and template; made in threads of their own, since a page may be
 * millions of characters. What takes long (a whole file) has another thread than what somebody waits for.
 */
export class RowReader implements AsyncDisposable {
  readonly #pages: Aside
  readonly #statistics: Aside

  /** @param modelRef what the model was loaded from */
  constructor(modelRef: string) {
    this.#pages = new Aside(modelRef)
    this.#statistics = new Aside(modelRef)
  }

  async view(request: ViewRequest): Promise<Viewed[]> {
    return this.#pages.call('view', request)
  }

  /** @param request its rows as JSON */
  async measure(request: ViewRequest): Promise<Measured> {
    return this.#statistics.call('measure', request)
  }

  /** @throws UserError where the file cannot be read */
  async filePage(request: FilePageRequest): Promise<FilePage> {
    return this.#pages.call('filePage', request)
  }

  /** @throws UserError where the file cannot be read */
  async fileRows(request: FileRowsRequest): Promise<FileRows> {
    return this.#statistics.call('fileRows', request)
  }

  /** @throws UserError where the file cannot be read */
  async checkFile(request: FileRequest): Promise<FileCheck> {
    return this.#statistics.call('checkFile', request)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#pages.close(), this.#statistics.close()])
  }
}

/** Without work for so long, a thread gives its memory back. */
const idleMilliseconds = 60_000

/** A worker that is started when it is needed. */
class Aside {
  readonly #modelRef: string
  #worker: Promise<WorkerClient> | undefined
  #calls = 0
  #idle: NodeJS.Timeout | undefined

  constructor(modelRef: string) {
    this.#modelRef = modelRef
  }

  async call<Result>(method: string, argument: unknown): Promise<Result> {
    clearTimeout(this.#idle)
    this.#calls++
    this.#worker ??= startWorker(this.#modelRef)
    try {
      return await (await this.#worker).call<Result>(method, argument)
    } catch (error) {
      // One that has ended (a file too large for its memory) answers no more: the next call has another.
      if (!(error instanceof UserError)) await this.close()
      throw error
    } finally {
      if (--this.#calls === 0) this.#idle = setTimeout(() => { void this.close() }, idleMilliseconds).unref()
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const worker = this.#worker
    this.#worker = undefined
    await worker?.then((client) => client.close(), () => undefined)
  }
}

async function startWorker(modelRef: string): Promise<WorkerClient> {
  const worker = new WorkerClient(siblingModule(import.meta, './row-service'))
  await worker.call('open', await resolveModel(modelRef))
  return worker
}
