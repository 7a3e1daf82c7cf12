/** Regular languages over bytes, written as expressions. */

/** Both ends belong to it. */
export type Range = readonly [from: number, to: number]

export type Regular =
  | { readonly kind: 'byte'; readonly ranges: readonly Range[] }
  | { readonly kind: 'sequence'; readonly parts: readonly Regular[] }
  | { readonly kind: 'choice'; readonly options: readonly Regular[] }
  | { readonly kind: 'repeat'; readonly of: Regular; readonly min: number; readonly max: number }

/** What a schema asks for takes more states or steps than a request may cost. */
export class FormatTooLarge extends Error {}

/** One byte of the ranges. */
export function byte(...ranges: Range[]): Regular {
  return { kind: 'byte', ranges }
}

/** One of these ASCII characters. */
export function oneOf(characters: string): Regular {
  return byte(...Array.from(characters, (character): Range => [character.charCodeAt(0), character.charCodeAt(0)]))
}

/** The UTF-8 bytes of a text. */
export function literal(text: string): Regular {
  return sequence(...Array.from(Buffer.from(text), (value) => byte([value, value])))
}

export function sequence(...parts: Regular[]): Regular {
  return { kind: 'sequence', parts }
}

/** Any of the options; of none: no text at all, not even the empty one. */
export function choice(...options: Regular[]): Regular {
  return { kind: 'choice', options }
}

export function repeat(of: Regular, min: number, max = Infinity): Regular {
  return { kind: 'repeat', of, min, max }
}

export function optional(of: Regular): Regular {
  return repeat(of, 0, 1)
}

export const empty = sequence()
