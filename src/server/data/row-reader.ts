import { resolveModel } from '../../models/sources/source.ts'
import { IdleWorker } from '../../runtime/idle-worker.ts'
import { siblingModule, WorkerClient } from '../../runtime/worker.ts'
import type { FileCheck, FilePage, FilePageRequest, FileRequest, FileRows, FileRowsRequest, Measured, ViewRequest, Viewed } from './row-service.ts'

/**
 * Rows as training sees them, by the served model's tokenizer and template; made in threads of their own, since a page may be
 * millions of characters. What takes long (a whole file) has another thread than what somebody waits for.
 */
export class RowReader implements AsyncDisposable {
  readonly #pages: IdleWorker
  readonly #statistics: IdleWorker

  /** @param modelRef what the model was loaded from */
  constructor(modelRef: string) {
    this.#pages = new IdleWorker(() => startWorker(modelRef))
    this.#statistics = new IdleWorker(() => startWorker(modelRef))
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

async function startWorker(modelRef: string): Promise<WorkerClient> {
  const worker = new WorkerClient(siblingModule(import.meta, './row-service'))
  await worker.call('open', await resolveModel(modelRef))
  return worker
}
