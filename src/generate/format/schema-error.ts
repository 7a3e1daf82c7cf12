import { UserError } from '../../errors.ts'

/** A part of a JSON schema, and where it stands (`#/properties/name`). */
export interface Place {
  readonly schema: Schema
  readonly path: string
}

export type Schema = Readonly<Record<string, unknown>>

/** Throws the UserError that says what is wrong where. */
export function refuse(path: string, problem: string): never {
  const place = path.length > 300 ? `${path.slice(0, 300)}…` : path
  throw new UserError(`the format's JSON schema at ${place} ${problem}`, { exitCode: 2 })
}

/** Throws the UserError for a keyword that the decoder does not keep. */
export function refuseKeyword(path: string, keyword: string, why = 'cannot be enforced while decoding. Leave it out, and check it in the answer'): never {
  refuse(path, `has "${keyword}", which ${why}`)
}

export function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
