import { siblingModule, WorkerClient } from '../runtime/worker.ts'
import type { AdviceRequest, EstimateRequest, FullAdvice } from './gather.ts'
import type { RunEstimate } from './run-estimate.ts'

/** Advice and estimates by a thread of its own, started when it is first asked. */
export class Advisor {
  #worker: WorkerClient | undefined

  /** @throws UserError where a file or the model cannot be read */
  async advise(request: AdviceRequest): Promise<FullAdvice> {
    return this.#thread().call('advise', request)
  }

  /** @throws UserError where the recipe is wrong or its files cannot be read */
  async estimate(request: EstimateRequest): Promise<RunEstimate> {
    return this.#thread().call('estimate', request)
  }

  async close(): Promise<void> {
    await this.#worker?.close()
  }

  #thread(): WorkerClient {
    return this.#worker ??= new WorkerClient(siblingModule(import.meta, './service'))
  }
}
