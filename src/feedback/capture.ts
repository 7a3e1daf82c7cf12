import { messageOf } from '../errors.ts'
import type { Store } from '../store/index.ts'
import { completionRows, insertCompletion, type AnsweredRequest } from './record.ts'
import { Redactor, type RedactionOptions } from './redact.ts'

export interface CaptureOptions {
  /** false: nothing is stored, whatever requests ask for. On unless given. */
  readonly enabled?: boolean | undefined
  /** After how many days a completion and what was said of it are forgotten; never unless given. */
  readonly retentionDays?: number | undefined
  readonly redaction?: RedactionOptions | undefined
  /** Hears of what could not be stored. */
  readonly log?: ((message: string) => void) | undefined
}

/** Records that wait for the store, beyond which no more are taken: a store that hangs must not take the memory. */
const mostWaiting = 10_000

/** Stores what was asked and answered, redacted; never at the cost of an answer. */
export class Capture {
  readonly redactor: Redactor
  readonly retentionDays: number | undefined
  /** Since the start. */
  readonly counts = { recorded: 0, failed: 0 }
  readonly #store: Store
  readonly #enabled: boolean
  readonly #log: (message: string) => void
  #waiting = 0

  constructor(store: Store, { enabled = true, retentionDays, redaction, log = () => undefined }: CaptureOptions = {}) {
    this.redactor = new Redactor(redaction)
    this.retentionDays = retentionDays
    this.#store = store
    this.#enabled = enabled
    this.#log = log
  }

  /** Whether a request is recorded: by OpenAI's `store`, of which `false` opts out. */
  wants(store: boolean | null | undefined): boolean {
    return this.#enabled && store !== false
  }

  /** Stores a completion. Resolves once it is durable, or could not be stored: then that is logged and counted; it never rejects. */
  async record(answered: AnsweredRequest): Promise<void> {
    try {
      if (this.#waiting >= mostWaiting) throw new Error(`${mostWaiting} completions wait for the store`)
      this.#waiting++
      try {
        await this.#store.write(...insertCompletion(this.#store, await completionRows(answered, this.redactor, this.retentionDays)))
      } finally {
        this.#waiting--
      }
      this.counts.recorded++
    } catch (error) {
      this.counts.failed++
      this.#log(`completion ${answered.id} was not stored: ${messageOf(error)}`)
    }
  }

  async close(): Promise<void> {
    await this.redactor.close()
  }
}
