/**
 * A grammar as an automaton that is built while it is used, as RE2 does for expressions: a state stands for all ways in
 * which the text so far can be read, and the states after it are made when a byte first leads there.
 */
import { FormatTooLarge } from './regular.ts'
import { productive, type Grammar, type Repeat, type Sequence, type Terminal } from './grammar.ts'

/** Most ways of reading one text that are followed at once; each leads to a whole text, so that leaving some out is safe. */
const maxThreads = 1024
/** Most threads that are moved in search of the tokens that may come next. */
const maxWork = 150_000

/** What is to be done once a part is read: go on in a sequence, or repeat once more. */
class Frame {
  readonly id: number
  readonly of: Sequence | Repeat
  /** The sequence's next part; how often the repetition's part was read. */
  readonly at: number
  readonly after: Frame | undefined
  /** The frame that stands for this one where no more than a token is read. */
  near: Frame = this

  constructor(id: number, of: Sequence | Repeat, at: number, after: Frame | undefined) {
    this.id = id
    this.of = of
    this.at = at
    this.after = after
  }
}

/** A place in a terminal. */
interface Thread {
  readonly terminal: Terminal
  readonly state: number
  readonly after: Frame | undefined
}

export class State {
  readonly threads: readonly Thread[]
  /** The text may end here. */
  readonly isComplete: boolean
  /** States are forgotten all at once: those of another generation are no longer looked up. */
  readonly generation: number
  /** The state after each byte: null where it may not come, undefined where nobody asked yet. */
  next: (State | null | undefined)[] | undefined
  /** The state that allows the same tokens, and the only one of its kind. */
  near: State = this
  /** The tokens that may come next, once somebody asked (constraint.ts). */
  mask: Uint32Array | undefined

  constructor(threads: readonly Thread[], isComplete: boolean, generation: number) {
    this.threads = threads
    this.isComplete = isComplete
    this.generation = generation
  }
}

export class Automaton {
  readonly #start: State
  readonly #productive: ReadonlySet<Grammar>
  readonly #longest: number
  readonly #states = new Map<string, State>()
  readonly #frames = new Map<string, Frame>()
  #generation = 0
  #frameIds = 0
  #work = 0

  /**
   * @param grammar with at least one text
   * @param longest most bytes of a token
   */
  constructor(grammar: Grammar, longest: number) {
    this.#productive = productive(grammar)
    this.#longest = longest
    const reading = new Reading()
    this.#enter(grammar, undefined, reading)
    this.#start = this.#state(reading.threads, reading.isComplete)
  }

  get start(): State {
    return this.current(this.#start)
  }

  /** How many states are remembered. */
  get size(): number {
    return this.#states.size
  }

  /** Forgets every state; those in use go on by `current`. */
  forget(): void {
    this.#generation++
    this.#states.clear()
    this.#frames.clear()
  }

  /** The state as it is remembered now. */
  current(state: State): State {
    return state.generation === this.#generation ? state : this.#state(state.threads, state.isComplete)
  }

  /** Begins to count the work of one search. */
  beginSearch(): void {
    this.#work = 0
  }

  /** @returns null where the byte may not come. @throws FormatTooLarge where a search takes too long */
  step(state: State, byte: number): State | null {
    const next = (state.next ??= new Array<State | null | undefined>(256))
    const known = next[byte]
    if (known !== undefined) return known
    const reading = new Reading()
    for (const { terminal, state: place, after } of state.threads) {
      const to = terminal.dfa.next[place * 256 + byte]!
      if (to >= 0) this.#reach(terminal, to, after, reading)
    }
    this.#work += state.threads.length
    if (this.#work > maxWork) throw new FormatTooLarge('it can be read in too many ways at once')
    const found = reading.isEmpty ? null : this.#state(reading.threads, reading.isComplete)
    next[byte] = found
    return found
  }

  #reach(terminal: Terminal, place: number, after: Frame | undefined, reading: Reading): void {
    if (terminal.dfa.final[place] === 0) reading.add({ terminal, state: place, after })
    if (terminal.dfa.accepting[place] === 1) this.#resume(after, reading)
  }

  /** Goes on behind a part that was read. */
  #resume(frame: Frame | undefined, reading: Reading): void {
    if (frame === undefined) {
      reading.isComplete = true
      return
    }
    if (!reading.visits(`resume ${frame.id}`)) return
    if (frame.of.kind === 'sequence') this.#enterSequence(frame.of, frame.at, frame.after, reading)
    else this.#enterRepeat(frame.of, frame.at, frame.after, reading)
  }

  #enter(part: Grammar, after: Frame | undefined, reading: Reading): void {
    if (!this.#productive.has(part) || reading.isFull || !reading.visits(`${part.id} ${after?.id}`)) return
    switch (part.kind) {
      case 'terminal': return this.#reach(part, 0, after, reading)
      case 'sequence': return this.#enterSequence(part, 0, after, reading)
      case 'choice': return part.options.forEach((option) => { this.#enter(option, after, reading) })
      case 'repeat': return this.#enterRepeat(part, 0, after, reading)
      case 'rule': return this.#enter(part.body!, after, reading)
    }
  }

  #enterSequence(sequence: Sequence, at: number, after: Frame | undefined, reading: Reading): void {
    const { parts } = sequence
    if (at === parts.length) return this.#resume(after, reading)
    // The last part needs no frame: what follows it follows the sequence.
    this.#enter(parts[at]!, at + 1 === parts.length ? after : this.#frame(sequence, at + 1, after), reading)
  }

  #enterRepeat(repetition: Repeat, count: number, after: Frame | undefined, reading: Reading): void {
    const { of, min, max } = repetition
    // Beyond the minimum, a repetition without end need not count.
    const next = max === Infinity ? Math.min(count + 1, min) : count + 1
    if (count < max) this.#enter(of, this.#frame(repetition, next, after), reading)
    if (count >= min) this.#resume(after, reading)
  }

  #frame(of: Sequence | Repeat, at: number, after: Frame | undefined): Frame {
    const key = `${of.id} ${at} ${after?.id}`
    const known = this.#frames.get(key)
    if (known !== undefined) return known
    const frame = new Frame(this.#frameIds++, of, at, after)
    this.#frames.set(key, frame)
    const nearAt = of.kind === 'repeat' ? nearCount(of, at, this.#longest) : at
    if (nearAt !== at || (after !== undefined && after.near !== after)) frame.near = this.#frame(of, nearAt, after?.near)
    return frame
  }

  #state(threads: readonly Thread[], isComplete: boolean): State {
    const key = threads.map(({ terminal, state, after }) => `${terminal.id} ${state} ${after?.id}`).join() + (isComplete ? '.' : '')
    const known = this.#states.get(key)
    if (known !== undefined) return known
    const state = new State(threads, isComplete, this.#generation)
    this.#states.set(key, state)
    if (threads.some(({ after }) => after !== undefined && after.near !== after)) {
      state.near = this.#state(threads.map((thread) => ({ ...thread, after: thread.after?.near })), isComplete)
    }
    return state
  }
}

/**
 * A count from which a token of at most `longest` bytes, and so as many repetitions, can do the same as from `count`: far
 * from both of its bounds they are all alike.
 */
function nearCount({ min, max }: Repeat, count: number, longest: number): number {
  if (min - count > longest) return 0
  if (count >= min && max - count > longest) return min
  return count
}

/** The ways of reading a text, while they are found. */
class Reading {
  readonly threads: Thread[] = []
  isComplete = false
  readonly #seen = new Set<string>()

  get isEmpty(): boolean {
    return this.threads.length === 0 && !this.isComplete
  }

  get isFull(): boolean {
    return this.threads.length >= maxThreads
  }

  add(thread: Thread): void {
    if (this.visits(`thread ${thread.terminal.id} ${thread.state} ${thread.after?.id}`)) this.threads.push(thread)
  }

  /** Whether this is the first time. */
  visits(key: string): boolean {
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    return true
  }
}
