import { isMap, isScalar, LineCounter, parse, parseDocument, type Document } from 'yaml'

import { messageOf, UserError } from '../errors.ts'
import { type Place, RecipeError } from './recipe-error.ts'

/** A recipe before it is checked, and where in the user's hands each of its values comes from. */
export interface Origin {
  readonly value: unknown
  /** Of the value, or of the key, at `path`, or of the closest thing around it that is there. */
  place(path: readonly PropertyKey[]): Place
}

/** A recipe given as an object. */
export function originOfObject(value: unknown): Origin {
  return { value, place: () => ({ name: 'recipe' }) }
}

/** A recipe in YAML; `file` is its name in messages. Throws a RecipeError where the text is no YAML, or has a key twice. */
export function originOfYaml(text: string, file: string): Origin {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const placeAt = (offset: number): Place => {
    const { line, col: column } = lineCounter.linePos(offset)
    return { name: `${file}:${String(line)}`, line, column }
  }
  if (document.errors.length > 0) {
    throw new RecipeError(document.errors.map(({ pos, message }) => ({ place: placeAt(pos[0]), key: '', message: `not valid YAML: ${message}` })))
  }
  if (!isMap(document.contents)) throw noRecipe(file, 'a recipe is a mapping of keys to values (model: ..., method: ..., data: ...)')
  return {
    value: valueOf(document, file),
    place(path) {
      const offset = offsetOf(document.contents, path)
      return offset === undefined ? { name: file } : placeAt(offset)
    },
  }
}

/** A text of a few lines can stand for more values than there is memory: the parser counts, and throws. */
function valueOf(document: Document, file: string): unknown {
  try {
    return document.toJS()
  } catch (error) {
    throw noRecipe(file, `not valid YAML: ${messageOf(error)}`, error)
  }
}

function noRecipe(file: string, message: string, cause?: unknown): RecipeError {
  return new RecipeError([{ place: { name: file }, key: '', message }], { cause })
}

/** The recipe with assignments such as `optimizer.lr=1e-4` applied; an empty value takes the key away. */
export function withSettings(origin: Origin, sets: readonly string[]): Origin {
  if (sets.length === 0) return origin
  const value = structuredClone(origin.value) as Record<string, unknown>
  const paths = sets.map(set => assign(value, set))
  return {
    value,
    place(path) {
      const whole = path.map(String)
      // A fault lies at or below what was set, or in a block that only the setting brought about.
      const added = whole.length > 0 && !has(origin.value, whole)
      const index = paths.findLastIndex(set => startsWith(whole, set) || (added && startsWith(set, whole)))
      return index < 0 ? origin.place(path) : { name: `--set ${sets[index]!}` }
    },
  }
}

/** Carries out one assignment and returns its path. */
function assign(target: Record<string, unknown>, set: string): string[] {
  const equals = set.indexOf('=')
  const path = set.slice(0, Math.max(equals, 0)).split('.')
  if (path.some(part => part === '' || part === '__proto__')) {
    throw new UserError(`--set ${set}: write it as key=value or block.key=value, for example --set optimizer.lr=1e-4`, { exitCode: 2 })
  }
  let value: unknown
  try {
    value = parse(set.slice(equals + 1))
  } catch (error) {
    throw new UserError(`--set ${set}: the value is not valid YAML: ${messageOf(error)}`, { exitCode: 2, cause: error })
  }
  let block = target
  for (const part of path.slice(0, -1)) {
    const inner = block[part]
    block = (typeof inner === 'object' && inner !== null ? inner : (block[part] = {})) as Record<string, unknown>
  }
  const last = path.at(-1)!
  if (value === null) Reflect.deleteProperty(block, last)
  else block[last] = value
  return path
}

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.every((part, i) => part === path[i])
}

function has(value: unknown, path: readonly string[]): boolean {
  return path.reduce<unknown>((at, key) => (at as Record<string, unknown> | null | undefined)?.[key], value) !== undefined
}

/** Offset of the key that the path's last name is, or of the closest thing around it that the text has. */
function offsetOf(node: unknown, path: readonly PropertyKey[]): number | undefined {
  let offset: number | undefined
  let at = node
  for (const part of path) {
    if (isMap(at)) {
      const pair = at.items.find(item => isScalar(item.key) && item.key.value === part)
      if (!pair) return offset
      offset = (pair.key as { range?: readonly number[] }).range?.[0] ?? offset
      at = pair.value
    } else {
      const items: unknown = (at as { items?: unknown } | null)?.items
      at = Array.isArray(items) ? items[Number(part)] : undefined
      offset = (at as { range?: readonly number[] } | undefined)?.range?.[0] ?? offset
    }
  }
  return offset
}
