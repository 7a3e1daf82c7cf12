import { createHash } from 'node:crypto'
import type { Completion } from '../../generate/completion.ts'
import type { LiveModel, LiveRequest, LiveToken } from '../../generate/live-model.ts'
import type { AdapterRegistry, Resolved } from '../../registry/adapters.ts'
import { ApiError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { PromptEncoder } from './prompt-encoder.ts'
import { TokenTexts } from './token-texts.ts'

/** What answers a request. */
export interface Target extends Resolved {
  /** What the client asked for. */
  readonly asked: string
  /** The adapter's id, or the base's name. */
  readonly name: string
  /** Changes with anything that changes the answers of a seed. */
  readonly fingerprint: string
}

export interface InferenceLimits {
  /** Most answers that are computed or wait at once; who comes then is told to come again. */
  readonly maxAnswers: number
  /** How long the reader of a stream may pause, in milliseconds; 30 s unless given. */
  readonly stallTime?: number | undefined
}

interface RunOptions {
  /** Hears of each token, and of the request's place in the list. */
  readonly onToken?: ((request: number, token: LiveToken) => void) | undefined
  readonly signal: AbortSignal
}

/** The way of all completions to the model: names, the queue's bound, measurements, and the end when the server stops. */
export class Inference {
  readonly model: LiveModel
  readonly encoder: PromptEncoder
  readonly texts: TokenTexts
  readonly limits: InferenceLimits
  readonly #adapters: AdapterRegistry
  readonly #metrics: Metrics
  readonly #stop = new AbortController()
  /** What the server waits for; these never reject. */
  readonly #running = new Set<Promise<unknown>>()
  #answers = 0
  #draining = false

  constructor(model: LiveModel, encoder: PromptEncoder, adapters: AdapterRegistry, metrics: Metrics, limits: InferenceLimits) {
    this.model = model
    this.encoder = encoder
    this.texts = new TokenTexts(model)
    this.#adapters = adapters
    this.#metrics = metrics
    this.limits = limits
  }

  /** @throws ApiError 404 where there is nothing of this name */
  target(asked: string): Target {
    const resolved = this.#adapters.resolve(asked)
    if (resolved === undefined) {
      throw new ApiError(404, `The model ${JSON.stringify(asked.slice(0, 200))} does not exist; GET /v1/models lists those that do`, {
        param: 'model', code: 'model_not_found',
      })
    }
    const name = resolved.adapterId ?? this.#adapters.base
    const identity = `${this.#adapters.base} ${resolved.adapter?.id ?? ''}`
    return { ...resolved, asked, name, fingerprint: `fp_${createHash('sha256').update(identity).digest('hex').slice(0, 12)}` }
  }

  /**
   * Completes the requests side by side. Where one fails or the signal aborts, all of them end.
   * @returns for each request its completions
   * @throws ApiError 429 where too many wait already, 503 where the server is about to stop
   */
  async run(requests: readonly LiveRequest[], { onToken, signal }: RunOptions): Promise<Completion[][]> {
    const answers = requests.reduce((sum, { samples = 1 }) => sum + samples, 0)
    this.#admit(answers)
    this.#answers += answers
    try {
      return await this.track(this.#generate(requests, onToken, signal))
    } finally {
      this.#answers -= answers
    }
  }

  /** Work that the server waits for before it stops; whoever started it hears of its failure. */
  track<Result>(work: Promise<Result>): Promise<Result> {
    const settled = work.catch(() => undefined).finally(() => { this.#running.delete(settled) })
    this.#running.add(settled)
    return work
  }

  /** Whether the server is about to stop. */
  get draining(): boolean {
    return this.#draining
  }

  /** Takes no more requests, lets those that run end within the time, and cuts off the rest. @param grace milliseconds */
  async drain(grace: number): Promise<void> {
    this.#draining = true
    const timer = setTimeout(() => { this.#stop.abort(stopping()) }, grace)
    while (this.#running.size > 0) await Promise.all(this.#running)
    clearTimeout(timer)
  }

  #admit(answers: number): void {
    if (this.#draining) throw stopping()
    if (this.#answers + answers <= this.limits.maxAnswers || this.#answers === 0) return
    throw new ApiError(429, `${this.#answers} answers are under way or wait, of ${this.limits.maxAnswers} that may: try again later`, {
      code: 'queue_full', headers: { 'retry-after': '1' },
    })
  }

  async #generate(requests: readonly LiveRequest[], onToken: RunOptions['onToken'], signal: AbortSignal): Promise<Completion[][]> {
    const failure = new AbortController()
    const together = AbortSignal.any([signal, this.#stop.signal, failure.signal])
    return Promise.all(requests.map(async (request, index) => {
      const clock = this.#metrics.answering()
      try {
        return await this.model.generate(request, (token) => {
          clock.token(token.sample)
          onToken?.(index, token)
        }, together)
      } catch (error) {
        failure.abort(error)
        throw error
      }
    }))
  }
}

function stopping(): ApiError {
  return new ApiError(503, 'The server is about to stop', { code: 'server_stopping', headers: { 'retry-after': '5' } })
}
