/** Which keywords of JSON Schema belong to which type of value, and how their values are read. */
import { isObject, refuse, type Place, type Schema } from './schema-error.ts'

/** They say nothing of what is valid. */
const annotations = new Set([
  '$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly',
  'contentMediaType', 'contentEncoding', 'discriminator', 'strict',
])

export const types = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const
export type Type = (typeof types)[number]

/** Those that are kept, by the type that they say something of. */
export const keywords: Readonly<Record<Type, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties', 'minProperties', 'maxProperties', 'propertyNames'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  boolean: [],
  null: [],
}

export function isAnnotation(keyword: string): boolean {
  return annotations.has(keyword)
}

/** All keywords but annotations. */
export function constraintsOf(schema: Schema): string[] {
  return Object.keys(schema).filter((keyword) => !isAnnotation(keyword) && schema[keyword] !== undefined)
}

/** The first keyword that belongs to no type and is not one of `others`. */
export function unknownKeyword(schema: Schema, others: readonly string[]): string | undefined {
  return constraintsOf(schema).find((keyword) => !others.includes(keyword) && !types.some((type) => keywords[type].includes(keyword)))
}

/** The types that a schema allows: those that it names, or those that its keywords are about; undefined: any. */
export function typesOf({ schema, path }: Place): readonly Type[] | undefined {
  const named = schema['type']
  if (named === undefined) {
    const meant = types.filter((type) => type !== 'integer' && keywords[type].some((keyword) => schema[keyword] !== undefined))
    return meant.length === 0 ? undefined : meant
  }
  const list: readonly unknown[] = Array.isArray(named) ? named : [named]
  const stray = list.find((type) => !types.includes(type as Type))
  if (stray !== undefined || list.length === 0) refuse(path, `has the type ${JSON.stringify(stray)}: it must be one of ${types.join(', ')}`)
  return (list as Type[]).filter((type) => type !== 'integer' || !list.includes('number'))
}

export function isOfType(value: unknown, type: Type): boolean {
  switch (type) {
    case 'object': return isObject(value)
    case 'array': return Array.isArray(value)
    case 'integer': return Number.isInteger(value)
    case 'null': return value === null
    default: return typeof value === type
  }
}

/** A number, or undefined where there is none. @throws UserError where it is something else */
export function numberOf({ schema, path }: Place, keyword: string): number | undefined {
  const value = schema[keyword]
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isFinite(value)) refuse(path, `has "${keyword}": ${JSON.stringify(value)}: it must be a number`)
  return value
}

/** A count from 0. */
export function countOf(place: Place, keyword: string): number | undefined {
  const value = numberOf(place, keyword)
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
    refuse(place.path, `has "${keyword}": ${value}: it must be a whole number from 0`)
  }
  return value
}

export function listOf({ schema, path }: Place, keyword: string): readonly unknown[] {
  const value = schema[keyword]
  if (!Array.isArray(value)) refuse(path, `has "${keyword}" that is not a list`)
  return value
}

export function textOf({ schema, path }: Place, keyword: string): string | undefined {
  const value = schema[keyword]
  if (value !== undefined && typeof value !== 'string') refuse(path, `has "${keyword}" that is not a text`)
  return value
}

/** The schemas of a keyword that maps names to schemas. */
export function mapOf({ schema, path }: Place, keyword: string): readonly (readonly [string, unknown])[] {
  const value = schema[keyword] ?? {}
  if (!isObject(value)) refuse(path, `has "${keyword}" that is not an object`)
  return Object.entries(value)
}
