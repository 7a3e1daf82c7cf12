/** What the rows of datasets and files look like in the API: types alone, which the Studio shares. Times are seconds since 1970. */
import type { TokenStatistics } from '../../data/check-lengths.ts'
import type { RowView } from '../../data/view.ts'
import type { DatasetReport } from '../../feedback/dataset-report.ts'
import type { DatasetKind, MadeBy } from '../../feedback/dataset-spec.ts'

/** A version of a dataset. */
export interface WireDataset {
  readonly id: string
  readonly object: 'dataset'
  readonly created_at: number
  readonly name: string
  readonly version: number
  readonly kind: DatasetKind
  /** `dataset:NAME@VERSION` */
  readonly reference: string
  readonly spec: MadeBy
  readonly report: DatasetReport
}

/** `GET /v1/datasets/NAME/versions/VERSION` */
export interface WireDatasetVersion extends WireDataset {
  /** Rows that are still there, and how many a user's deletion has emptied. */
  readonly sizes: Readonly<Record<'train' | 'eval' | 'deleted', number>>
}

/** `GET /v1/datasets/NAME/versions`: the newest first, at most 200. */
export interface WireVersion {
  readonly object: 'dataset.version'
  readonly version: number
  readonly created_at: number
  readonly rows: number
  /** The version that it was made of by editing; null: made of feedback. */
  readonly edited_from: string | null
  readonly note: string | null
}

/** How training sees a row, asked for with `view=true`: what it cannot render has a problem in its place. */
export interface WireView {
  readonly view: RowView | null
  readonly problem: string | null
}

export interface WireRow extends Partial<WireView> {
  readonly object: 'dataset.row'
  readonly position: number
  readonly split: 'train' | 'eval'
  /** null: deleted with the data of its user. */
  readonly row: unknown
  readonly deleted: boolean
  readonly completion_id: string | null
  readonly feedback_id: string | null
}

export interface WireRowPage {
  readonly object: 'list'
  readonly data: readonly WireRow[]
  readonly last_position: number | null
  readonly has_before: boolean
  readonly has_more: boolean
  /** Of a search that has not looked through all: the position from (or before) which it goes on. */
  readonly searched_to: number | null
}

export interface WirePreview extends WireView {
  readonly position: number
}

/** `GET …/lengths`: in tokens, as the served model's tokenizer and template have them. */
export interface WireLengths {
  readonly object: 'dataset.lengths'
  readonly max_length: number
  /** Rows of the version, and how many of them were measured: all, or some that are spread evenly. */
  readonly rows: number
  readonly measured: number
  /** Rows that cannot be rendered. */
  readonly failed: number
  readonly truncated: number
  readonly dropped: number
  readonly tokens: TokenStatistics | null
}

/** `GET …/dropped`: what the report counts, with examples from what is still stored. */
export interface WireDrops {
  readonly object: 'dataset.dropped'
  /** The most frequent first. */
  readonly reasons: readonly { readonly reason: string; readonly rows: number; readonly examples: readonly WireDropExample[] }[]
  /** Some of the contradictions: what each of them is made of. */
  readonly conflicts: readonly (readonly WireDropExample[])[]
}

/** Texts are null where they are no longer stored. */
export interface WireDropExample {
  readonly completion_id: string
  readonly feedback_id: string | null
  readonly question: string | null
  readonly answer: string | null
}

/** A row of an uploaded file. */
export interface WireFileRow extends WireView {
  readonly object: 'file.row'
  readonly position: number
  /** `rows.jsonl:12`, or `rows.json[11]` where rows have no lines. */
  readonly where: string
  /** null: no JSON. */
  readonly row: unknown
}

export interface WireFileRowPage {
  readonly object: 'list'
  /** What the rows are for. */
  readonly kind: DatasetKind
  readonly total: number
  readonly data: readonly WireFileRow[]
  readonly has_before: boolean
  readonly has_more: boolean
  readonly searched_to: number | null
}

/** `GET /v1/files/ID/check` */
export interface WireFileCheck {
  readonly object: 'file.check'
  readonly max_length: number
  readonly kind: DatasetKind
  /** Name of the rows' shape; null where no row has a known one. */
  readonly shape: string | null
  readonly rows: number
  /** Rows that training would take. */
  readonly usable: number
  readonly errors: number
  readonly warnings: number
  /** The first 200, in the order of the file. */
  readonly findings: readonly {
    readonly where: string
    readonly position: number | null
    readonly severity: 'error' | 'warning'
    readonly problem: string
  }[]
  readonly duplicates: number
  readonly conflicts: number
  readonly labels: { readonly up: number; readonly down: number } | null
  readonly truncated: number
  readonly dropped: number
  readonly tokens: TokenStatistics | null
}
