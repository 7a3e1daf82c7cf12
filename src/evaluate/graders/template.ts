import { nearest, UserError } from '../../errors.ts'
import { type GradedSample, Ungradable } from './grader.ts'

/** Text with places for what a sample holds: `{{item.answer}}`, `{{sample.output_text}}`, `{{sample.output_json.total}}`. */
export interface Template {
  /** Fields of the item that it reads. */
  readonly fields: readonly string[]
  /** The text for a sample. Throws Ungradable where the sample has not what is to be put in. */
  render(sample: GradedSample): string
}

const outputs = ['output_text', 'output_json'] as const

/**
 * Reads a template. Nothing in it is evaluated: a place names a value, own properties only, and what is put in is not
 * read again. Strings are put in as they are, other values as JSON.
 * @param place where the template stands, for the UserErrors of a place that names nothing
 */
export function parseTemplate(text: string, place: string): Template {
  const pieces: (string | ((sample: GradedSample) => unknown))[] = []
  const fields = new Set<string>()
  let at = 0
  for (let open = text.indexOf('{{'); open !== -1; open = text.indexOf('{{', at)) {
    const close = text.indexOf('}}', open)
    if (close === -1) throw fault(place, `"{{" is not closed by "}}" in ${quote(text)}`)
    const path = text.slice(open + 2, close).trim().split('.')
    pieces.push(text.slice(at, open), reader(path, place))
    if (path[0] === 'item' && path[1] !== undefined) fields.add(path[1])
    at = close + 2
  }
  pieces.push(text.slice(at))
  return {
    fields: [...fields],
    render: sample => pieces.map(piece => (typeof piece === 'string' ? piece : asText(piece(sample)))).join(''),
  }
}

/** Reads the value at a path of a sample. */
function reader([root = '', ...path]: readonly string[], place: string): (sample: GradedSample) => unknown {
  const whole = `{{${[root, ...path].join('.')}}}`
  if (path.includes('')) throw fault(place, `${whole} has an empty name in it`)
  if (root === 'item') return ({ item }) => descend(item, path, whole, null)
  if (root !== 'sample') {
    const slip = nearest(root, ['item', 'sample'])
    throw fault(place, `${whole}: there is no "${root}"; known are item.… (the row) and sample.output_text` +
      (slip === undefined ? '' : `; did you mean ${[slip, ...path].join('.')}?`))
  }
  const [name = '', ...rest] = path
  if (name === 'output_text' && rest.length === 0) return ({ output }) => output
  if (name === 'output_json') return ({ output }) => descend(parseOutput(output), rest, whole, 0)
  const slip = nearest(name, outputs)
  throw fault(place, `${whole}: a sample has no "${path.join('.')}"; known are ${outputs.map(known => `sample.${known}`).join(' and ')}` +
    (slip === undefined ? '' : `; did you mean sample.${slip}?`))
}

function fault(place: string, message: string): UserError {
  return new UserError(`${place}: ${message}.`, { exitCode: 2 })
}

/** `worth`: the score where the path leads nowhere. */
function descend(from: unknown, path: readonly string[], whole: string, worth: number | null): unknown {
  let value = from
  for (const name of path) {
    if (!hasField(value, name)) throw new Ungradable(missing(whole, name, value), worth)
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/** Own fields only: `constructor` or `__proto__` are nothing that a row holds. */
function hasField(value: unknown, name: string): boolean {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return false
  return !Array.isArray(value) || /^\d+$/.test(name)
}

function missing(whole: string, name: string, value: unknown): string {
  const known = typeof value === 'object' && value !== null ? Object.keys(value) : []
  const slip = nearest(name, known)
  const list = known.length === 0 ? 'no fields there' : `known: ${known.slice(0, 20).join(', ')}`
  return `${whole}: there is no "${name}" (${list})${slip === undefined ? '' : `; did you mean "${slip}"?`}`
}

function parseOutput(output: string): unknown {
  try {
    return JSON.parse(output)
  } catch {
    throw new Ungradable('the output is not JSON', 0)
  }
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)
}
