/** Why a stream ended before its time. */
export class ClientGone extends Error {
  override readonly name = 'AbortError'
}

export interface EventStreamOptions {
  /** How long a reader may leave what is written for it, in milliseconds; 30 s unless given. */
  readonly stallTime?: number | undefined
  /** Most bytes that wait for the reader; 1 MB unless given. */
  readonly maxPending?: number | undefined
  /** Hears once that nobody reads any more: the client went away, or is to be cut off as too slow. */
  onGone(reason: ClientGone): void
}

/**
 * A response body of server-sent events. The model does not wait for a slow reader: what it writes is kept, within bounds
 * of size and time, and beyond them the reader is cut off.
 */
export class EventStream {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly #options: EventStreamOptions
  readonly #encoder = new TextEncoder()
  #pending = ''
  #ended = false
  #gone = false
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>
  /** Set while the reader waits for more. */
  #resume: (() => void) | undefined
  #stall: NodeJS.Timeout | undefined

  constructor(options: EventStreamOptions) {
    this.#options = options
    this.body = new ReadableStream({
      start: (controller) => { this.#controller = controller },
      pull: () => this.#pull(),
      cancel: () => { this.#leave('the client went away') },
    }, { highWaterMark: 0 })
  }

  /** Writes an event with a value as JSON. */
  send(value: unknown): void {
    this.#write(`data: ${JSON.stringify(value)}\n\n`)
  }

  /** Ends the stream once it is read, with OpenAI's last line. */
  end(): void {
    this.#write('data: [DONE]\n\n')
    this.#finish()
  }

  /** Ends the stream with an error once it is read, without the last line: it is incomplete. */
  fail(error: unknown): void {
    this.send(error)
    this.#finish()
  }

  #finish(): void {
    if (this.#ended || this.#gone) return
    this.#ended = true
    if (this.#pending === '') this.#controller.close()
  }

  #write(text: string): void {
    if (this.#gone || this.#ended) return
    this.#pending += text
    if (this.#pending.length > (this.#options.maxPending ?? 1_000_000)) this.#cutOff('the client reads too slowly')
    else if (this.#resume !== undefined) this.#flush()
    else this.#stall ??= setTimeout(() => { this.#cutOff('the client stopped reading') }, this.#options.stallTime ?? 30_000)
  }

  async #pull(): Promise<void> {
    if (this.#pending !== '') {
      this.#flush()
      return
    }
    await new Promise<void>((resolve) => { this.#resume = resolve })
  }

  #flush(): void {
    clearTimeout(this.#stall)
    this.#stall = undefined
    this.#controller.enqueue(this.#encoder.encode(this.#pending))
    this.#pending = ''
    if (this.#ended) this.#controller.close()
    this.#resume?.()
    this.#resume = undefined
  }

  #cutOff(why: string): void {
    this.#controller.close()
    this.#leave(why)
  }

  #leave(why: string): void {
    if (this.#gone) return
    this.#gone = true
    clearTimeout(this.#stall)
    this.#pending = ''
    this.#resume?.()
    this.#options.onGone(new ClientGone(why))
  }
}
