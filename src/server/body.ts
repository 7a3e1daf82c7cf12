import type { Context } from 'hono'
import { z } from 'zod'
import { nearest } from '../errors.ts'
import { ApiError } from './errors.ts'

/** Most bytes of a JSON body. */
const maxJsonBytes = 10_000_000
/** Most arrays and objects inside one another: what is read further on may call itself for each. */
const maxJsonDepth = 100

/**
 * The request's JSON body, checked.
 * @throws ApiError 413 for one that is too large; 400 whose `param` is the path of the key that is wrong
 */
export async function readJson<Schema extends z.ZodType>(c: Context, schema: Schema): Promise<z.output<Schema>> {
  return checked(await parseJson(c), schema)
}

/** As `readJson`, for routes whose body may be left out: an empty one is read as {}. */
export async function readOptionalJson<Schema extends z.ZodType>(c: Context, schema: Schema): Promise<z.output<Schema>> {
  return checked(await parseJson(c, '{}'), schema)
}

/** The query's parameters, checked; each is a text. */
export function readQuery<Schema extends z.ZodType>(c: Context, schema: Schema): z.output<Schema> {
  return checked(c.req.query(), schema)
}

async function parseJson(c: Context, whereEmpty = ''): Promise<unknown> {
  const text = await readText(c)
  const body = parse(text.trim() === '' ? whereEmpty : text)
  checkNesting(body)
  return body
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ApiError(400, `The body is not valid JSON: ${(error as SyntaxError).message}`, { code: 'invalid_json', cause: error })
  }
}

/** Refuses what no client writes: values in too many others, and a key that would be an object's prototype where it is copied. */
function checkNesting(body: unknown): void {
  let level = [body]
  for (let depth = 0; level.length > 0; depth++) {
    const objects = level.filter((value) => typeof value === 'object' && value !== null)
    if (depth === maxJsonDepth && objects.length > 0) {
      throw new ApiError(400, `The body has more than ${maxJsonDepth} arrays and objects inside one another`, { code: 'invalid_json' })
    }
    if (objects.some((object) => Object.hasOwn(object, '__proto__'))) throw new ApiError(400, 'The body has a key __proto__', { code: 'invalid_json' })
    level = objects.flatMap((object) => Object.values(object) as unknown[])
  }
}

/** @throws ApiError 413 as soon as there is more than may be, whether the header says so or not */
async function readText(c: Context): Promise<string> {
  if (Number(c.req.header('content-length') ?? 0) > maxJsonBytes) throw tooLarge()
  const { body } = c.req.raw
  if (body === null) return ''
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of body as AsyncIterable<Uint8Array>) {
    bytes += part.length
    if (bytes > maxJsonBytes) throw tooLarge()
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function tooLarge(): ApiError {
  return new ApiError(413, `The body has more than ${maxJsonBytes} bytes`, { code: 'body_too_large' })
}

/** @throws ApiError 400 as `readJson` does */
export function checked<Schema extends z.ZodType>(value: unknown, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(value, { reportInput: true })
  if (parsed.success) return parsed.data
  throw issueError(deepest(parsed.error.issues[0]!), schema)
}

type Issue = z.core.$ZodIssue

/** Of a union's issues, those of the member that the value came nearest to. */
function deepest(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue
  const first = issue.errors.flatMap((issues) => issues.slice(0, 1)).toSorted((a, b) => b.path.length - a.path.length)[0]
  if (first === undefined || first.path.length === 0) return issue
  return deepest({ ...first, path: [...issue.path, ...first.path] })
}

function issueError(issue: Issue, schema: z.ZodType): ApiError {
  if (issue.code === 'unrecognized_keys') return unknownKey(issue, schema)
  const param = pathText(issue.path)
  const what = param === '' ? 'the body' : param
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined
  const why = issue.code === 'invalid_key' ? issue.issues[0]!.message : issue.message
  return new ApiError(400, isMissing ? `${what} is missing` : `${what}: ${why}${shown(issue)}`, {
    param: param === '' ? undefined : param, code: 'invalid_value',
  })
}

function unknownKey(issue: z.core.$ZodIssueUnrecognizedKeys, schema: z.ZodType): ApiError {
  const param = pathText([...issue.path, issue.keys[0]!])
  const slip = nearest(issue.keys[0]!, keysAt(schema, issue.path))
  const hint = slip === undefined ? '' : `; did you mean ${slip}?`
  return new ApiError(400, `Unknown parameter: ${param}${hint}`, { param, code: 'unknown_parameter' })
}

/** The keys that the schema has at a path, where it is an object there. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema
  for (const key of path) at = at instanceof z.ZodObject ? unwrapped((at.shape as Record<PropertyKey, unknown>)[key]) : undefined
  return at instanceof z.ZodObject ? Object.keys(at.shape) : []
}

function unwrapped(schema: unknown): unknown {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodNullable ? unwrapped(schema.unwrap()) : schema
}

/** A short value as it was sent: most mistakes are seen at once. */
function shown({ input }: Issue): string {
  const text = typeof input === 'object' || input === undefined ? '' : JSON.stringify(input)
  return text === '' || text.length > 60 ? '' : `, got ${text}`
}

/** `messages[0].content`, as OpenAI writes it. */
function pathText(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`)).join('')
}
