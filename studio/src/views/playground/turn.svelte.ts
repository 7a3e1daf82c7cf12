import { Answer } from './answer.svelte.ts'
import { planChoice, type GivenPair } from './choices.ts'
import { sameQuestion, shuffled } from './conversation.ts'
import { say, takeBack } from './feedback.ts'
import type { RestoredTurn } from './restore.ts'

/** A question, and the answers side by side. */
export class Turn {
  readonly prompt: string
  readonly answers: readonly Answer[]
  /** The answers' places, from the left. */
  readonly order: readonly number[]
  /** Whether the models' names are hidden until one is chosen. */
  readonly blind: boolean
  /** The column of the better answer. */
  chosen = $state<number>()
  /** Whether all models go on with it. */
  shared = $state(false)
  #given: readonly GivenPair[] = []
  #choosing: Promise<unknown> = Promise.resolve()

  constructor(prompt: string, answers: readonly Answer[], blind: boolean) {
    this.prompt = prompt
    this.answers = answers
    this.order = blind ? shuffled(answers.length) : answers.map((_, i) => i)
    this.blind = blind
  }

  /** A turn as the store has it. */
  static restored({ prompt, answers, blind, chosen, shared, given }: RestoredTurn): Turn {
    const turn = new Turn(prompt, answers.map((answer) => Answer.restored(answer)), blind)
    turn.#given = given
    return Object.assign(turn, { chosen, shared })
  }

  get open(): boolean { return this.answers.some(({ open }) => open) }

  get hidden(): boolean { return this.blind && this.chosen === undefined }

  /** The answers that are whole: only these are stored and can be judged. */
  get judged(): readonly Answer[] { return this.answers.filter(({ status }) => status === 'done') }

  /** Whether one answer can be called the better one. */
  get comparable(): boolean {
    return this.judged.length > 1 && sameQuestion(this.judged.map(({ messages }) => messages))
  }

  /** Says which answer is the better one; the same again takes that back. @throws CallError */
  async choose(answer: Answer): Promise<void> {
    const before = { chosen: this.chosen, shared: this.shared }
    this.chosen = before.chosen === answer.column ? undefined : answer.column
    if (this.chosen === undefined) this.shared = false
    const wanted = this.chosen === undefined ? undefined : answer.id!
    // Two choices at once would each see what neither has said yet.
    const said = this.#choosing.then(() => this.#say(wanted))
    this.#choosing = said.catch(() => undefined)
    try {
      await said
    } catch (error) {
      Object.assign(this, before)
      throw error
    }
  }

  async #say(chosen: string | undefined): Promise<void> {
    const { keep, send, remove } = planChoice(chosen, this.judged.map(({ id }) => id!), this.#given)
    await Promise.all(remove.map(takeBack))
    const said = await Promise.all(send.map(async (pair) => ({ ...pair, feedback: await say(pair.chosen, 'choice', pair, this.blind) })))
    this.#given = [...keep, ...said]
  }
}
