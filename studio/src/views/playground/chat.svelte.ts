import { Answer, type Sampling } from './answer.svelte.ts'
import { messagesFor, shuffled, type PastTurn } from './conversation.ts'
import { Turn } from './turn.svelte.ts'

export interface Column {
  readonly column: number
  readonly model: string
}

export interface Question {
  readonly prompt: string
  readonly system: string
  readonly columns: readonly Column[]
  readonly sampling: Sampling
  /** Whether names are hidden, and the places shuffled. */
  readonly blind: boolean
}

/** One conversation with several models side by side. */
export class Chat {
  /** Part of the conversations' ids in the store, one for each column. */
  readonly id = crypto.randomUUID().slice(0, 8)
  turns = $state.raw<readonly Turn[]>([])
  #sampling: Sampling | undefined
  #stop = new AbortController()

  get open(): boolean { return this.turns.at(-1)?.open ?? false }

  /** Asks all columns; resolves when all have answered, or failed. */
  async ask({ prompt, system, columns, sampling, blind }: Question): Promise<void> {
    const answers = columns.map(({ column, model }) => new Answer(column, model, messagesFor(column, system, this.turns.map(pastOf), prompt)))
    const places = answers.map((_, i) => i)
    this.turns = [...this.turns, new Turn(prompt, answers, blind ? shuffled(answers.length) : places, blind)]
    this.#sampling = sampling
    this.#stop = new AbortController()
    await Promise.all(answers.map((answer) => this.#ask(answer)))
  }

  /** Asks again for an answer that failed or was stopped. */
  async again(answer: Answer): Promise<void> {
    if (this.#stop.signal.aborted) this.#stop = new AbortController()
    await this.#ask(answer)
  }

  /** Ends all answers that are under way; the server frees their rows. */
  stop(): void {
    this.#stop.abort()
  }

  async #ask(answer: Answer): Promise<void> {
    await answer.ask(`playground-${this.id}-${answer.column}`, this.#sampling!, this.#stop.signal)
  }
}

function pastOf({ prompt, answers, chosen, shared }: Turn): PastTurn {
  return { prompt, answers: answers.map(({ column, text }) => ({ column, text })), chosen, shared }
}
