import { existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { UserError, messageOf, nearest } from '../errors.ts'
import { parseCsv } from './csv.ts'
import { readParquet } from './parquet.ts'
import { describeIssues, detectKind } from './rows.ts'
import type { RowKind } from './rows.ts'

/** A row and its place in the file: `train.jsonl:12`, or `train.json[11]` where rows have no lines. */
export interface Located<Row> {
  readonly where: string
  readonly row: Row
}

/** A file whose name is not its path: what was uploaded lies under the digest of its content. */
export interface NamedFile {
  readonly path: string
  /** As rows and errors name it. */
  readonly name: string
  /** `.jsonl`, `.json`, `.csv` …: what it is read as. */
  readonly extension: string
}

export type DataFile = string | NamedFile

/** A row that cannot be used, and why. */
export interface Fault {
  readonly where: string
  readonly problem: string
}

export type Parsed<Row> = Located<Row> | Fault

export interface ParsedFile<Row> {
  /** The kind of the first row that has one; all others must be of it. */
  readonly kind: RowKind<Row> | undefined
  /** In the order of the file. */
  readonly entries: readonly Parsed<Row>[]
}

/**
 * The rows of a data file: .jsonl, .json (an array), .csv or .parquet (a column for each field).
 * `kinds` are the shapes that the caller can use; all rows are of one of them.
 * Throws a UserError for the first row that is malformed or of another kind than those before it.
 */
export async function readRows<Row>(file: DataFile, kinds: readonly RowKind<Row>[]): Promise<Located<Row>[]> {
  const { entries } = await parseRows(file, kinds)
  return entries.map(entry => {
    if ('row' in entry) return entry
    throw new UserError(`${entry.where}: ${entry.problem}`, { exitCode: 2 })
  })
}

/** As `readRows`, with what is wrong with each row in its place. Throws only where the file as a whole cannot be read. */
export async function parseRows<Row>(file: DataFile, kinds: readonly RowKind<Row>[]): Promise<ParsedFile<Row>> {
  const values = await readValues(file)
  if (values.length === 0) throw new UserError(`${nameOf(file)}: there are no rows in it.`, { exitCode: 2 })
  const parser = new RowParser(kinds)
  const entries = values.map((entry) => parser.parse(entry))
  return { kind: parser.kind, entries }
}

/** Checks the rows of a file one after another. */
export class RowParser<Row> {
  readonly #kinds: readonly RowKind<Row>[]
  #first: { readonly kind: RowKind<Row>; readonly where: string } | undefined

  constructor(kinds: readonly RowKind<Row>[]) {
    this.#kinds = kinds
  }

  /** The kind of the first row that had one; all after it must be of the same. */
  get kind(): RowKind<Row> | undefined {
    return this.#first?.kind
  }

  parse(entry: Parsed<unknown>): Parsed<Row> {
    if ('problem' in entry) return entry
    const { where, row: value } = entry
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return { where, problem: `a row must be a JSON object, such as ${this.#kinds[0]!.example}` }
    }
    const kind = detectKind(value, this.#kinds)
    if (kind === undefined) return { where, problem: unknownKind(value, this.#kinds) }
    const first = this.#first ??= { kind, where }
    if (kind !== first.kind) {
      return { where, problem: `this row is ${kind.name}, but ${first.where} is ${first.kind.name}; use a file for each` }
    }
    const result = kind.schema.safeParse(value)
    return result.success ? { where, row: result.data } : { where, problem: describeIssues(result.error) }
  }
}

function unknownKind<Row>(value: object, kinds: readonly RowKind<Row>[]): string {
  const keys = Object.keys(value)
  const fields = [...new Set(kinds.flatMap(kind => kind.fields))]
  const slip = fields.filter(field => !keys.includes(field)).flatMap(field => {
    const key = nearest(field, keys.filter(candidate => !fields.includes(candidate)))
    return key === undefined ? [] : [`is "${key}" meant to be "${field}"?`]
  })[0]
  const has = keys.length === 0 ? 'no fields' : `the fields ${keys.join(', ')}`
  return `the row has ${has}${slip === undefined ? '' : ` (${slip})`}; a row looks like ${kinds.map(kind => kind.example).join(' or ')}`
}

/** What a file is called. */
export function nameOf(file: DataFile): string {
  return typeof file === 'string' ? file : file.name
}

/** The rows of a data file as they stand there. Throws a UserError where the file as a whole cannot be read. */
export async function readValues(file: DataFile): Promise<Parsed<unknown>[]> {
  const { path, name, extension } = typeof file === 'string' ? { path: file, name: file, extension: extname(file).toLowerCase() } : file
  if (!existsSync(path)) throw new UserError(`${name}: there is no such file.`, { exitCode: 2 })
  if (statSync(path).isDirectory()) throw new UserError(`${name}: is a directory; give a data file in it.`, { exitCode: 2 })
  switch (extension) {
    case '.jsonl':
    case '.ndjson':
      return jsonLines(await readText(path, name), name)
    case '.json': {
      const text = await readText(path, name)
      return text.trimStart().startsWith('[') ? jsonArray(text, name) : jsonLines(text, name)
    }
    case '.csv':
      return csvRows(await readText(path, name), name)
    case '.parquet': {
      const rows = await readParquet(await readFile(path), name)
      return rows.map((row, index) => ({ where: `${name}[${index}]`, row }))
    }
    default:
      throw new UserError(
        `${name}: data is read from .jsonl, .json, .csv and .parquet files, not from "${extension}".`,
        { exitCode: 2 },
      )
  }
}

/** UTF-8, a byte order mark removed. */
async function readText(path: string, name: string): Promise<string> {
  const bytes = await readFile(path)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    const line = invalidLine(bytes)
    throw new UserError(`${name}:${line}: this line is not UTF-8. Save the file as UTF-8.`, { exitCode: 2, cause: error })
  }
}

function invalidLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(10, start)
    const end = newline === -1 ? bytes.length : newline
    try {
      decoder.decode(bytes.subarray(start, end))
    } catch {
      return line
    }
    start = end + 1
  }
  return line
}

function jsonLines(text: string, file: string): Parsed<unknown>[] {
  return text.split('\n').flatMap((content, index): Parsed<unknown>[] =>
    content.trim() === '' ? [] : [parseLine(content, `${file}:${index + 1}`)])
}

/** A line of a .jsonl file. */
export function parseLine(content: string, where: string): Parsed<unknown> {
  try {
    return { where, row: JSON.parse(content) as unknown }
  } catch (error) {
    return { where, problem: `not valid JSON (${messageOf(error)}); each line must be one JSON object` }
  }
}

function jsonArray(text: string, file: string): Parsed<unknown>[] {
  let rows: unknown
  try {
    rows = JSON.parse(text)
  } catch (error) {
    throw new UserError(`${file}: not valid JSON (${messageOf(error)}).`, { exitCode: 2, cause: error })
  }
  return (rows as unknown[]).map((row, index) => ({ where: `${file}[${index}]`, row }))
}

function csvRows(text: string, file: string): Parsed<unknown>[] {
  const [header, ...records] = parseCsv(text, file)
  if (header === undefined) return []
  const twice = header.fields.find((name, index) => header.fields.indexOf(name) !== index)
  if (twice !== undefined) throw new UserError(`${file}:${header.line}: two columns are called "${twice}".`, { exitCode: 2 })
  return records.map(({ fields, line }) => {
    const where = `${file}:${line}`
    if (fields.length !== header.fields.length) {
      return { where, problem: `${fields.length} fields, but the header has ${header.fields.length}` }
    }
    const cells = header.fields.map((name, index): [string, unknown] => [name, cell(name, fields[index]!)])
    return { where, row: Object.fromEntries(cells) }
  })
}

/** A cell is text; only conversations and labels are written as JSON. */
function cell(column: string, text: string): unknown {
  if (column !== 'messages' && column !== 'label') return text
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
