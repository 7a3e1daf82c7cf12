import { UserError } from '../errors.ts'
import type { WorkerClient } from './worker.ts'

/** Without work for so long, a thread gives its memory back. */
const idleMilliseconds = 60_000

/** A worker that is there while it is needed: started by a call, ended after a while without one. */
export class IdleWorker {
  readonly #start: () => Promise<WorkerClient>
  #worker: Promise<WorkerClient> | undefined
  #calls = 0
  #idle: NodeJS.Timeout | undefined

  constructor(start: () => Promise<WorkerClient>) {
    this.#start = start
  }

  /** As WorkerClient's. */
  async call<Result>(method: string, argument: unknown): Promise<Result> {
    clearTimeout(this.#idle)
    this.#calls++
    this.#worker ??= this.#start()
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
