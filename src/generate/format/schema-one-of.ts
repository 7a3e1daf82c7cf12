/** `oneOf` is `anyOf` where no value fits two of its options. */
import { isObject, type Schema } from './schema-error.ts'

/** @param resolve what an option is that refers to another schema */
export function areExclusive(options: readonly unknown[], resolve: (option: unknown) => unknown): boolean {
  const resolved = options.map((option) => resolve(option))
  return resolved.every((a, i) => resolved.slice(i + 1).every((b) => isObject(a) && isObject(b) && exclude(a, b, resolve)))
}

function exclude(a: Schema, b: Schema, resolve: (option: unknown) => unknown): boolean {
  return haveNoCommonType(a, b) || haveNoCommonValue(a, b) || sharedNames(a, b).some((name) => {
    const [one, other] = [a, b].map((schema) => resolve((schema['properties'] as Schema)[name]))
    return isObject(one) && isObject(other) && haveNoCommonValue(one, other)
  })
}

function haveNoCommonType(a: Schema, b: Schema): boolean {
  const [one, other] = [typeNames(a), typeNames(b)]
  return one !== undefined && other !== undefined && !one.some((type) => other.includes(type))
}

/** Whole numbers are numbers. */
function typeNames({ type }: Schema): unknown[] | undefined {
  if (type === undefined) return undefined
  return (Array.isArray(type) ? (type as unknown[]) : [type]).map((each) => (each === 'integer' ? 'number' : each))
}

function haveNoCommonValue(a: Schema, b: Schema): boolean {
  const [one, other] = [constantsOf(a), constantsOf(b)]
  return one !== undefined && other !== undefined && !one.some((value) => other.includes(value))
}

function constantsOf(schema: Schema): string[] | undefined {
  if (schema['const'] !== undefined) return [JSON.stringify(schema['const'])]
  return Array.isArray(schema['enum']) ? schema['enum'].map((value) => JSON.stringify(value)) : undefined
}

/** Properties that both objects must have. */
function sharedNames(a: Schema, b: Schema): string[] {
  const [one, other] = [requiredNames(a), requiredNames(b)]
  return one.filter((name) => other.includes(name))
}

function requiredNames({ type, required, properties }: Schema): string[] {
  if (type !== 'object' || !Array.isArray(required) || !isObject(properties)) return []
  return required.filter((name): name is string => typeof name === 'string' && Object.hasOwn(properties, name))
}
