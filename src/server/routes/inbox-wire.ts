/** What `/v1/inbox` and `POST /v1/feedback/batch` answer: types alone, which the Studio shares. Times are seconds since 1970. */

/** What of the completions is meant; all that is said must hold. The filter of `POST /v1/datasets` is the same. */
export interface WireInboxFilter {
  /** Seconds, a date or a time. */
  readonly from?: number | string
  readonly to?: number | string
  readonly tags?: Readonly<Record<string, string>>
  readonly alias?: string
  /** null: what the base answered. */
  readonly adapter?: string | null
  readonly model?: string
  readonly user?: string
  readonly source?: WireSource
  readonly feedback?: {
    readonly name: string
    readonly min?: number
    readonly max?: number
    readonly value?: boolean | number | string
    readonly tags?: Readonly<Record<string, string>>
  }
  /** true: nothing was said of it. */
  readonly unlabelled?: boolean
  readonly has_comment?: boolean
  readonly text?: string
}

export type WireSource = 'server' | 'logged' | 'imported'

/** A message in OpenAI's shape. */
export interface WireMessage {
  readonly role: string
  readonly content?: unknown
  readonly [field: string]: unknown
}

export interface WireFeedback {
  readonly id: string
  readonly object: 'feedback'
  readonly created_at: number
  readonly completion_id: string
  readonly choice_index: number
  readonly name: string
  /** null: deleted. */
  readonly value: unknown
  readonly tags: Readonly<Record<string, string>>
  readonly user: string | null
  readonly idempotency_key: string | null
  /** Later feedback has taken its place. */
  readonly superseded: boolean
}

export interface WireChoice {
  readonly index: number
  /** null: deleted. */
  readonly message: WireMessage | null
  readonly finish_reason: string
}

/** A completion with all that was said of it. */
export interface WireInboxItem {
  readonly id: string
  readonly object: 'inbox.item'
  readonly created_at: number
  readonly kind: 'chat' | 'text'
  readonly source: WireSource
  readonly model: string
  readonly adapter: string | null
  readonly alias: string | null
  readonly user: string | null
  readonly conversation_id: string
  readonly metadata: Readonly<Record<string, string>>
  /** What was asked; without the first `messages_before` of it. */
  readonly messages: readonly WireMessage[]
  readonly messages_before: number
  readonly choices: readonly WireChoice[]
  /** The newest first. */
  readonly feedback: readonly WireFeedback[]
  /** Whether long texts were cut: a list has their beginnings. */
  readonly cut: boolean
}

/** `GET` or `POST /v1/inbox` */
export interface WireInboxPage {
  readonly object: 'list'
  readonly data: readonly WireInboxItem[]
  /** The `after` of the next page; null: this is the last. A page of a search for text may be empty and not be the last. */
  readonly next: string | null
  readonly has_more: boolean
}

export interface WireCount {
  readonly count: number
  /** false: there are more. */
  readonly exact: boolean
}

/** `GET` or `POST /v1/inbox/counts` */
export interface WireInboxCounts {
  readonly object: 'inbox.counts'
  readonly completions: WireCount
  /** Completions of which nothing was said. */
  readonly unlabelled: WireCount
  /** Words that hold. */
  readonly thumbs_up: WireCount
  readonly thumbs_down: WireCount
  readonly ratings: WireCount
  readonly corrections: WireCount
  readonly choices: WireCount
  readonly comments: WireCount
  /** Where the filter has a text: so many completions, the newest, were searched at most. */
  readonly searched: number | null
}

export interface WireFacetValue {
  readonly value: string
  readonly count: number
}

/** `GET /v1/inbox/facets`: what was seen among the newest 5,000 completions. */
export interface WireInboxFacets {
  readonly object: 'inbox.facets'
  readonly models: readonly WireFacetValue[]
  readonly aliases: readonly WireFacetValue[]
  readonly adapters: readonly WireFacetValue[]
  readonly sources: readonly WireFacetValue[]
  /** Names of feedback. */
  readonly feedback: readonly WireFacetValue[]
  readonly tags: readonly { readonly key: string; readonly values: readonly WireFacetValue[] }[]
}

/** `GET /v1/inbox/completions/ID` has the item and `GET /v1/inbox/conversations/ID` all turns, the oldest first. */
export interface WireConversation {
  readonly object: 'inbox.conversation'
  readonly id: string
  readonly turns: readonly WireTurn[]
  readonly has_earlier: boolean
  readonly has_later: boolean
}

export interface WireTurn extends WireInboxItem {
  /** The turn that this one goes on from, whose messages and answer are the first `messages_before` of its own. */
  readonly parent: string | null
}

/** `POST /v1/inbox/label` */
export interface WireLabelled {
  readonly object: 'inbox.labelled'
  readonly matched: number
  readonly created: number
  readonly existing: number
}

/** `POST /v1/inbox/preview`: what a dataset of this filter would be. */
export interface WirePreview {
  readonly object: 'dataset.preview'
  readonly kind: 'sft' | 'pairs' | 'labelled' | 'prompts'
  readonly rows: number
  readonly splits: { readonly train: number; readonly eval: number }
  /** Rows by what they are made of. */
  readonly origins: Readonly<Record<string, number>>
  /** What is no row, by reason. */
  readonly dropped: Readonly<Record<string, number>>
  readonly contradictions: number
  readonly duplicates: number
  readonly warnings: readonly string[]
  /** false: only the newest 20,000 events were read; the version will have more. */
  readonly complete: boolean
}

/** `POST /v1/feedback/batch`: an outcome for each item, in their order. */
export interface WireFeedbackBatch {
  readonly object: 'feedback.batch'
  readonly created: number
  readonly existing: number
  readonly failed: number
  readonly results: readonly WireBatchResult[]
}

export type WireBatchResult =
  | { readonly index: number; readonly status: 'created' | 'existing'; readonly feedback: WireFeedback; readonly completion: 'known' | 'unknown' }
  | { readonly index: number; readonly status: 'failed'; readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string | null } }
