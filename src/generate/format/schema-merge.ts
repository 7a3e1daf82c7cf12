/** Several schemas that must all hold, as one. */
import { constraintsOf, isAnnotation } from './schema-keywords.ts'
import { isObject, refuse, type Schema } from './schema-error.ts'

const least = new Set(['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'])
const most = new Set(['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'])

/**
 * @returns false where no value has a type that both allow
 * @throws UserError where two keywords cannot be made one
 */
export function mergeSchemas(a: Schema, b: Schema, path: string): Schema | false {
  if (constraintsOf(a).length === 0) return b
  if (constraintsOf(b).length === 0) return a
  if (a['type'] !== undefined && b['type'] !== undefined && mergeTypes(a['type'], b['type']).length === 0) return false
  checkClosed(a, b, path)
  checkClosed(b, a, path)
  checkItems(a, b, path)
  checkItems(b, a, path)
  const merged: Record<string, unknown> = { ...a }
  for (const [keyword, value] of Object.entries(b)) {
    const other = merged[keyword]
    merged[keyword] = other === undefined || isAnnotation(keyword) ? value : mergeKeyword(keyword, other, value, path)
  }
  return merged
}

function mergeKeyword(keyword: string, a: unknown, b: unknown, path: string): unknown {
  if (JSON.stringify(a) === JSON.stringify(b)) return a
  if (least.has(keyword) && typeof a === 'number' && typeof b === 'number') return Math.min(a, b)
  if (most.has(keyword) && typeof a === 'number' && typeof b === 'number') return Math.max(a, b)
  if (keyword === 'required' && Array.isArray(a) && Array.isArray(b)) return [...new Set([...a, ...b] as unknown[])]
  if (keyword === 'enum' && Array.isArray(a) && Array.isArray(b)) {
    const known = new Set(b.map((value) => JSON.stringify(value)))
    return (a as unknown[]).filter((value) => known.has(JSON.stringify(value)))
  }
  if (keyword === 'type') return mergeTypes(a, b)
  if (keyword === 'properties' && isObject(a) && isObject(b)) return mergeProperties(a, b)
  refuse(path, `has two "${keyword}" that must both hold, which cannot be enforced while decoding. Write them as one`)
}

function mergeTypes(a: unknown, b: unknown): unknown[] {
  const [one, other]: (readonly unknown[])[] = [a, b].map((type) => (Array.isArray(type) ? type : [type]))
  return [...new Set(one!.flatMap((type) => {
    if (other!.includes(type)) return [type]
    const isNumeric = (type === 'number' && other!.includes('integer')) || (type === 'integer' && other!.includes('number'))
    return isNumeric ? ['integer'] : []
  }))]
}

function mergeProperties(a: Schema, b: Schema): Schema {
  const shared = Object.keys(a).filter((name) => Object.hasOwn(b, name))
  return { ...a, ...b, ...Object.fromEntries(shared.map((name) => [name, { allOf: [a[name], b[name]] }])) }
}

/** What one schema says of undeclared properties is said of the other's declared ones too. */
function checkClosed(a: Schema, b: Schema, path: string): void {
  const others = a['additionalProperties']
  if (others === undefined || others === true) return
  const declared = isObject(a['properties']) ? a['properties'] : {}
  const named = [...Object.keys(isObject(b['properties']) ? b['properties'] : {}), ...(Array.isArray(b['required']) ? (b['required'] as unknown[]) : [])]
  const stray = named.find((name) => !Object.hasOwn(declared, String(name)))
  if (stray !== undefined) {
    refuse(path, `has "additionalProperties" beside a part that declares "${String(stray)}", which cannot be enforced while decoding. Write them as one object`)
  }
}

/** `items` speaks of those behind its own schema's `prefixItems`: beside another schema's, it would speak of fewer. */
function checkItems(a: Schema, b: Schema, path: string): void {
  const isTuple = a['prefixItems'] !== undefined || Array.isArray(a['items'])
  const same = ['prefixItems', 'items'].every((keyword) => JSON.stringify(a[keyword]) === JSON.stringify(b[keyword]))
  if (isTuple && !same && (b['items'] !== undefined || b['prefixItems'] !== undefined)) {
    refuse(path, 'has the items of two schemas that must both hold, which cannot be enforced while decoding. Write them as one')
  }
}
