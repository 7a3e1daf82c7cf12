/** A format held against the tokens of a model, for one completion after the other. */
import { UserError } from '../../errors.ts'
import type { Tokenizer } from '../../models/tokenizer/tokenizer.ts'
import type { OutputFormat } from '../completion.ts'
import type { TokenConstraint } from '../logit-changes.ts'
import { Automaton, type State } from './automaton.ts'
import { formatGrammar } from './format.ts'
import { maybe, sequence, text } from './grammar.ts'
import { FormatTooLarge } from './regular.ts'
import { flipBit, hasBit, longestToken, Vocabulary } from './vocabulary.ts'

/** Most formats that are kept, and most states of one of them: about 2 KB each, and a bit for each token of the model. */
const maxFormats = 32
const maxStates = 4096

const opened = new WeakMap<Tokenizer, Formats>()

/** The formats of a model, which are made once. @param size of its logits */
export function formatsOf(tokenizer: Tokenizer, size: number): Formats {
  let formats = opened.get(tokenizer)
  if (formats === undefined) opened.set(tokenizer, (formats = new Formats(tokenizer, size)))
  return formats
}

/** Formats by their JSON, the most recently used ones. */
export class Formats {
  readonly #vocabulary: Vocabulary
  readonly #automata = new Map<string, Automaton>()

  /** @throws UserError where the tokenizer's tokens have no text of their own */
  constructor(tokenizer: Tokenizer, size: number) {
    this.#vocabulary = new Vocabulary(tokenizer.tokenBytes(), size)
  }

  /**
   * What holds one completion to a format.
   * @param endTokens ids that may come once the text is whole
   * @throws UserError where the format is wrong (format.ts)
   */
  constraint(format: OutputFormat, endTokens: readonly number[]): TokenConstraint {
    const key = JSON.stringify(format)
    const automaton = this.#automata.get(key) ?? this.#compile(format)
    this.#automata.delete(key)
    this.#automata.set(key, automaton)
    if (this.#automata.size > maxFormats) this.#automata.delete(this.#automata.keys().next().value!)
    return new FormatConstraint(automaton, this.#vocabulary, endTokens)
  }

  #compile(format: OutputFormat): Automaton {
    const grammar = formatGrammar(format)
    return new Automaton(this.#vocabulary.dropsFirstSpace ? sequence(maybe(text(' ')), grammar) : grammar, longestToken)
  }
}

class FormatConstraint implements TokenConstraint {
  readonly #automaton: Automaton
  readonly #vocabulary: Vocabulary
  readonly #endTokens: readonly number[]
  #state: State

  constructor(automaton: Automaton, vocabulary: Vocabulary, endTokens: readonly number[]) {
    this.#automaton = automaton
    this.#vocabulary = vocabulary
    this.#endTokens = endTokens
    this.#state = automaton.start
  }

  get isFinished(): boolean {
    return this.#state.isComplete && this.#state.threads.length === 0
  }

  allowed(): Uint32Array {
    if (this.#automaton.size > maxStates) this.#automaton.forget()
    this.#state = this.#automaton.current(this.#state)
    const mask = this.#withEnds(this.#textTokens())
    if (mask.every((word) => word === 0)) {
      throw new UserError('no token of the model can go on with this answer in the format that was asked for', { exitCode: 2 })
    }
    return mask
  }

  accept(id: number): void {
    if (this.#endTokens.includes(id)) return
    for (const byte of this.#vocabulary.bytes[id]!) this.#state = this.#automaton.step(this.#state, byte)!
  }

  /** End tokens may come where the text is whole, and nowhere else, even where one of them has a text of its own. */
  #withEnds(mask: Uint32Array): Uint32Array {
    const { isComplete } = this.#state
    const wrong = this.#endTokens.filter((id) => hasBit(mask, id) !== isComplete)
    if (wrong.length === 0) return mask
    const copy = mask.slice()
    for (const id of wrong) flipBit(copy, id)
    return copy
  }

  #textTokens(): Uint32Array {
    const { near } = this.#state
    try {
      return (near.mask ??= this.#vocabulary.allowed(this.#automaton, near))
    } catch (error) {
      if (!(error instanceof FormatTooLarge)) throw error
      throw new UserError(`the format's JSON schema is too large: ${error.message}`, { exitCode: 2, cause: error })
    }
  }
}
