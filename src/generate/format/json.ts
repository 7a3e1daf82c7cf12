/** JSON itself as a grammar. White space is bounded: a model that likes it could fill its answer with it. */
import { anyCharacter } from './characters.ts'
import { choice, nothing, repeat, rule, sequence, spaced, terminal, text, texts, type Grammar } from './grammar.ts'
import { numbers } from './numbers.ts'
import * as regular from './regular.ts'

/** Deepest indentation, in spaces. */
const maxIndentation = 40

const blank = regular.choice(
  regular.literal(' '),
  regular.sequence(regular.literal('\n'), regular.choice(
    regular.repeat(regular.literal(' '), 0, maxIndentation),
    regular.repeat(regular.literal('\t'), 1, maxIndentation / 4),
  )),
)
const gap = regular.optional(blank)

export const quote = text('"')
export const character = terminal(anyCharacter)
/** Any string, in any of its spellings. */
export const anyString = terminal(regular.sequence(regular.literal('"'), regular.repeat(anyCharacter, 0), regular.literal('"')))
export const anyNumber = terminal(numbers(false, {}))
export const anyInteger = terminal(numbers(true, {}))
export const anyBoolean = texts(['true', 'false'])
export const nullValue = text('null')
export const colon = spaced(':')

const space = terminal(gap)
const comma = terminal(regular.sequence(regular.literal(','), gap))

/** `open`, then nothing or `inner`, then `close`, with white space inside. @param inner undefined: always empty */
function bracketed(open: string, inner: Grammar | undefined, canBeEmpty: boolean, close: string): Grammar {
  const filled = inner === undefined ? [] : [sequence(space, inner, space)]
  return sequence(text(open), choice(...filled, ...(canBeEmpty ? [nothing] : [])), text(close))
}

/** @param members with the commas between them */
export function object(members: Grammar | undefined, canBeEmpty: boolean): Grammar {
  return bracketed('{', members, canBeEmpty, '}')
}

/** @param items with the commas between them */
export function array(items: Grammar | undefined, canBeEmpty: boolean): Grammar {
  return bracketed('[', items, canBeEmpty, ']')
}

/** One more, behind those before. */
export function next(item: Grammar): Grammar {
  return sequence(comma, item)
}

/** From `min` to `max` items, at least one, with commas between them. */
export function list(item: Grammar, min = 0, max = Infinity): Grammar {
  return sequence(item, repeat(next(item), Math.max(0, min - 1), max - 1))
}

const value = rule()
export const anyArray = array(list(value), true)
export const anyObject = object(list(sequence(anyString, colon, value)), true)
value.body = choice(anyObject, anyArray, anyString, anyNumber, anyBoolean, nullValue)

export const anyValue: Grammar = value
