/** The worker side of RowReader: rows by the tokenizer and the template of one model. */
import { checkData } from '../../data/check.ts'
import { LengthCheck, type TokenStatistics } from '../../data/check-lengths.ts'
import type { AnyRow, Finding } from '../../data/check-texts.ts'
import { openFilePages, type FilePages } from '../../data/file-pages.ts'
import { dataKinds, kindOfRow, type DataKind, type DataKindName } from '../../data/kinds.ts'
import { RowParser, type NamedFile, type Parsed } from '../../data/read.ts'
import { viewRow, type RowView } from '../../data/view.ts'
import { UserError } from '../../errors.ts'
import { openModel } from '../../models/open.ts'
import type { Tokenizer } from '../../models/tokenizer/tokenizer.ts'
import { serve } from '../../runtime/worker.ts'

/** A row as training sees it, or why it cannot. */
export type Viewed = { readonly view: RowView; readonly problem: null } | { readonly view: null; readonly problem: string }

export interface ViewRequest {
  readonly kind: DataKindName
  readonly rows: readonly unknown[]
  readonly maxLength: number
}

export interface Measured {
  /** Undefined where no row could be rendered. */
  readonly tokens: TokenStatistics | undefined
  readonly truncated: number
  readonly dropped: number
  /** Rows that cannot be rendered. */
  readonly failed: number
}

export interface FileRequest {
  readonly file: NamedFile
  readonly maxLength: number
}

export interface FilePageRequest extends FileRequest {
  readonly from: number
  readonly limit: number
  /** Only rows with this text in them. */
  readonly search: string | undefined
}

export interface FileRow {
  readonly position: number
  readonly where: string
  /** As the file has it; null where that is no JSON. */
  readonly row: unknown
  readonly viewed: Viewed
}

export interface FilePage {
  readonly kind: DataKindName
  /** Rows in the file. */
  readonly total: number
  readonly rows: readonly FileRow[]
  /** Of a search: where it goes on; null at the end. */
  readonly searchedTo: number | null
}

export interface FileRowsRequest {
  readonly file: NamedFile
  /** What the rows are to be for. */
  readonly kind: DataKindName
  readonly from: number
  readonly limit: number
}

export interface FileRows {
  /** What they are for; undefined: no row has a known shape. */
  readonly kind: DataKindName | undefined
  /** Rows in the file. */
  readonly total: number
  /** As data/rows.ts has them. */
  readonly rows: readonly Parsed<AnyRow>[]
}

export interface FileCheck extends Measured {
  readonly kind: DataKindName
  /** Name of the rows' shape; null where no row has a known one. */
  readonly shape: string | null
  readonly rows: number
  readonly usable: number
  readonly errors: number
  readonly warnings: number
  /** The first ones. */
  readonly findings: readonly (Finding & { readonly position: number | null })[]
  readonly duplicates: number
  readonly conflicts: number
  readonly labels: { readonly up: number; readonly down: number } | null
}

let model: { readonly tokenizer: Tokenizer; readonly endTokenIds: readonly number[] } | undefined

serve({
  /** @param path of the model: a directory or a .gguf file */
  async open(path: string): Promise<void> {
    const { tokenizer, config, ...weights } = await openModel(path)
    weights.close()
    model = { tokenizer, endTokenIds: config.eosTokenIds }
  },

  view: ({ kind, rows, maxLength }: ViewRequest): Viewed[] => rows.map((row) => viewed(row as AnyRow, kind, maxLength)),

  /** @param rows as JSON */
  measure({ kind, rows, maxLength }: ViewRequest): Measured {
    const lengths = new LengthCheck(kind, dataKinds[kind] as DataKind<AnyRow>, model!.tokenizer, { endTokenIds: model!.endTokenIds, maxLength })
    const failed = rows.filter((row) => lengths.check({ where: '', row: JSON.parse(row as string) as AnyRow }).some(({ severity }) => severity === 'error'))
    return { tokens: lengths.statistics(), truncated: lengths.truncated, dropped: lengths.dropped, failed: failed.length }
  },

  async filePage({ file, from, limit, search, maxLength }: FilePageRequest): Promise<FilePage> {
    const { pages, kind, parser } = await opened(file)
    const { found, searchedTo } = search === undefined
      ? { found: (await pages.read(from, limit)).map((entry, i) => ({ entry, position: from + i })), searchedTo: null }
      : await searched(pages, search, from, limit)
    return {
      kind,
      total: pages.rows,
      searchedTo,
      rows: found.map(({ entry, position }) => ({
        position, where: entry.where, row: 'row' in entry ? entry.row : null, viewed: viewedEntry(parser.parse(entry), kind, maxLength),
      })),
    }
  },

  async fileRows({ file, kind: wanted, from, limit }: FileRowsRequest): Promise<FileRows> {
    const { pages, isKnown, ...found } = await opened(file)
    const parser = isKnown ? found.parser : new RowParser((dataKinds[wanted] as DataKind<AnyRow>).rows)
    return { kind: isKnown ? found.kind : undefined, total: pages.rows, rows: (await pages.read(from, limit)).map((entry) => parser.parse(entry)) }
  },

  async checkFile({ file, maxLength }: FileRequest): Promise<FileCheck> {
    const report = await checkData(file, model!.tokenizer, { endTokenIds: model!.endTokenIds, maxLength })
    const { pages } = await opened(file)
    const errors = report.findings.filter(({ severity }) => severity === 'error')
    return {
      kind: report.data,
      shape: report.kind ?? null,
      rows: report.rows,
      usable: report.usable,
      errors: errors.length,
      warnings: report.findings.length - errors.length,
      findings: report.findings.slice(0, mostFindings).map((finding) => ({ ...finding, position: pages.positionOf(finding.where) ?? null })),
      duplicates: report.duplicates,
      conflicts: report.conflicts,
      labels: report.labels ?? null,
      tokens: report.tokens,
      truncated: report.truncated,
      dropped: report.dropped,
      failed: report.rows - report.usable - report.dropped,
    }
  },
})

const mostFindings = 200

function viewed(row: AnyRow, kind: DataKindName, maxLength: number): Viewed {
  try {
    return { view: viewRow(row, kind, model!.tokenizer, { endTokenIds: model!.endTokenIds, maxLength }), problem: null }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { view: null, problem: error.message }
  }
}

function viewedEntry(entry: Parsed<AnyRow>, kind: DataKindName, maxLength: number): Viewed {
  return 'row' in entry ? viewed(entry.row, kind, maxLength) : { view: null, problem: entry.problem }
}

interface OpenFile {
  readonly file: NamedFile
  readonly pages: FilePages
  readonly kind: DataKindName
  /** Whether a row has a known shape: else the kind is a guess. */
  readonly isKnown: boolean
  /** Knows the shape of the first row. */
  readonly parser: RowParser<AnyRow>
}

/** The file that was looked at last: its lines are found once. */
let last: OpenFile | undefined

async function opened(file: NamedFile): Promise<OpenFile> {
  if (last?.file.path === file.path && last.file.name === file.name) return last
  const pages = await openFilePages(file)
  const { kind, first } = await firstKnown(pages)
  const parser = new RowParser((dataKinds[kind] as DataKind<AnyRow>).rows)
  if (first !== undefined) parser.parse(first)
  return last = { file, pages, kind, isKnown: first !== undefined, parser }
}

/** Rows that are looked through for one of a known kind, and read at once in searches. */
const block = 500

async function firstKnown(pages: FilePages): Promise<{ readonly kind: DataKindName; readonly first: Parsed<unknown> | undefined }> {
  for (let from = 0; from < pages.rows; from += block) {
    for (const entry of await pages.read(from, block)) {
      const kind = 'row' in entry && typeof entry.row === 'object' && entry.row !== null ? kindOfRow(entry.row) : undefined
      if (kind !== undefined) return { kind, first: entry }
    }
  }
  return { kind: 'sft', first: undefined }
}

const mostSearched = 20_000

async function searched(pages: FilePages, text: string, start: number, limit: number) {
  const found: { readonly entry: Parsed<unknown>; readonly position: number }[] = []
  const needle = JSON.stringify(text.toLowerCase()).slice(1, -1)
  const end = Math.min(pages.rows, start + mostSearched)
  for (let from = start; from < end; from += block) {
    for (const [i, entry] of (await pages.read(from, Math.min(block, end - from))).entries()) {
      if (!('row' in entry) || !JSON.stringify(entry.row).toLowerCase().includes(needle)) continue
      if (found.length === limit) return { found, searchedTo: from + i }
      found.push({ entry, position: from + i })
    }
  }
  return { found, searchedTo: end < pages.rows ? end : null }
}
