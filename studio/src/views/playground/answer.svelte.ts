import { CallError } from '../../api/client.ts'
import { streamCall } from '../../api/stream.ts'
import type { Message } from './conversation.ts'
import type { RestoredAnswer } from './restore.ts'

export interface Sampling {
  readonly temperature: number | undefined
  readonly max_tokens: number | undefined
  readonly seed: number | undefined
}

/** What was said of an answer, and the feedback's id. */
export interface Given<Value> {
  readonly id: string
  readonly value: Value
}

interface Chunk {
  readonly id: string
  readonly model: string
  readonly choices: readonly { readonly delta: { readonly content?: string | null }; readonly finish_reason: string | null }[]
  readonly usage: { readonly completion_tokens: number } | null
}

/** One model's answer in one turn, as it comes, and what was said of it. */
export class Answer {
  readonly column: number
  /** The name that was asked for. */
  readonly model: string
  readonly messages: readonly Message[]
  status = $state<'waiting' | 'streaming' | 'done' | 'stopped' | 'failed'>('waiting')
  /** The completion's. */
  id = $state<string>()
  /** What answered: behind an alias, the adapter. */
  answeredBy = $state<string>()
  text = $state('')
  error = $state.raw<CallError>()
  finish = $state<string | null>(null)
  /** Milliseconds from the question to the first text. */
  firstToken = $state<number>()
  tokens = $state<number>()
  /** Tokens per second after the first. */
  speed = $state<number>()
  thumbs = $state.raw<Given<boolean>>()
  correction = $state.raw<Given<string>>()
  comments = $state.raw<readonly Given<string>[]>([])

  constructor(column: number, model: string, messages: readonly Message[]) {
    this.column = column
    this.model = model
    this.messages = messages
  }

  /** An answer as the store has it. */
  static restored({ column, model, messages, ...stored }: RestoredAnswer): Answer {
    return Object.assign(new Answer(column, model, messages), { ...stored, status: 'done' })
  }

  get open(): boolean { return this.status === 'waiting' || this.status === 'streaming' }

  /** Asks, and takes the answer in as it comes. Never rejects. @param metadata with `conversation_id`, which joins the turns in the store */
  async ask(metadata: Readonly<Record<string, string>>, sampling: Sampling, signal: AbortSignal): Promise<void> {
    Object.assign(this, {
      status: 'waiting', id: undefined, text: '', error: undefined, finish: null, firstToken: undefined, tokens: undefined, speed: undefined,
    })
    const body = {
      model: this.model, messages: this.messages, ...sampling, stream: true, stream_options: { include_usage: true }, store: true, metadata,
    }
    try {
      await this.#read(streamCall<Chunk>('/v1/chat/completions', { body, signal }))
      this.status = 'done'
    } catch (error) {
      this.error = error instanceof CallError ? error : undefined
      this.status = signal.aborted ? 'stopped' : 'failed'
      if (this.error === undefined && !signal.aborted) this.error = new CallError(0, 'The answer broke off: the server went away.')
    }
  }

  async #read(chunks: AsyncIterable<Chunk>): Promise<void> {
    const asked = performance.now()
    let last = asked
    for await (const { id, model, choices: [choice], usage } of chunks) {
      this.id = id
      this.answeredBy = model
      this.status = 'streaming'
      if (choice?.finish_reason != null) this.finish = choice.finish_reason
      const piece = choice?.delta.content ?? ''
      if (piece !== '') {
        last = performance.now()
        this.firstToken ??= last - asked
        this.text += piece
      }
      if (usage != null) this.#measure(usage.completion_tokens, last - asked)
    }
  }

  /** @param time milliseconds from the question to the last text */
  #measure(tokens: number, time: number): void {
    this.tokens = tokens
    const decoding = (time - (this.firstToken ?? time)) / 1000
    // Of a word or two, the clock of a browser tells nothing.
    if (tokens > 4 && decoding > 0.02) this.speed = (tokens - 1) / decoding
  }
}
