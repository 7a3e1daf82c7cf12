/** Context-free grammars whose terminals are regular languages: what a JSON schema becomes. */
import { determinize, words, type Dfa } from './dfa.ts'
import { literal, optional, sequence as regularSequence, type Regular } from './regular.ts'

export type Grammar = Terminal | Sequence | Choice | Repeat | Rule

export interface Terminal {
  readonly kind: 'terminal'
  readonly id: number
  readonly dfa: Dfa
}

export interface Sequence {
  readonly kind: 'sequence'
  readonly id: number
  readonly parts: readonly Grammar[]
}

export interface Choice {
  readonly kind: 'choice'
  readonly id: number
  readonly options: readonly Grammar[]
}

export interface Repeat {
  readonly kind: 'repeat'
  readonly id: number
  /** Never the empty text. */
  readonly of: Grammar
  readonly min: number
  readonly max: number
}

/** A grammar that may be part of itself: its body is set once it is known. */
export interface Rule {
  readonly kind: 'rule'
  readonly id: number
  body: Grammar | undefined
}

let made = 0

export function terminal(language: Dfa | Regular): Terminal {
  return { kind: 'terminal', id: made++, dfa: 'kind' in language ? determinize(language) : language }
}

/** The text itself, and nothing else. */
export function text(value: string): Terminal {
  return terminal(literal(value))
}

/** Any of the texts. */
export function texts(values: readonly string[]): Terminal {
  return terminal(words(values))
}

/** A text that a single space may follow. */
export function spaced(value: string): Terminal {
  return terminal(regularSequence(literal(value), optional(literal(' '))))
}

export function sequence(...parts: Grammar[]): Sequence {
  return { kind: 'sequence', id: made++, parts }
}

export function choice(...options: Grammar[]): Choice {
  return { kind: 'choice', id: made++, options }
}

export function repeat(of: Grammar, min: number, max = Infinity): Repeat {
  return { kind: 'repeat', id: made++, of, min, max }
}

export function maybe(of: Grammar): Choice {
  return choice(of, nothing)
}

export function rule(body?: Grammar): Rule {
  return { kind: 'rule', id: made++, body }
}

/** The empty text. */
export const nothing = sequence()

/** Every part of a grammar from which some text can come: the others must never be entered. */
export function productive(root: Grammar): ReadonlySet<Grammar> {
  const parts = partsOf(root)
  const found = new Set<Grammar>()
  // Parts of a part come behind it: from the end, one pass finds all but what rules refer back to.
  const inward = parts.toReversed()
  for (let before = -1; before < found.size;) {
    before = found.size
    for (const part of inward) if (!found.has(part) && isProductive(part, found)) found.add(part)
  }
  return found
}

function isProductive(part: Grammar, found: ReadonlySet<Grammar>): boolean {
  switch (part.kind) {
    case 'terminal': return !part.dfa.isEmpty
    case 'sequence': return part.parts.every((each) => found.has(each))
    case 'choice': return part.options.some((each) => found.has(each))
    case 'repeat': return part.min <= part.max && (part.min === 0 || found.has(part.of))
    case 'rule': return found.has(part.body!)
  }
}

/** A grammar and all that it is made of. */
export function partsOf(root: Grammar): Grammar[] {
  const parts = new Set<Grammar>([root])
  for (const part of parts) for (const inner of innerParts(part)) parts.add(inner)
  return [...parts]
}

function innerParts(part: Grammar): readonly Grammar[] {
  switch (part.kind) {
    case 'terminal': return []
    case 'sequence': return part.parts
    case 'choice': return part.options
    case 'repeat': return [part.of]
    case 'rule': return [part.body!]
  }
}
