import { createHash } from 'node:crypto'
import { UserError } from '../errors.ts'

const longest = 200
const allowed = /^[A-Za-z0-9_][A-Za-z0-9_.:@+-]*(\/[A-Za-z0-9_][A-Za-z0-9_.:@+-]*)*$/

/**
 * Checks a name that comes from outside: of an adapter, an alias, a dataset. Letters, digits and `_ . : @ + -`, in parts
 * separated by single slashes; nothing that a file system or a URL could read as another place.
 * @param what what the name is of, for the error: `adapter`
 * @returns the name
 * @throws UserError (exitCode 2)
 */
export function checkName(name: string, what: string): string {
  const refuse = (why: string): never => {
    // As JSON, so that control characters are seen and do nothing.
    throw new UserError(`${what} name ${JSON.stringify(name.slice(0, longest))} is not allowed: ${why}`, { exitCode: 2 })
  }
  if (name === '') refuse('it is empty')
  if (name.length > longest) refuse(`it has ${name.length} characters, ${longest} are the most`)
  if (name.includes('..')) refuse('it contains ".."')
  if (!allowed.test(name)) refuse('letters, digits and _ . : @ + - are allowed, and / between parts that begin with a letter, a digit or _')
  return name
}

/** A folder's name for a checked name: one plain part, another one for every name, also where case does not count. */
export function folderName(name: string): string {
  const plain = name.toLowerCase().replace(/[^a-z0-9_-]+/g, '-').slice(0, 80)
  return plain === name ? name : `${plain}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`
}
