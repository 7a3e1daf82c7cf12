import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { LengthCheck, type LengthOptions, type TokenStatistics } from './check-lengths.ts'
import { TextCheck, type AnyRow, type Finding } from './check-texts.ts'
import { dataKindOf, dataKinds, type DataKind, type DataKindName } from './kinds.ts'
import { nameOf, parseRows, type DataFile } from './read.ts'

/** What is in a data file, and what is wrong with it, in the order of its lines. */
export interface DataReport {
  readonly file: string
  /** Name of the shape of the rows; undefined where no row is of a known one. */
  readonly kind: string | undefined
  /** What the rows can be learned from as. */
  readonly data: DataKindName
  /** Rows in the file, also those that cannot be used. */
  readonly rows: number
  /** Rows that training would take. */
  readonly usable: number
  readonly findings: readonly Finding[]
  readonly truncated: number
  /** Rows of which `maxLength` leaves an answer without a token that carries loss. */
  readonly dropped: number
  readonly duplicates: number
  /** Rows that contradict one before them: the same answer with the other label, the same pair the other way round. */
  readonly conflicts: number
  /** Thumbs up and down; only where rows have labels. */
  readonly labels?: { readonly up: number; readonly down: number }
  /** Only where a tokenizer was given. */
  readonly tokens: TokenStatistics | undefined
}

/**
 * Checks a data file row by row. With a tokenizer also lengths, masks and cuts are checked, as training makes them.
 * Throws a UserError only where the file as a whole cannot be read.
 */
export async function checkData(file: DataFile, tokenizer?: Tokenizer, options: LengthOptions = {}): Promise<DataReport> {
  const data = (await dataKindOf(file)) ?? 'sft'
  const dataKind = dataKinds[data] as DataKind<AnyRow>
  const { kind, entries } = await parseRows(file, dataKind.rows)
  const texts = new TextCheck(data, tokenizer)
  const lengths = tokenizer && new LengthCheck(data, dataKind, tokenizer, options)
  const findings = entries.flatMap((entry): Finding[] =>
    'row' in entry ? [...texts.check(entry), ...(lengths?.check(entry) ?? [])] : [{ ...entry, severity: 'error' }])
  const failed = new Set(findings.filter(({ severity }) => severity === 'error').map(({ where }) => where))
  const { truncated = 0, dropped = 0 } = lengths ?? {}
  return {
    file: nameOf(file),
    kind: kind?.name,
    data,
    rows: entries.length,
    usable: entries.length - failed.size - dropped,
    findings,
    truncated,
    dropped,
    duplicates: texts.duplicates,
    conflicts: texts.conflicts,
    ...(data === 'labelled' ? { labels: texts.labels } : {}),
    tokens: lengths?.statistics(),
  }
}
