import type { InsertQueryBuilder, InsertResult, Updateable } from 'kysely'
import { newId, type NewRow, type Row, type Store, type Tables } from '../store/index.ts'

/** How long news of a job may wait to be written together, milliseconds. */
const patience = 250

export type JobChanges = Updateable<Tables['jobs']>

/** The query that tells something of a job. */
export function eventQuery(store: Store, jobId: string, level: Row<'job_events'>['level'], message: string, data?: object, type: Row<'job_events'>['type'] = 'message'): InsertQueryBuilder<Tables, 'job_events', InsertResult> {
  return store.db.insertInto('job_events').values(eventRow(jobId, level, message, data, type))
}

function eventRow(jobId: string, level: Row<'job_events'>['level'], message: string, data: object | undefined, type: Row<'job_events'>['type']): NewRow<'job_events'> {
  return {
    id: newId('ftevent-'), job_id: jobId, created_at: Date.now(), level, type, message, data_json: data === undefined ? null : JSON.stringify(data),
  }
}

/** What a running job tells, written in batches: a step of a small model takes less time than a commit. */
export class JobLog {
  readonly #store: Store
  readonly #jobId: string
  readonly #onFault: (error: unknown) => void
  #events: NewRow<'job_events'>[] = []
  #changes: JobChanges = {}
  #timer: NodeJS.Timeout | undefined
  #written: Promise<void> = Promise.resolve()

  constructor(store: Store, jobId: string, onFault: (error: unknown) => void) {
    this.#store = store
    this.#jobId = jobId
    this.#onFault = onFault
  }

  message(level: Row<'job_events'>['level'], text: string, data?: object): void {
    this.#add(eventRow(this.#jobId, level, text, data, 'message'))
  }

  metrics(text: string, data: object): void {
    this.#add(eventRow(this.#jobId, 'info', text, data, 'metrics'))
  }

  /** Changes columns of the job with the next batch. */
  set(changes: JobChanges): void {
    this.#changes = { ...this.#changes, ...changes }
  }

  #add(event: NewRow<'job_events'>): void {
    this.#events.push(event)
    this.#timer ??= setTimeout(() => { this.flush().catch(this.#onFault) }, patience)
  }

  /** Writes what is left. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const written = this.#written.catch(() => {}).then(() => this.#write())
    this.#written = written
    await written
  }

  async #write(): Promise<void> {
    const [events, changes] = [this.#events, this.#changes]
    this.#events = []
    this.#changes = {}
    const { db } = this.#store
    await this.#store.write(
      ...(events.length === 0 ? [] : [db.insertInto('job_events').values(events)]),
      ...(Object.keys(changes).length === 0 ? [] : [db.updateTable('jobs').set(changes).where('id', '=', this.#jobId)]),
    )
  }
}
