/** Calls that tell a team's own server what became of a job: owed durably, signed, tried again until they are taken. */
import { createHmac } from 'node:crypto'
import { z } from 'zod'
import type { InsertQueryBuilder, InsertResult } from 'kysely'
import { messageOf } from '../errors.ts'
import { newId, type Row, type Store, type Tables } from '../store/index.ts'
import { safeFetch, type Resolve } from './addresses.ts'

/** Where to call, and what to sign with: `whsec_` and base64, or any text. */
export const Webhook = z.strictObject({ url: z.string().min(1).max(2000), secret: z.string().min(1).max(500).optional() })
export type Webhook = z.infer<typeof Webhook>

export type WebhookEvent = 'fine_tuning.job.succeeded' | 'fine_tuning.job.failed' | 'fine_tuning.job.cancelled'

export interface WebhookOptions {
  /** The operator's own, told of every job; its address is free. */
  readonly operator?: Webhook | undefined
  /** Places that webhooks of requests may be at besides the public internet: addresses.ts. */
  readonly allow?: readonly string[] | undefined
  readonly resolve?: Resolve | undefined
  /** Milliseconds before the second attempt; 5,000 unless given. */
  readonly firstDelay?: number | undefined
  readonly onFault?: ((error: unknown) => void) | undefined
}

/** How often a call is tried; the waits between grow fourfold, to about a day in all. */
const mostAttempts = 9

export class Webhooks {
  readonly #store: Store
  readonly #options: WebhookOptions
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> = Promise.resolve()
  #closed = false

  constructor(store: Store, options: WebhookOptions = {}) {
    this.#store = store
    this.#options = options
  }

  /** The queries that make calls owed, to be written with what they tell of; then `wake`. */
  owe(event: WebhookEvent, job: Pick<Row<'jobs'>, 'id' | 'request_json'>): InsertQueryBuilder<Tables, 'webhooks', InsertResult>[] {
    const hooks = [this.#options.operator, webhookOf(job)].filter((hook) => hook !== undefined)
    return hooks.map(({ url }) => {
      const now = Date.now()
      const id = newId('evt_')
      const payload = { object: 'event', id, type: event, created_at: Math.floor(now / 1000), data: { id: job.id } }
      return this.#store.db.insertInto('webhooks').values({
        id, job_id: job.id, created_at: now, url, payload_json: JSON.stringify(payload), attempts: 0, next_attempt_at: now, delivered_at: null, error: null,
      })
    })
  }

  /** Makes the calls that are due, and sees to those that will be. */
  wake(): void {
    this.#turn = this.#turn.then(() => this.#deliverDue()).catch((error: unknown) => { this.#options.onFault?.(error) })
  }

  /** Ends when the calls under way have. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#turn
  }

  async #deliverDue(): Promise<void> {
    if (this.#closed) return
    clearTimeout(this.#timer)
    const open = this.#store.db.selectFrom('webhooks').where('delivered_at', 'is', null).where('attempts', '<', mostAttempts)
    const due = await open.selectAll().where('next_attempt_at', '<=', Date.now()).orderBy('next_attempt_at').limit(16).execute()
    await Promise.all(due.map((call) => this.#attempt(call)))
    const next = await open.select('next_attempt_at').orderBy('next_attempt_at').executeTakeFirst()
    if (next === undefined) return
    this.#timer = setTimeout(() => { this.wake() }, Math.max(0, next.next_attempt_at - Date.now()))
    this.#timer.unref()
  }

  async #attempt(call: Row<'webhooks'>): Promise<void> {
    const error = await this.#post(call)
    const attempts = call.attempts + 1
    const next = Date.now() + (this.#options.firstDelay ?? 5_000) * 4 ** (attempts - 1)
    await this.#store.write(this.#store.db.updateTable('webhooks').where('id', '=', call.id).set(
      error === undefined ? { attempts, delivered_at: Date.now(), error: null } : { attempts, next_attempt_at: next, error },
    ))
  }

  /** @returns what went wrong; undefined: the call was taken */
  async #post({ id, url, payload_json: body, job_id }: Row<'webhooks'>): Promise<string | undefined> {
    const { operator, allow = [], resolve } = this.#options
    const isOperators = url === operator?.url
    const secret = isOperators ? operator.secret : await this.#secretOf(job_id)
    try {
      const status = await safeFetch(url, {
        body, headers: signedHeaders(id, body, secret), allow: isOperators ? [...allow, new URL(url).host] : allow, resolve,
      })
      return status >= 200 && status < 300 ? undefined : `it answered with status ${status}`
    } catch (error) {
      return messageOf(error)
    }
  }

  async #secretOf(jobId: string): Promise<string | undefined> {
    const job = await this.#store.db.selectFrom('jobs').select(['id', 'request_json']).where('id', '=', jobId).executeTakeFirst()
    return job === undefined ? undefined : webhookOf(job)?.secret
  }
}

/** The webhook that a job's request names. */
function webhookOf({ request_json }: Pick<Row<'jobs'>, 'request_json'>): Webhook | undefined {
  return z.object({ posttrain: z.object({ webhook: Webhook }) }).safeParse(JSON.parse(request_json)).data?.posttrain.webhook
}

/** Standard Webhooks: `v1,` and the HMAC-SHA256 of id, time and body, as OpenAI's client checks it. */
export function signedHeaders(id: string, body: string, secret: string | undefined, now = Date.now()): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000))
  const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), 'webhook-id': id, 'webhook-timestamp': timestamp }
  if (secret === undefined) return headers
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret)
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { ...headers, 'webhook-signature': `v1,${signature}` }
}
