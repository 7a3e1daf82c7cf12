import { siblingModule, WorkerClient } from '../../runtime/worker.ts'
import { startTimeLimit } from './time-limit.ts'

/** What ran into its time limit. */
export class TimeLimitError extends Error {
  constructor(milliseconds: number) {
    super(`took longer than ${milliseconds} ms`)
  }
}

/**
 * Work on other people's patterns, a call at a time, each ended at its time limit. A pattern such as (a+)+$ can keep a
 * thread busy for years, so it gets a thread that can be taken away; after any failure the next call starts another.
 */
export class TimedWorker {
  readonly #limit: number
  readonly #module: URL
  #client: Promise<WorkerClient> | undefined
  #last: Promise<unknown> = Promise.resolve()

  /**
   * @param limit milliseconds of one call, the start of the thread not counted
   * @param module what the thread serves, with a function `start` that does nothing
   */
  constructor(limit: number, module = siblingModule(import.meta, './timed-service')) {
    this.#limit = limit
    this.#module = module
  }

  /** Calls a function of the module. Throws TimeLimitError where it is not done in time. */
  call<Result>(method: string, argument: unknown): Promise<Result> {
    const result = this.#last.then(() => this.#call<Result>(method, argument))
    this.#last = result.catch(() => undefined)
    return result
  }

  async close(): Promise<void> {
    await (await this.#client)?.close()
  }

  async #call<Result>(method: string, argument: unknown): Promise<Result> {
    const client = await (this.#client ??= start(this.#module))
    const { promise: overrun, reject } = Promise.withResolvers<never>()
    const endLimit = startTimeLimit(this.#limit, () => { reject(new TimeLimitError(this.#limit)) })
    try {
      return await Promise.race([client.call<Result>(method, argument), overrun])
    } catch (error) {
      this.#client = undefined
      void client.close()
      throw error
    } finally {
      endLimit()
    }
  }
}

async function start(module: URL): Promise<WorkerClient> {
  const client = new WorkerClient(module)
  await client.call('start', undefined)
  return client
}
