/** How long a user waits for words, alone and while a job trains. */
import { setTimeout } from 'node:timers/promises'
import type { Client } from './client.ts'
import type { Complaint } from './desk.ts'

/** Milliseconds. */
export interface Latency {
  readonly requests: number
  readonly first_token_ms: Spread
  readonly between_tokens_ms: Spread
}

export interface Spread {
  readonly median: number
  readonly p95: number
}

/** Measurements of streamed requests, one at a time. */
export class LatencyProbe {
  readonly #client: Client
  readonly #model: string
  readonly #complaints: readonly Complaint[]
  #requests = 0

  constructor(client: Client, model: string, complaints: readonly Complaint[]) {
    this.#client = client
    this.#model = model
    this.#complaints = complaints
  }

  async measure(requests: number): Promise<Latency> {
    const clocks = new Clocks()
    for (let i = 0; i < requests; i++) await this.#request(clocks)
    return clocks.latency()
  }

  /** Asks now and then until `work` is over. @param pause milliseconds between requests */
  async measureDuring(work: Promise<unknown>, pause: number): Promise<Latency> {
    const over = new AbortController()
    const end = (): void => { over.abort() }
    work.then(end, end)
    const clocks = new Clocks()
    while (!over.signal.aborted) {
      await this.#request(clocks)
      await setTimeout(pause, undefined, { signal: over.signal }).catch(() => undefined)
    }
    return clocks.latency()
  }

  async #request(clocks: Clocks): Promise<void> {
    // Another complaint each time: what the server has read before it need not read again.
    const { messages } = this.#complaints[this.#requests % this.#complaints.length]!
    const seed = this.#requests++
    const start = performance.now()
    const stream = await this.#client.stream({ model: this.#model, messages, max_completion_tokens: 32, seed, store: false })
    let last: number | undefined
    for await (const { choices: [choice] } of stream) {
      if (choice?.delta.content === undefined || choice.delta.content === '') continue
      const now = performance.now()
      if (last === undefined) clocks.first.push(now - start)
      else clocks.between.push(now - last)
      last = now
    }
    clocks.requests++
  }
}

class Clocks {
  requests = 0
  readonly first: number[] = []
  readonly between: number[] = []

  latency(): Latency {
    return { requests: this.requests, first_token_ms: spread(this.first), between_tokens_ms: spread(this.between) }
  }
}

/** NaN of none. */
function spread(values: readonly number[]): Spread {
  const ascending = values.toSorted((a, b) => a - b)
  const at = (share: number): number => ascending[Math.min(ascending.length - 1, Math.floor(share * ascending.length))] ?? NaN
  return { median: at(0.5), p95: at(0.95) }
}
