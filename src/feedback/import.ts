/** Logs that exist become completions and feedback of the store. */
import type { Compilable } from 'kysely'
import { z } from 'zod'
import { messageOf } from '../errors.ts'
import { parseRows } from '../data/read.ts'
import type { RowKind } from '../data/rows.ts'
import type { NewRow, Store } from '../store/index.ts'
import { feedbackRow, insertFeedback } from './feedback.ts'
import { importFormats } from './import-formats.ts'
import { ImportFault, type Imported, type ImportedFeedback, type ImportOptions, type LogRecord } from './import-record.ts'
import { breathing } from './breathing.ts'
import { completionRows, insertCompletion, sha256, type AnsweredRequest } from './record.ts'
import type { Redactor } from './redact.ts'
import { saidIn } from './values.ts'

/** A line that cannot be imported, and why. */
export interface ImportProblem {
  /** `log.jsonl:12` */
  readonly where: string
  readonly problem: string
}

/** What files hold: read and checked, nothing of it stored yet. */
export interface ReadLogs {
  readonly records: readonly Imported[]
  readonly problems: readonly ImportProblem[]
  /** Records by the format that was recognized. */
  readonly formats: Readonly<Record<string, number>>
}

export interface ImportResult {
  readonly completions: { readonly imported: number; readonly there: number }
  readonly feedback: { readonly imported: number; readonly there: number }
}

const anyObject: RowKind<LogRecord> = { name: 'record', fields: [], schema: z.looseObject({}), example: '{…}' }

/** Reads .jsonl, .json (an array, or OpenAI's list), .csv and .parquet files. @throws UserError where a file as a whole cannot be read */
export async function readLogs(files: readonly string[], options: ImportOptions = {}): Promise<ReadLogs> {
  const records: Imported[] = []
  const problems: ImportProblem[] = []
  const formats = new Map<string, number>()
  const pause = breathing()
  for (const file of files) {
    const { entries } = await parseRows(file, [anyObject])
    for (const entry of entries) {
      await pause()
      if ('problem' in entry) {
        problems.push(entry)
        continue
      }
      for (const [place, record] of recordsIn(entry.row, entry.where, /\.csv$/i.test(file))) {
        try {
          const { name, imported } = readRecord(record, options)
          formats.set(name, (formats.get(name) ?? 0) + 1)
          records.push(imported)
        } catch (error) {
          if (!(error instanceof ImportFault)) throw error
          problems.push({ where: place, problem: messageOf(error) })
        }
      }
    }
  }
  return { records, problems, formats: Object.fromEntries(formats) }
}

/** A record, or those of a page that an API gave: {"data": […]}. */
function recordsIn(record: LogRecord, where: string, isTable: boolean): (readonly [where: string, record: LogRecord])[] {
  const { data } = record
  if (!Array.isArray(data)) return [[where, isTable ? cellsOf(record) : record]]
  return data.map((each: unknown, i) => [`${where}[${i}]`, isRecord(each) ? each : {}])
}

function isRecord(value: unknown): value is LogRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A table's empty cells are no values, and its lists and objects are written as JSON. */
function cellsOf(record: LogRecord): LogRecord {
  return Object.fromEntries(Object.entries(record).filter(([, cell]) => cell !== '').map(([name, cell]) => [name, cellOf(cell)]))
}

function cellOf(cell: unknown): unknown {
  if (typeof cell !== 'string' || !/^\s*(?:\[\s*[{"\]]|\{\s*["}])/.test(cell)) return cell
  try {
    return JSON.parse(cell) as unknown
  } catch {
    return cell
  }
}

function readRecord(record: LogRecord, options: ImportOptions): { readonly name: string; readonly imported: Imported } {
  const format = importFormats.find(({ fits }) => fits(record))
  if (format === undefined) {
    const fields = Object.keys(record).slice(0, 12).join(', ')
    const known = importFormats.map(({ name }) => name).join(', ')
    throw new ImportFault(`the record has ${fields === '' ? 'no fields' : `the fields ${fields}`}: known are ${known}`)
  }
  return { name: format.name, imported: format.read(record, options) }
}

/** Records whose rows go into the store together. */
const batch = 200

/**
 * Stores what was read, redacted. Importing the same again changes nothing: what is there already is counted and stays.
 * @param retentionDays after which completions are forgotten, from the day that they were made
 */
export async function importLogs(
  store: Store,
  redactor: Redactor,
  records: readonly Imported[],
  { retentionDays, onProgress }: { readonly retentionDays?: number | undefined; readonly onProgress?: (done: number) => void } = {},
): Promise<ImportResult> {
  const generations = lastGenerations(records)
  const counts = { completions: { imported: 0, there: 0 }, feedback: { imported: 0, there: 0 } }
  for (let start = 0; start < records.length; start += batch) {
    const queries: Compilable[] = []
    const counted: { readonly query: number; readonly of: { imported: number; there: number } }[] = []
    // The first of each one's queries is the row itself.
    const add = (of: { imported: number; there: number }, own: readonly Compilable[]): void => {
      counted.push({ query: queries.length, of })
      queries.push(...own)
    }
    for (const { completions, feedback } of records.slice(start, start + batch)) {
      for (const completion of completions) {
        add(counts.completions, insertCompletion(store, await completionRows(completion, redactor, retentionDays)))
      }
      for (const said of feedback) {
        add(counts.feedback, insertFeedback(store, await rowOf(said, completions, generations, redactor), 'time'))
      }
    }
    const changes = await store.write(...queries)
    for (const { query, of } of counted) of[changes[query] === 1 ? 'imported' : 'there']++
    onProgress?.(Math.min(start + batch, records.length))
  }
  return counts
}

/** Of each trace its last generation, where the trace is no completion of its own. */
function lastGenerations(records: readonly Imported[]): ReadonlyMap<string, string> {
  const all = records.flatMap(({ completions }) => completions)
  const ids = new Set(all.map(({ id }) => id))
  return new Map(all.flatMap(({ id, metadata: { trace_id: trace } }) => (trace === undefined || ids.has(trace) ? [] : [[trace, id]])))
}

/** Its id comes of what it says, so that the same said again is the same row. */
async function rowOf(
  { body, createdAt, ofTrace }: ImportedFeedback,
  completions: readonly AnsweredRequest[],
  generations: ReadonlyMap<string, string>,
  redactor: Redactor,
): Promise<NewRow<'feedback'>> {
  const said = saidIn(body)
  const completionId = ofTrace === true ? generations.get(said.completionId) ?? said.completionId : said.completionId
  const user = body.user ?? completions.find(({ id }) => id === completionId)?.user
  const content = [completionId, said.position, said.name, said.value, user, createdAt]
  const key = body.idempotency_key ?? `import:${sha256(JSON.stringify(content))}`
  const owner = user === undefined ? null : redactor.identifier(user)
  const row = await feedbackRow({ ...said, completionId }, owner, key, redactor, createdAt)
  return { ...row, id: `fb_import_${sha256(key).slice(0, 32)}` }
}
