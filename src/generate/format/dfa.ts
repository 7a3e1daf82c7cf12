/** Deterministic automata over bytes: what expressions become, and what can be taken of two of them. */
import { FormatTooLarge, type Range, type Regular } from './regular.ts'

/** Most states of one automaton, most places of the expression that it comes from, most comparisons to find its edges. */
const maxStates = 4096
const maxPlaces = 65_536
const maxWork = 10_000_000
const bytes = 256

/** Starts in state 0. Every state that can be reached leads to an accepting one, unless nothing is accepted at all. */
export class Dfa {
  /** The state after each byte, or −1: [states, 256]. */
  readonly next: Int16Array
  readonly accepting: Uint8Array
  /** States from which no byte leads on. */
  readonly final: Uint8Array
  /** What it took to make it, in steps. */
  readonly work: number

  constructor(next: Int16Array, accepting: Uint8Array, work = next.length) {
    this.next = withoutDeadEnds(next, accepting)
    this.accepting = accepting
    this.work = work
    this.final = Uint8Array.from(accepting, (_, state) => Number(next.subarray(state * bytes, (state + 1) * bytes).every((to) => to < 0)))
  }

  get states(): number {
    return this.accepting.length
  }

  get isEmpty(): boolean {
    return this.accepting[0] === 0 && this.final[0] === 1
  }

  accepts(text: string): boolean {
    let state = 0
    for (const value of Buffer.from(text)) {
      state = this.next[state * bytes + value]!
      if (state < 0) return false
    }
    return this.accepting[state] === 1
  }
}

/** What both accept. */
export function intersect(a: Dfa, b: Dfa): Dfa {
  return product(a, b, (inA, inB) => inA && inB)
}

/** What `a` accepts and `b` does not. */
export function subtract(a: Dfa, b: Dfa): Dfa {
  return product(a, b, (inA, inB) => inA && !inB)
}

/** @throws FormatTooLarge */
export function determinize(expression: Regular): Dfa {
  const nfa = new Nfa()
  const end = nfa.place()
  const start = nfa.compile(expression, end)
  return explore(nfa.closure([start]), (set) => set.join(), {
    get work() { return nfa.work },
    edges: (set) => nfa.edges(set),
    accepts: (set) => set.includes(end),
  })
}

/** The automaton of a list of texts. @throws FormatTooLarge */
export function words(texts: readonly string[]): Dfa {
  const edges: Map<number, number>[] = [new Map()]
  const ends = new Set<number>()
  for (const text of texts) {
    let state = 0
    for (const value of Buffer.from(text)) {
      let to = edges[state]!.get(value)
      if (to === undefined) {
        to = edges.push(new Map()) - 1
        if (to >= 4 * maxStates) throw new FormatTooLarge('its values are too many or too long')
        edges[state]!.set(value, to)
      }
      state = to
    }
    ends.add(state)
  }
  const next = new Int16Array(edges.length * bytes).fill(-1)
  edges.forEach((targets, state) => {
    for (const [value, to] of targets) next[state * bytes + value] = to
  })
  return new Dfa(next, Uint8Array.from(edges, (_, state) => Number(ends.has(state))))
}

/** Rabin and Scott: both at once, the second possibly lost (−1). */
function product(a: Dfa, b: Dfa, accepts: (inA: boolean, inB: boolean) => boolean): Dfa {
  return explore<readonly [number, number]>([0, 0], ([p, q]) => `${p},${q}`, {
    work: a.work + b.work,
    edges: ([p, q]) => {
      const edges: Edge<readonly [number, number]>[] = []
      for (let value = 0; value < bytes; value++) {
        const to = a.next[p * bytes + value]!
        if (to >= 0) edges.push({ from: value, to: value, target: [to, q < 0 ? -1 : b.next[q * bytes + value]!] })
      }
      return edges
    },
    accepts: ([p, q]) => accepts(a.accepting[p] === 1, q >= 0 && b.accepting[q] === 1),
  })
}

interface Edge<State> {
  readonly from: number
  readonly to: number
  readonly target: State
}

interface Machine<State> {
  readonly work: number
  edges(state: State): readonly Edge<State>[]
  accepts(state: State): boolean
}

/** Numbers the states that can be reached from `start`. */
function explore<State>(start: State, keyOf: (state: State) => string, machine: Machine<State>): Dfa {
  const numbers = new Map([[keyOf(start), 0]])
  const states = [start]
  const rows: Int16Array[] = []
  for (let at = 0; at < states.length; at++) {
    const row = new Int16Array(bytes).fill(-1)
    for (const { from, to, target } of machine.edges(states[at]!)) {
      const key = keyOf(target)
      let number = numbers.get(key)
      if (number === undefined) {
        number = states.push(target) - 1
        if (number >= maxStates) throw new FormatTooLarge(`it takes an automaton of more than ${maxStates} states`)
        numbers.set(key, number)
      }
      row.fill(number, from, to + 1)
    }
    rows.push(row)
  }
  const next = new Int16Array(rows.length * bytes)
  rows.forEach((row, state) => { next.set(row, state * bytes) })
  return new Dfa(next, Uint8Array.from(states, (state) => Number(machine.accepts(state))), next.length + machine.work)
}

/** Thompson's construction: places that a byte leads on from, or that lead on by themselves. */
class Nfa {
  readonly #silent: number[][] = []
  readonly #ranges: (readonly Range[])[] = []
  readonly #target: number[] = []
  #work = 0

  place(silent: number[] = [], ranges: readonly Range[] = [], target = -1): number {
    if (this.#silent.length >= maxPlaces) throw new FormatTooLarge('its repetitions are too many')
    this.#ranges.push(ranges)
    this.#target.push(target)
    return this.#silent.push(silent) - 1
  }

  /** Comparisons made so far. */
  get work(): number {
    return this.#work
  }

  /** The place from which `expression` leads to `end`. */
  compile(expression: Regular, end: number): number {
    switch (expression.kind) {
      case 'byte': return this.place([], expression.ranges, end)
      case 'sequence': return expression.parts.reduceRight((after, part) => this.compile(part, after), end)
      case 'choice': return this.place(expression.options.map((option) => this.compile(option, end)))
      case 'repeat': return this.#repeat(expression, end)
    }
  }

  #repeat({ of, min, max }: Extract<Regular, { kind: 'repeat' }>, end: number): number {
    let start = end
    if (max === Infinity) {
      start = this.place([end])
      this.#silent[start]!.push(this.compile(of, start))
    } else {
      for (let i = min; i < max; i++) start = this.place([end, this.compile(of, start)])
    }
    for (let i = 0; i < min; i++) start = this.compile(of, start)
    return start
  }

  /** All places that are reached without a byte, in order. */
  closure(places: readonly number[]): number[] {
    const reached = new Set(places)
    for (const place of reached) for (const next of this.#silent[place]!) reached.add(next)
    return [...reached].sort((a, b) => a - b)
  }

  edges(set: readonly number[]): Edge<number[]>[] {
    const consuming = set.filter((place) => this.#ranges[place]!.length > 0)
    const borders = new Set<number>()
    for (const place of consuming) for (const [from, to] of this.#ranges[place]!) borders.add(from).add(to + 1)
    const sorted = [...borders].sort((a, b) => a - b)
    this.#work += set.length + sorted.length * consuming.length
    if (this.#work > maxWork) throw new FormatTooLarge('it can be matched in too many ways')
    return sorted.flatMap((from, i) => {
      const targets = consuming.filter((place) => this.#ranges[place]!.some((range) => range[0] <= from && from <= range[1]))
      if (targets.length === 0) return []
      return [{ from, to: sorted[i + 1]! - 1, target: this.closure(targets.map((place) => this.#target[place]!)) }]
    })
  }
}

/** Takes out, in place, what leads to a state from which nothing is accepted. */
function withoutDeadEnds(next: Int16Array, accepting: Uint8Array): Int16Array {
  const sources: number[][] = Array.from(accepting, () => [])
  next.forEach((to, at) => {
    const state = Math.floor(at / bytes)
    if (to >= 0 && sources[to]!.at(-1) !== state) sources[to]!.push(state)
  })
  const alive = new Set([...accepting.keys()].filter((state) => accepting[state] === 1))
  for (const state of alive) for (const source of sources[state]!) alive.add(source)
  next.forEach((to, at) => { if (to >= 0 && !alive.has(to)) next[at] = -1 })
  return next
}
