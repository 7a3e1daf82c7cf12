/** SQLite's connections, each in a thread of its own: one that writes, a few that read. */
import { WorkerClient, siblingModule } from '../runtime/worker.ts'
import { SqliteError, explainSqlite } from './errors.ts'
import type { Commit } from './group-commit.ts'
import type { OpenOptions, Outcome } from './sqlite-worker.ts'
import type { Statement, StatementResult } from './statement.ts'

/** A connection to a database file, in a thread of its own. */
export class SqliteThread {
  readonly #worker = new WorkerClient(siblingModule(import.meta, './sqlite-worker'))
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  static async open({ path, readOnly, busyMilliseconds }: OpenOptions): Promise<SqliteThread> {
    const thread = new SqliteThread(path)
    try {
      await thread.#call('open', { path, readOnly, busyMilliseconds } satisfies OpenOptions)
      return thread
    } catch (error) {
      await thread.#worker.close()
      throw error
    }
  }

  async execute(statement: Statement): Promise<StatementResult> {
    return await this.#call('execute', statement)
  }

  /** Undoes the transaction, if there is one. */
  async rollback(): Promise<void> {
    await this.#call('rollback', undefined)
  }

  readonly commit: Commit = async (writes) => {
    const outcomes = await this.#call<readonly Outcome<StatementResult[]>[]>('commit', writes)
    return outcomes.map((outcome) => 'value' in outcome
      ? { status: 'fulfilled', value: outcome.value }
      : { status: 'rejected', reason: new SqliteError(outcome.failure.message, outcome.failure.code) })
  }

  async close(): Promise<void> {
    await this.#worker.call('close', undefined)
    await this.#worker.close()
  }

  async #call<Result>(method: string, argument: unknown): Promise<Result> {
    const outcome = await this.#worker.call<Outcome<Result>>(method, argument)
    if ('value' in outcome) return outcome.value
    throw explainSqlite(this.#path, new SqliteError(outcome.failure.message, outcome.failure.code))
  }
}

/** Something that one at a time has, in the order in which they asked. */
export class Turns {
  #last = Promise.resolve()

  /** @returns what gives it back; more than once does no harm */
  async take(): Promise<() => void> {
    const before = this.#last
    let giveBack!: () => void
    this.#last = new Promise((resolve) => { giveBack = resolve })
    await before
    return giveBack
  }
}

/** Connections that read, opened when they are needed: a count over a million rows holds up one of them, and nothing else. */
export class Readers {
  readonly #options: Omit<OpenOptions, 'readOnly'>
  readonly #size: number
  readonly #idle: SqliteThread[] = []
  readonly #waiting: PromiseWithResolvers<SqliteThread>[] = []
  #opened = 0

  constructor(options: Omit<OpenOptions, 'readOnly'>, size: number) {
    this.#options = options
    this.#size = size
  }

  async take(): Promise<SqliteThread> {
    const idle = this.#idle.pop()
    if (idle !== undefined) return idle
    if (this.#opened < this.#size) return await this.#open()
    const waiting = Promise.withResolvers<SqliteThread>()
    this.#waiting.push(waiting)
    return await waiting.promise
  }

  giveBack(thread: SqliteThread): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#idle.push(thread)
    else next.resolve(thread)
  }

  async close(): Promise<void> {
    while (this.#opened > 0) {
      await (await this.take()).close()
      this.#opened--
    }
  }

  async #open(): Promise<SqliteThread> {
    this.#opened++
    try {
      return await SqliteThread.open({ ...this.#options, readOnly: true })
    } catch (error) {
      this.#opened--
      // Where no other will become free, no one is to wait for one.
      if (this.#opened === 0) for (const waiting of this.#waiting.splice(0)) waiting.reject(error)
      throw error
    }
  }
}
