import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'

import { messageOf, nearest, UserError } from '../../errors.ts'
import type { GradedSample, Grade, Grader, GraderContext, GraderKind, GraderOptions, NamedGrader, Score } from './grader.ts'
import { describeIssues } from './issues.ts'
import { prepareWeighted, weightedSchema } from './weighted.ts'

/** Graders within graders, files included; a file that names itself ends here. */
const MAX_DEPTH = 8
/** A file of more bytes is no grader. */
const MAX_FILE = 1 << 20

/** Types that others know, and what to use here. */
const elsewhere: Readonly<Record<string, string>> = {
  python: 'python code is not run here; write the function in TypeScript and use {"type": "function", "file": "reward.ts"}',
  label_model: 'label_model is not supported; use score_model with a prompt that asks for a number for each label',
  script: 'use {"type": "function", "file": "reward.ts"}',
}

interface Position {
  readonly kinds: readonly GraderKind[]
  readonly options: GraderOptions
  readonly place: string
  readonly depth: number
}

/** Reads a spec and checks all that can be known of it. Throws UserErrors (exit code 2). */
export function prepare(spec: unknown, options: GraderOptions, kinds: readonly GraderKind[]): NamedGrader {
  return prepareAt(spec, { kinds, options, place: 'grader', depth: 0 })
}

function prepareAt(spec: unknown, position: Position): NamedGrader {
  const { place, depth } = position
  if (depth > MAX_DEPTH) {
    throw new UserError(`${place}: graders are nested more than ${MAX_DEPTH} deep. Does a file name itself?`, { exitCode: 2 })
  }
  if (typeof spec === 'string') return prepareFile(spec, position)
  if (Array.isArray(spec)) {
    refuseBareList(spec, place)
    return { name: 'weighted', ...prepareWeighted(checked(weightedSchema, spec, place), contextOf(position)) }
  }
  if (typeof spec !== 'object' || spec === null) {
    throw new UserError(`${place}: must be a grader's JSON object, a file's path or a list of {grader, weight}, got ${JSON.stringify(spec)}.`, { exitCode: 2 })
  }
  const { type, name, ...rest } = spec as Record<string, unknown>
  const kind = kindOf(type, position)
  const known = checked(z.string().min(1).max(100).default(kind.type), name, `${place}.name`)
  return { name: known, ...kind.prepare(checked(kind.schema, rest, place), contextOf(position)) }
}

/** The slip that is made most: a list of graders without `grader` and `weight`. */
function refuseBareList(list: readonly unknown[], place: string): void {
  const bare = list.findIndex(entry => typeof entry === 'string' || (typeof entry === 'object' && entry !== null && 'type' in entry))
  if (bare === -1) return
  throw new UserError(
    `${place}[${bare}]: a list is a weighted sum; write {"grader": …, "weight": 1} around each of its graders.`,
    { exitCode: 2 },
  )
}

function contextOf(position: Position): GraderContext {
  return {
    options: position.options,
    place: position.place,
    child: (spec, key) => prepareAt(spec, {
      ...position, place: `${position.place}${key.startsWith('[') ? '' : '.'}${key}`, depth: position.depth + 1,
    }),
  }
}

function kindOf(type: unknown, { kinds, place }: Position): GraderKind {
  const types = kinds.map(kind => kind.type)
  const kind = kinds.find(candidate => candidate.type === type)
  if (kind !== undefined) return kind
  if (typeof type !== 'string') throw new UserError(`${place}.type: is missing; known are ${types.join(', ')}.`, { exitCode: 2 })
  const slip = nearest(type, types)
  const hint = Object.hasOwn(elsewhere, type)
    ? elsewhere[type]!
    : `there is no grader of type "${type}"; ${slip === undefined ? `known are ${types.join(', ')}` : `did you mean "${slip}"?`}`
  throw new UserError(`${place}.type: ${hint}`, { exitCode: 2 })
}

function checked<T>(schema: z.ZodType<T>, value: unknown, place: string): T {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  throw new UserError(describeIssues(result.error, schema, place), { exitCode: 2 })
}

/** A grader's file; paths in it are relative to its own folder. */
function prepareFile(path: string, position: Position): NamedGrader {
  const { options, place } = position
  if (options.baseDirectory === undefined) {
    throw new UserError(`${place}: a grader's file can only be named where it is on this machine; write out its JSON.`, { exitCode: 2 })
  }
  const file = resolve(options.baseDirectory, path)
  const spec = readJson(file, `${place}: ${path}`)
  return prepareAt(spec, {
    ...position, options: { ...options, baseDirectory: dirname(file) }, place: `${path}`, depth: position.depth + 1,
  })
}

function readJson(file: string, place: string): unknown {
  let text: string
  try {
    if (statSync(file).size > MAX_FILE) throw new Error('the file is larger than 1 MB')
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UserError(`${place}: the grader's file cannot be read: ${messageOf(error)}`, { exitCode: 2, cause: error })
  }
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new UserError(`${place}: not valid JSON (${messageOf(error)}).`, { exitCode: 2, cause: error })
  }
}

/** Opens what was prepared. */
export async function open({ name, parts, fields, open: start }: NamedGrader): Promise<Grader> {
  const opened = await start()
  return {
    names: parts ?? [name],
    fields: [...new Set(fields)],
    async grade(samples: readonly GradedSample[]): Promise<readonly Grade[]> {
      const scores = await opened.score(samples)
      return scores.map(score => gradeOf(score, name))
    },
    close: async () => { await opened.close?.() },
  }
}

function gradeOf({ value, reason, parts }: Score, name: string): Grade {
  const components = parts ?? { [name]: value }
  return value === null ? { reward: null, components, error: reason ?? 'no score' } : { reward: value, components }
}
