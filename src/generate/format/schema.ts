/**
 * JSON Schema (draft 2020-12, and what older drafts call the same) as a grammar. Whatever is generated is valid; not all
 * that is valid is generated: properties come in the schema's order, and an object that declares properties has others
 * only where `additionalProperties` says so. A keyword that cannot be kept is an error, never ignored.
 */
import { choice, partsOf, productive, rule, texts, type Grammar, type Rule } from './grammar.ts'
import { anyBoolean, anyValue, nullValue } from './json.ts'
import { FormatTooLarge } from './regular.ts'
import { isObject, refuse, refuseKeyword, type Place, type Schema } from './schema-error.ts'
import { constraintsOf, isOfType, listOf, textOf, typesOf, unknownKeyword, type Type } from './schema-keywords.ts'
import { mergeSchemas } from './schema-merge.ts'
import { arrayGrammar, objectGrammar } from './schema-object.ts'
import { areExclusive } from './schema-one-of.ts'
import { numberGrammar, stringGrammar } from './schema-scalars.ts'
import { checkSize } from './schema-size.ts'

/** Most parts (those of merged ones counted again), deepest nesting, most steps for its texts. */
const maxParts = 5000
const maxDepth = 200
const maxWork = 16_000_000
/** Most schemas among which a value may choose. */
const maxOptions = 500

const combiners = ['$ref', 'enum', 'const', 'anyOf', 'oneOf', 'allOf', 'type']

/**
 * The texts that a schema allows.
 * @throws UserError (exitCode 2) that names the keyword and its place where a schema is wrong, too large, or asks for what
 * cannot be enforced
 */
export function schemaGrammar(schema: unknown): Grammar {
  checkSize(schema)
  const grammar = new SchemaCompiler(schema).compile(schema, '#')
  if (!productive(grammar).has(grammar)) refuse('#', 'allows no value at all, or none that ends')
  return grammar
}

class SchemaCompiler {
  readonly #root: unknown
  readonly #references = new Map<string, Rule>()
  readonly #scalars = new Map<string, Grammar>()
  #parts = 0
  #work = 0
  #depth = 0

  constructor(root: unknown) {
    this.#root = root
  }

  compile(schema: unknown, path: string): Grammar {
    if (schema === true) return anyValue
    if (schema === false) return choice()
    if (!isObject(schema)) refuse(path, 'is no schema: it must be an object')
    if (isNever(schema)) return choice()
    if (++this.#parts > maxParts) refuse(path, `is too large: a schema may have ${maxParts} parts`)
    if (++this.#depth > maxDepth) refuse(path, `is nested deeper than ${maxDepth}`)
    try {
      return this.#compileObject({ schema, path })
    } catch (error) {
      if (error instanceof FormatTooLarge) refuse(path, `is too large: ${error.message}`)
      throw error
    } finally {
      this.#depth--
    }
  }

  #compileObject(place: Place): Grammar {
    const { schema, path } = place
    const stray = unknownKeyword(schema, combiners)
    if (stray !== undefined) refuseKeyword(path, stray)
    if ('$id' in schema && path !== '#') refuseKeyword(path, '$id', 'can stand only at the top')
    for (const keyword of ['allOf', '$ref', 'anyOf', 'oneOf'] as const) if (schema[keyword] !== undefined) return this.#combined(place, keyword)
    if (schema['enum'] !== undefined || schema['const'] !== undefined) return this.#scalar(place, 'constant', constants)
    const types = typesOf(place)
    if (types === undefined) return anyValue
    return types.length === 1 ? this.#typed(place, types[0]!) : choice(...types.map((type) => this.#typed(place, type)))
  }

  /** A keyword that stands for other schemas, with what stands beside it. */
  #combined(place: Place, keyword: 'allOf' | '$ref' | 'anyOf' | 'oneOf'): Grammar {
    const { schema, path } = place
    const { [keyword]: _, ...beside } = schema
    const isAlone = constraintsOf(beside).length === 0
    if (keyword === '$ref') return isAlone ? this.#reference(place) : this.compile(this.#merged(beside, this.#target(place), path), path)
    const options = listOf(place, keyword)
    if (options.length > maxOptions) refuse(path, `is too large: "${keyword}" may have ${maxOptions} options; constants go into "enum"`)
    const at = (i: number): string => `${path}/${keyword}/${i}`
    if (keyword === 'allOf') {
      return this.compile(options.reduce<unknown>((whole, option, i) => this.#merged(whole, option, at(i)), isAlone ? true : beside), path)
    }
    if (keyword === 'oneOf' && !areExclusive(options, (option) => this.#resolved(option))) {
      refuseKeyword(
        path, 'oneOf', 'can be enforced only where no two of its options allow the same value: by their types, or by a required property with a ' +
        'constant of its own. Write "anyOf"',
      )
    }
    return choice(...options.map((option, i) => this.compile(isAlone ? option : this.#merged(beside, option, at(i)), at(i))))
  }

  #merged(a: unknown, b: unknown, path: string): unknown {
    const [one, other] = [this.#resolved(a), this.#resolved(b)]
    if (one === false || other === false) return false
    if (one === true) return other
    if (other === true) return one
    if (!isObject(one) || !isObject(other)) refuse(path, 'is no schema: it must be an object')
    if (++this.#parts > maxParts) refuse(path, `is too large: a schema may have ${maxParts} parts`)
    return mergeSchemas(one, other, path)
  }

  /** A schema that is nothing but a reference becomes what it refers to. */
  #resolved(schema: unknown): unknown {
    let found = schema
    for (let steps = 0; isObject(found) && constraintsOf(found).join() === '$ref'; steps++) {
      if (steps > maxDepth) refuse('#', 'refers to itself and nothing else')
      found = this.#target({ schema: found, path: '#' })
    }
    return found
  }

  #reference(place: Place): Grammar {
    const pointer = textOf(place, '$ref')!
    const known = this.#references.get(pointer)
    if (known !== undefined) return known
    const target = this.#target(place)
    const made = rule()
    this.#references.set(pointer, made)
    made.body = this.compile(target, pointer)
    return made
  }

  /** What a JSON pointer into this schema leads to. */
  #target(place: Place): unknown {
    const pointer = textOf(place, '$ref')!
    if (pointer !== '#' && !pointer.startsWith('#/')) {
      refuse(place.path, `refers to ${JSON.stringify(pointer)}: a reference must lead into the same schema ("#/$defs/name")`)
    }
    let found: unknown = this.#root
    for (const part of pointer.split('/').slice(1)) {
      const name = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~')
      const isThere = typeof found === 'object' && found !== null && Object.hasOwn(found, name)
      const inside: unknown = isThere ? (found as Schema)[name] : undefined
      if (inside === undefined) refuse(place.path, `refers to ${JSON.stringify(pointer)}, which is not there`)
      found = inside
    }
    return found
  }

  #typed(place: Place, type: Type): Grammar {
    const compile = (schema: unknown, path: string): Grammar => this.compile(schema, path)
    switch (type) {
      case 'object': return objectGrammar(place, compile)
      case 'array': return arrayGrammar(place, compile)
      case 'string': return this.#scalar(place, type, stringGrammar)
      case 'number': return this.#scalar(place, type, (each) => numberGrammar(each, false))
      case 'integer': return this.#scalar(place, type, (each) => numberGrammar(each, true))
      case 'boolean': return anyBoolean
      case 'null': return nullValue
    }
  }
  /** A value without parts; equal ones are made once, and what they take is counted. */
  #scalar(place: Place, type: string, make: (place: Place) => Grammar): Grammar {
    const { schema, path } = place
    const key = type + JSON.stringify(constraintsOf(schema).map((keyword) => [keyword, schema[keyword]]))
    const known = this.#scalars.get(key)
    if (known !== undefined) return known
    const made = make(place)
    this.#scalars.set(key, made)
    for (const part of partsOf(made)) if (part.kind === 'terminal') this.#work += part.dfa.work
    if (this.#work > maxWork) refuse(path, 'and those before it are too large together: their texts and numbers can be written in too many ways')
    return made
  }
}

/** The values of `enum` and `const`, as JSON.stringify writes them. */
function constants(place: Place): Grammar {
  const { schema, path } = place
  const stray = constraintsOf(schema).find((keyword) => !['enum', 'const', 'type'].includes(keyword))
  if (stray !== undefined) {
    refuseKeyword(path, stray, `cannot be enforced beside "${schema['enum'] === undefined ? 'const' : 'enum'}". Leave out the values that it forbids`)
  }
  const listed = schema['enum'] === undefined ? undefined : listOf(place, 'enum').map((value) => JSON.stringify(value))
  const constant = schema['const'] === undefined ? undefined : [JSON.stringify(schema['const'])]
  const values = (listed ?? constant!).filter((value) => constant === undefined || constant.includes(value))
  const allowed = schema['type'] === undefined ? undefined : typesOf(place)
  return texts(values.filter((value) => allowed === undefined || allowed.some((type) => isOfType(JSON.parse(value), type))))
}

/** `{"not": {}}`, which zod writes for what must not be there. */
function isNever(schema: Schema): boolean {
  return constraintsOf(schema).join() === 'not' && isObject(schema['not']) && constraintsOf(schema['not']).length === 0
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
