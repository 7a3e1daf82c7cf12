/** What a database must be able to do; SQLite and PostgreSQL each do it in their way. */
import { StoreError } from './errors.ts'
import type { GroupCommit } from './group-commit.ts'
import type { Statement, StatementResult } from './statement.ts'

export interface Database {
  readonly writes: GroupCommit
  /** One statement that changes nothing, beside whatever else goes on. */
  read(statement: Statement): Promise<StatementResult>
  /** A transaction that may write: one at a time, and no group commit meanwhile. */
  begin(): Promise<Session>
  /** A transaction that sees the database as it is now, whatever is written meanwhile. */
  beginReading(): Promise<Session>
  /** Finishes the writes that were begun. */
  close(): Promise<void>
}

/** A transaction under way. */
export interface Session {
  execute(statement: Statement): Promise<StatementResult>
  commit(): Promise<void>
  rollback(): Promise<void>
}

/**
 * A transaction that writes. Where a statement fails there is no going on, as PostgreSQL has it; and it is undone when no
 * statement has come for `idleMilliseconds`, since everyone else waits for its end.
 */
export class WritingSession implements Session {
  readonly #session: Session
  readonly #idleMilliseconds: number
  #idle: NodeJS.Timeout | undefined
  #expired = false
  #failure: unknown

  constructor(session: Session, idleMilliseconds: number) {
    this.#session = session
    this.#idleMilliseconds = idleMilliseconds
    this.#wait()
  }

  async execute(statement: Statement): Promise<StatementResult> {
    this.#proceed()
    try {
      return await this.#session.execute(statement)
    } catch (error) {
      this.#failure = error
      throw error
    } finally {
      this.#wait()
    }
  }

  async commit(): Promise<void> {
    this.#proceed()
    await this.#session.commit()
  }

  async rollback(): Promise<void> {
    clearTimeout(this.#idle)
    if (!this.#expired) await this.#session.rollback()
  }

  #wait(): void {
    this.#idle = setTimeout(() => {
      this.#expired = true
      // Whoever has the transaction is told at its next statement.
      this.#session.rollback().catch(() => undefined)
    }, this.#idleMilliseconds).unref()
  }

  #proceed(): void {
    clearTimeout(this.#idle)
    if (this.#failure !== undefined) throw new Error('This transaction is undone, because a statement of it has failed', { cause: this.#failure })
    if (!this.#expired) return
    throw new StoreError('This transaction was undone, because it did nothing for a long time while others waited. ' +
      'Does it wait for a write outside of itself?')
  }
}
