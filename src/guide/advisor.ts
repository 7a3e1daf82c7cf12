import { IdleWorker } from '../runtime/idle-worker.ts'
import { siblingModule, WorkerClient } from '../runtime/worker.ts'
import type { AdviceRequest, EstimateRequest, FullAdvice } from './gather.ts'
import type { RunEstimate } from './run-estimate.ts'

/** Advice and estimates by a thread of its own: reading and rendering rows would hold up the caller's. */
export class Advisor implements AsyncDisposable {
  readonly #worker = new IdleWorker(async () => new WorkerClient(siblingModule(import.meta, './service')))

  /** @throws UserError where a file or the model cannot be read */
  async advise(request: AdviceRequest): Promise<FullAdvice> {
    return this.#worker.call('advise', request)
  }

  /** @throws UserError where the recipe is wrong or its files cannot be read */
  async estimate(request: EstimateRequest): Promise<RunEstimate> {
    return this.#worker.call('estimate', request)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.close()
  }
}
