/** Objects and arrays of a JSON schema. Declared properties come in the schema's order, others behind them. */
import { anyCharacter, characters, lastCharacter } from './characters.ts'
import { determinize, subtract, words, type Dfa } from './dfa.ts'
import { choice, maybe, nothing, repeat, sequence, spaced, terminal, type Grammar } from './grammar.ts'
import { anyArray, anyString, anyValue, array, colon, list, next, object, quote } from './json.ts'
import * as regular from './regular.ts'
import { isObject, refuse, refuseKeyword, type Place } from './schema-error.ts'
import { constraintsOf, countOf, listOf, mapOf } from './schema-keywords.ts'
import { stringContent } from './schema-scalars.ts'

/** Most properties that an object may declare. */
const maxProperties = 1000

/** Compiles a part of the schema. */
export type Compile = (schema: unknown, path: string) => Grammar

interface Property {
  readonly isRequired: boolean
  /** `"name": value` */
  readonly member: Grammar
}

export function objectGrammar(place: Place, compile: Compile): Grammar {
  const { schema, path } = place
  const declared = mapOf(place, 'properties')
  const required = schema['required'] === undefined ? [] : listOf(place, 'required')
  const stray = required.find((name) => typeof name !== 'string')
  if (stray !== undefined) refuse(path, `requires ${JSON.stringify(stray)}, which is no name`)
  const undeclared = (required as string[]).filter((name) => !declared.some(([known]) => known === name))
  if (declared.length + undeclared.length > maxProperties) refuse(path, `is too large: an object may declare ${maxProperties} properties`)
  const others = schema['additionalProperties']
  const properties = [
    ...declared.map(([name, part]) => property(name, required.includes(name), compile(part, `${path}/properties/${escapeName(name)}`))),
    ...undeclared.map((name) => property(name, true, compile(others ?? true, `${path}/additionalProperties`))),
  ]
  const other = otherMember(place, [...declared.map(([name]) => name), ...undeclared], compile)
  checkCounts(place, properties.length)
  if (properties.length === 0) return freeObject(place, other)
  return object(chain(properties, other), !properties.some(({ isRequired }) => isRequired))
}

/** An object without declared properties. */
function freeObject(place: Place, other: Grammar | undefined): Grammar {
  const [min, max] = [countOf(place, 'minProperties') ?? 0, countOf(place, 'maxProperties') ?? Infinity]
  if (other === undefined || max === 0) return object(undefined, min === 0)
  return object(list(other, min, max), min === 0)
}

/** Which properties an object has besides those that it declares: none where it declares some and says nothing of others. */
function otherMember(place: Place, names: readonly string[], compile: Compile): Grammar | undefined {
  const { schema, path } = place
  const others = schema['additionalProperties'] ?? names.length === 0
  if (others === false) return undefined
  const value = others === true ? anyValue : compile(others, `${path}/additionalProperties`)
  return sequence(otherName(place, names), colon, value)
}

/** A property's name that is none of `names`. */
function otherName({ schema, path }: Place, names: readonly string[]): Grammar {
  const rule = schema['propertyNames']
  if (rule === undefined && names.length === 0) return anyString
  const taken = words(names.map((name) => innerText(name)))
  const allowed = rule === undefined ? determinize(oneSpelling) : nameLanguage(rule, `${path}/propertyNames`)
  return sequence(quote, terminal(subtract(allowed, taken)), quote)
}

/** Any text, as JSON.stringify writes it: what is taken out of it can come back in no other spelling. */
const oneSpelling = regular.repeat(characters([[0, lastCharacter]]), 0)

/** A text as JSON.stringify writes it, without the quotes. */
function innerText(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

function nameLanguage(schema: unknown, path: string): Dfa {
  if (!isObject(schema)) refuse(path, 'is no schema of names: it may have "enum", "pattern" or "format"')
  const isList = schema['enum'] !== undefined
  const stray = constraintsOf(schema).find((keyword) => !['type', ...(isList ? ['enum'] : ['pattern', 'format'])].includes(keyword))
  if (stray !== undefined) refuseKeyword(path, stray)
  if (isList) return words(listOf({ schema, path }, 'enum').filter((name) => typeof name === 'string').map((name) => innerText(name)))
  return stringContent({ schema, path }) ?? determinize(regular.repeat(anyCharacter, 0))
}

function property(name: string, isRequired: boolean, value: Grammar): Property {
  return { isRequired, member: sequence(spaced(`${JSON.stringify(name)}:`), value) }
}

/** The properties that are there, in their order, with commas between them, then others; at least one in all. */
function chain(properties: readonly Property[], other: Grammar | undefined): Grammar {
  let behind: Grammar = other === undefined ? nothing : repeat(next(other), 0)
  let first: Grammar = other === undefined ? choice() : list(other)
  for (const { isRequired, member } of properties.toReversed()) {
    const here = sequence(member, behind)
    first = isRequired ? here : choice(here, first)
    behind = isRequired ? sequence(next(member), behind) : choice(sequence(next(member), behind), behind)
  }
  return first
}

/** How many properties there are is kept where all names are free; a name that comes twice counts once. */
function checkCounts(place: Place, declared: number): void {
  const [min, max] = [countOf(place, 'minProperties') ?? 0, countOf(place, 'maxProperties')]
  if (declared > 0 && max !== undefined) refuseKeyword(place.path, 'maxProperties', 'can be enforced only where no properties are declared')
  if (declared > 0 ? min > 0 : min > 1) refuseKeyword(place.path, 'minProperties', 'can be enforced only up to 1, where no properties are declared')
}

export function arrayGrammar(place: Place, compile: Compile): Grammar {
  const { schema, path } = place
  const [min, max] = [countOf(place, 'minItems') ?? 0, countOf(place, 'maxItems') ?? Infinity]
  if (schema['uniqueItems'] === true && max > 1) refuseKeyword(path, 'uniqueItems')
  const isTuple = Array.isArray(schema['items'])
  const first = isTuple ? listOf(place, 'items') : schema['prefixItems'] === undefined ? [] : listOf(place, 'prefixItems')
  const rest = isTuple ? undefined : schema['items']
  if (first.length === 0 && rest === undefined && min === 0 && max === Infinity) return anyArray
  const leading = first.map((part, i) => compile(part, `${path}/${isTuple ? 'items' : 'prefixItems'}/${i}`))
  const others = rest ?? first.length === 0
  const item = others === false ? undefined : compile(others, `${path}/items`)
  if (leading.length === 0) return item === undefined || max === 0 ? array(undefined, min === 0) : array(list(item, min, max), min === 0)
  return array(tuple(leading, item, min, max), min === 0)
}

/** Items of their own each, then others, `min` to `max` in all, at least one. */
function tuple(leading: readonly Grammar[], item: Grammar | undefined, min: number, max: number): Grammar {
  const count = leading.length
  const missing = Math.max(0, min - count)
  let behind: Grammar = item === undefined ? (missing > 0 ? choice() : nothing) : repeat(next(item), missing, Math.max(0, max - count))
  for (let i = count - 1; i > 0; i--) {
    const more: Grammar = i < max ? sequence(next(leading[i]!), behind) : choice()
    behind = i < min ? more : maybe(more)
  }
  return max === 0 ? choice() : sequence(leading[0]!, behind)
}

/** A name as a part of a JSON pointer. */
function escapeName(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
