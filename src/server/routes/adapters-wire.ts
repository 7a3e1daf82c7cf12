/** What `/v1/adapters`, `/v1/aliases` and `/v1/merged` answer: types alone, which the Studio shares. Times are seconds since 1970. */

export type AdapterSource = 'job' | 'checkpoint' | 'request' | 'command_line'

export interface WireAdapter {
  readonly id: string
  readonly object: 'adapter'
  readonly created_at: number
  /** Where its files lie on the server. */
  readonly directory: string
  readonly rank: number
  /** Of its weights, on the disk. */
  readonly bytes: number
  readonly sha256: string
  readonly source: AdapterSource
  readonly job: string | null
  /** The adapter that its training started from; null: the base. */
  readonly trained_from: string | null
  readonly pinned: boolean
  /** What its run measured: {"eval/loss": …} */
  readonly metrics: Readonly<Record<string, number>>
  /** Whether it is in memory at this moment; if not, the next request for it loads it. */
  readonly in_memory: boolean
  /** The aliases that point to it. */
  readonly aliases: readonly string[]
}

export interface WireAdapterPage {
  readonly object: 'list'
  readonly data: readonly WireAdapter[]
  readonly has_more: boolean
  /** How many adapters fit the query, on all pages. */
  readonly total: number
  /** What the adapters in memory are and take together. */
  readonly memory: { readonly adapters: number; readonly bytes: number }
}

export type TrafficPeriod = '24h' | '7d'

/** Requests of stored completions, counted in equal spans of time. */
export interface WireTrafficLine {
  /** In each span, the earliest first; the last one is not over. */
  readonly requests: readonly number[]
  readonly total: number
  readonly prompt_tokens: number
  readonly completion_tokens: number
}

export interface WireTraffic {
  readonly object: 'adapter.traffic'
  readonly period: TrafficPeriod
  /** When the first span begins. */
  readonly start: number
  /** Seconds of each span. */
  readonly span: number
  /** What answered, the busiest first; null: the base. */
  readonly adapters: readonly (WireTrafficLine & { readonly adapter: string | null })[]
  /** The names by which it was asked for. */
  readonly aliases: readonly (WireTrafficLine & { readonly alias: string })[]
}

/** What an adapter was made of, and what was made of it. */
export interface WireLineage {
  readonly object: 'adapter.lineage'
  readonly adapter: string
  /** The base's name. */
  readonly base: string
  /** The oldest ancestor first; the last is the adapter itself. */
  readonly steps: readonly WireLineageStep[]
  /** The aliases that point to it, and why. */
  readonly aliases: readonly { readonly name: string; readonly since: number; readonly reason: string | null }[]
  /** Adapters whose training started from it. */
  readonly children: readonly string[]
  /** The other adapters of its run: checkpoints, and what the run ended in. */
  readonly siblings: readonly { readonly id: string; readonly source: AdapterSource; readonly created_at: number }[]
}

export interface WireLineageStep {
  readonly adapter: string
  /** null: it was removed since. */
  readonly source: AdapterSource | null
  readonly created_at: number | null
  /** null: it was trained elsewhere. */
  readonly run: WireLineageRun | null
  readonly data: WireLineageData | null
}

export interface WireLineageRun {
  readonly id: string
  readonly status: string
  readonly method: string
  readonly finished_at: number | null
  /** What became of the alias that was to move to its adapter. */
  readonly promotion: { readonly alias: string; readonly promote: boolean; readonly reason: string } | null
}

export interface WireLineageData {
  /** `dataset:NAME@VERSION`, or a file's id. */
  readonly reference: string
  readonly dataset: { readonly name: string; readonly version: number; readonly kind: string; readonly rows: number } | null
  /** The uploaded file's name; null for a dataset, and where the file was deleted. */
  readonly filename: string | null
}

export type MergeFormat = 'safetensors' | 'gguf'
export type MergeDtype = 'f32' | 'bf16' | 'f16'

/** An adapter written into the weights of its base, or the work on it. */
export interface WireMerge {
  readonly object: 'adapter.merge'
  /** Under which it is found in /v1/merged. */
  readonly name: string
  readonly adapter: string
  readonly format: MergeFormat
  /** null: as the base is stored. */
  readonly dtype: MergeDtype | null
  readonly status: 'queued' | 'running' | 'succeeded' | 'failed'
  /** Weights that are written, of all. */
  readonly progress: { readonly done: number; readonly total: number }
  readonly created_at: number
  /** Where it lies on the server: a directory, or a .gguf file. */
  readonly directory: string
  /** null: not written yet. */
  readonly bytes: number | null
  /** What the product was added to. */
  readonly base: 'original'
  readonly error: string | null
  /** Whether the adapter of this name has other weights by now. */
  readonly outdated: boolean
}

export interface WireAlias {
  readonly object: 'alias'
  readonly name: string
  /** null: the base. */
  readonly adapter: string | null
  readonly updated_at: number
}

export interface WireAliasMove {
  readonly object: 'alias.move'
  readonly alias: string
  readonly adapter: string | null
  readonly previous: string | null
  readonly created_at: number
  readonly reason: string
}
