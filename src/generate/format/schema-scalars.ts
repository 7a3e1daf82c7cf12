/** Strings and numbers of a JSON schema as terminals. */
import { anyCharacter } from './characters.ts'
import { determinize, intersect, type Dfa } from './dfa.ts'
import { repeat, sequence, terminal, type Grammar } from './grammar.ts'
import { anyInteger, anyNumber, anyString, character, quote } from './json.ts'
import { numbers, type NumberLimits } from './numbers.ts'
import { patternLanguage, UnsupportedPattern } from './pattern.ts'
import * as regular from './regular.ts'
import { refuse, type Place } from './schema-error.ts'
import { countOf, numberOf, textOf } from './schema-keywords.ts'
import { stringFormats } from './string-formats.ts'

const maxMultipleOf = 1000

/** @throws UserError where a keyword cannot be kept, FormatTooLarge */
export function stringGrammar(place: Place): Grammar {
  const minLength = countOf(place, 'minLength') ?? 0
  const maxLength = countOf(place, 'maxLength') ?? Infinity
  const inner = stringContent(place)
  const isFree = minLength === 0 && maxLength === Infinity
  if (inner === undefined) return isFree ? anyString : sequence(quote, repeat(character, minLength, maxLength), quote)
  // Beyond this, an automaton of all lengths would be too large, and says so.
  const bounded = isFree ? inner : intersect(inner, determinize(regular.repeat(anyCharacter, minLength, maxLength)))
  return sequence(quote, terminal(bounded), quote)
}

/** What pattern and format leave of a string, without its quotes; undefined: anything. */
export function stringContent(place: Place): Dfa | undefined {
  const pattern = textOf(place, 'pattern')
  const format = textOf(place, 'format')
  const languages: Dfa[] = []
  if (pattern !== undefined) languages.push(readPattern(pattern, place.path))
  const known = format === undefined ? undefined : stringFormats.get(format)
  if (known !== undefined) languages.push(patternLanguage(known))
  // Beside a pattern, an unknown format is the pattern's name.
  if (format !== undefined && known === undefined && pattern === undefined) {
    const names = [...stringFormats.keys()].join(', ')
    refuse(place.path, `has the format ${JSON.stringify(format)}, which cannot be enforced while decoding; known are ${names}`)
  }
  return languages.length === 0 ? undefined : languages.reduce(intersect)
}

function readPattern(pattern: string, path: string): Dfa {
  try {
    return patternLanguage(pattern)
  } catch (error) {
    if (error instanceof SyntaxError) refuse(path, `has the pattern ${JSON.stringify(pattern)}, which is no regular expression: ${error.message}`)
    if (error instanceof UnsupportedPattern) {
      refuse(path, `has the pattern ${JSON.stringify(pattern)} with ${error.message}, which cannot be enforced while decoding`)
    }
    throw error
  }
}

/** @throws UserError where a keyword cannot be kept, FormatTooLarge */
export function numberGrammar(place: Place, integer: boolean): Grammar {
  const limits: NumberLimits = {
    minimum: numberOf(place, 'minimum'),
    maximum: numberOf(place, 'maximum'),
    exclusiveMinimum: numberOf(place, 'exclusiveMinimum'),
    exclusiveMaximum: numberOf(place, 'exclusiveMaximum'),
    multipleOf: numberOf(place, 'multipleOf'),
  }
  const { multipleOf } = limits
  if (multipleOf !== undefined && !(Number.isInteger(multipleOf) && multipleOf >= 1 && multipleOf <= maxMultipleOf)) {
    refuse(place.path, `has "multipleOf": ${multipleOf}: whole numbers from 1 to ${maxMultipleOf} can be enforced while decoding`)
  }
  if (Object.values(limits).every((limit) => limit === undefined)) return integer ? anyInteger : anyNumber
  return terminal(numbers(integer, limits))
}
