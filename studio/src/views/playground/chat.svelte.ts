import { Answer, type Sampling } from './answer.svelte.ts'
import { messagesFor, type PastTurn } from './conversation.ts'
import { conversationOf, type RestoredTurn } from './restore.ts'
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
  /** Beginning of the conversations' ids in the store, one for each column. */
  readonly id: string
  turns = $state.raw<readonly Turn[]>([])
  #sampling: Sampling | undefined
  #stop = new AbortController()

  constructor(id = newId(), turns: readonly RestoredTurn[] = []) {
    this.id = id
    this.turns = turns.map((turn) => Turn.restored(turn))
  }

  get open(): boolean { return this.turns.some(({ open }) => open) }

  /** Asks all columns; resolves when all have answered, or failed. */
  async ask({ prompt, system, columns, sampling, blind }: Question): Promise<void> {
    const answers = columns.map(({ column, model }) => new Answer(column, model, messagesFor(column, system, this.turns.map(pastOf), prompt)))
    const turn = new Turn(prompt, answers, blind)
    this.turns = [...this.turns, turn]
    this.#sampling = sampling
    this.#stop = new AbortController()
    await Promise.all(answers.map((answer) => this.#ask(turn, answer)))
  }

  /** Asks again for an answer that failed or was stopped. */
  async again(answer: Answer): Promise<void> {
    if (this.#stop.signal.aborted) this.#stop = new AbortController()
    await this.#ask(this.turns.find(({ answers }) => answers.includes(answer))!, answer)
  }

  /** Ends all answers that are under way; the server frees their rows. */
  stop(): void {
    this.#stop.abort()
  }

  async #ask(turn: Turn, answer: Answer): Promise<void> {
    const metadata = {
      conversation_id: conversationOf(this.id, answer.column), via: 'playground', turn: String(this.turns.indexOf(turn)),
      ...(turn.blind && { blind: 'true' }),
    }
    await answer.ask(metadata, this.#sampling!, this.#stop.signal)
  }
}

/** Of letters alone: digits could be taken for somebody's telephone number, and be redacted. */
function newId(): string {
  const letters = Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => String.fromCharCode(97 + byte % 26))
  return `playground-${letters.join('')}`
}

function pastOf({ prompt, answers, chosen, shared }: Turn): PastTurn {
  return { prompt, answers: answers.map(({ column, text }) => ({ column, text })), chosen, shared }
}
