import { refuse } from './schema-error.ts'

/** Most characters of a schema's names and texts, and its deepest nesting. */
const maxLength = 131_072
const maxDepth = 400

/** Throws a UserError where a schema is too large to be looked at; it is not walked by recursion, which depth could exhaust. */
export function checkSize(schema: unknown): void {
  let length = 0
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value: schema, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next
    length += typeof value === 'string' ? value.length : 1
    if (typeof value === 'object' && value !== null) {
      if (depth > maxDepth) refuse('#', `is nested deeper than ${maxDepth}`)
      for (const [name, inner] of Object.entries(value)) {
        length += name.length
        open.push({ value: inner, depth: depth + 1 })
      }
    }
    if (length > maxLength) refuse('#', `is too large: it may have ${maxLength} characters`)
  }
}
