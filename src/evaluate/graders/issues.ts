import { z } from 'zod'

import { nearest } from '../../errors.ts'

type Issue = z.core.$ZodIssue

/** What people call the types of JSON. */
const names: Readonly<Record<string, string>> = {
  int: 'a whole number', array: 'a list', tuple: 'a list', object: 'an object', record: 'an object', boolean: 'true or false',
}

/** What is wrong with a grader's spec, a line for each fault: its place, the key, and the nearest known one. */
export function describeIssues(error: z.ZodError, schema: z.ZodType, place: string): string {
  return error.issues.flatMap(issue => describe(issue, schema, place)).join('\n')
}

function describe(issue: Issue, schema: z.ZodType, place: string): string[] {
  const at = issue.path.reduce<string>((text, key) => text + (typeof key === 'number' ? `[${key}]` : `.${String(key)}`), place)
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path)
    return issue.keys.map(key => `${at}: unknown field "${key}"; ${hint(key, known, 'known are')}`)
  }
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String)
    const got = typeof issue.input === 'string' ? issue.input : undefined
    return [`${at}: ${issue.input === undefined ? 'is missing' : `there is no ${JSON.stringify(issue.input)}`}; ${hint(got, values, 'it may be')}`]
  }
  if (issue.code === 'invalid_type') {
    const wanted = names[issue.expected] ?? `a ${issue.expected}`
    return [`${at}: ${issue.input === undefined ? `is missing: ${wanted}` : `must be ${wanted}, got ${show(issue.input)}`}`]
  }
  return [`${at}: ${issue.message}`]
}

function show(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function hint(name: string | undefined, known: readonly string[], list: string): string {
  const slip = name === undefined ? undefined : nearest(name, known)
  return slip === undefined ? `${list} ${known.join(', ')}` : `did you mean "${slip}"?`
}

/** Known keys of the object at `path` of a schema. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return keysAt(schema.unwrap() as z.ZodType, path)
  }
  if (schema instanceof z.ZodArray) return keysAt(schema.element as z.ZodType, path.slice(1))
  if (!(schema instanceof z.ZodObject)) return []
  const [key, ...rest] = path
  if (key === undefined) return Object.keys(schema.shape)
  const field = (schema.shape as Record<PropertyKey, z.ZodType>)[key]
  return field === undefined ? [] : keysAt(field, rest)
}
