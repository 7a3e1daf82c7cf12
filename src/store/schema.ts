/**
 * The tables, as kysely sees them. The same in SQLite and PostgreSQL: ids and enumerations are text, times are milliseconds
 * since 1970, booleans are 0 or 1, structured values are JSON text (suffix `_json`). JSON text may have any length; texts that
 * are searched by (ids, names, users, tags) have at most some hundred characters: PostgreSQL's indexes take no longer ones.
 */
import type { Generated, Insertable, Selectable } from 'kysely'
import type { EvaluationItemTable, EvaluationTable, SuiteTable } from './schema-evaluations.ts'

/** 0 or 1: SQLite has no booleans. */
export type Flag = 0 | 1

/** An answered request, as it was after redaction. */
export interface CompletionTable {
  readonly id: string
  readonly created_at: number
  /** Where it was answered: here, by another provider and logged, or imported from a log. */
  readonly source: 'server' | 'logged' | 'imported'
  readonly kind: 'chat' | 'text'
  /** What the client asked for. */
  readonly model: string
  /** What answered: an adapter's id, or null for the base or another provider's model. */
  readonly adapter_id: string | null
  /** The alias by which the adapter was asked for. */
  readonly alias: string | null
  /** OpenAI's `user` or `safety_identifier`. */
  readonly user_id: string | null
  /** Turns of one conversation share it: a held-out split keeps them together. */
  readonly conversation_id: string
  /** The messages before the answer, or the prompt's text as one user message; null once deleted. */
  readonly prompt_json: string | null
  /** SHA-256 of prompt_json. */
  readonly prompt_hash: string
  /** Sampling parameters, tools, response format: the request without its messages. */
  readonly parameters_json: string
  readonly metadata_json: string
  readonly prompt_tokens: number
  readonly completion_tokens: number
  /** When it is to be forgotten; null: never. */
  readonly expires_at: number | null
}

/** One of a completion's answers. */
export interface ChoiceTable {
  readonly completion_id: string
  readonly position: number
  /** The assistant's message; null once deleted. */
  readonly message_json: string | null
  /** SHA-256 of message_json. */
  readonly message_hash: string
  readonly finish_reason: string
}

/** What a user said of an answer. It may arrive before the completion that it speaks of. */
export interface FeedbackTable {
  readonly id: string
  readonly created_at: number
  readonly completion_id: string
  /** Which of the completion's answers; 0 unless the client says. */
  readonly position: number
  /** thumbs, rating, comment, correction, choice, or a name of the team's own. */
  readonly name: string
  /** The value as it was sent, after redaction; null once deleted. */
  readonly value_json: string | null
  /** The value where it is a number; 1 or 0 for thumbs and other booleans. */
  readonly number: number | null
  readonly tags_json: string
  readonly user_id: string | null
  readonly idempotency_key: string | null
  /** Later feedback of the same name by the same user on the same answer takes its place: 1. */
  readonly superseded: Flag
}

/**
 * A tag, to be searched by: the metadata of completions and the tags of feedback stand in their rows as JSON, and here again.
 * A tag without a value has the empty one.
 */
export interface TagTable {
  readonly completion_id: string
  /** Whose tag it is; empty: the completion's own metadata. */
  readonly feedback_id: string
  readonly key: string
  readonly value: string
  /** Of the completion or the feedback. */
  readonly created_at: number
}

/** A version of a dataset: never changed once written, but for the content of deleted users. */
export interface DatasetTable {
  readonly id: string
  readonly created_at: number
  readonly name: string
  /** 1, 2, 3 ... of the name. */
  readonly version: number
  /** The kind of its rows: data/kinds.ts. */
  readonly kind: 'sft' | 'pairs' | 'labelled' | 'prompts'
  readonly filter_json: string
  /** Counts, conflicts, duplicates, leakage: feedback/datasets.ts. */
  readonly report_json: string
}

export interface DatasetRowTable {
  readonly dataset_id: string
  readonly position: number
  readonly split: 'train' | 'eval'
  /** A row as data/rows.ts has it; null: a tombstone. */
  readonly row_json: string | null
  readonly completion_id: string | null
  readonly feedback_id: string | null
  readonly user_id: string | null
}

/** A file that was uploaded or that a job wrote; its content lies in the blobs under `sha256`. */
export interface FileTable {
  readonly id: string
  readonly created_at: number
  readonly filename: string
  readonly purpose: string
  readonly bytes: number
  readonly sha256: string
}

export type JobStatus = 'validating_files' | 'queued' | 'running' | 'pausing' | 'paused' | 'succeeded' | 'failed' | 'cancelled'

export interface JobTable {
  readonly id: string
  readonly created_at: number
  readonly started_at: number | null
  readonly finished_at: number | null
  readonly status: JobStatus
  /** The model or adapter that it starts from, as the client named it. */
  readonly model: string
  /** The request's body. */
  readonly request_json: string
  /** The recipe that it became, without its paths. */
  readonly recipe_json: string
  /** File id, or `dataset:NAME@VERSION`. */
  readonly training_file: string
  readonly validation_file: string | null
  /** The adapter that came of it. */
  readonly fine_tuned_model: string | null
  readonly trained_tokens: number | null
  readonly estimated_finish: number | null
  /** {code, message, param} */
  readonly error_json: string | null
  /** What became of its alias and why: registry/promotion.ts. */
  readonly promotion_json: string | null
  readonly metadata_json: string
  /** Process that runs it, to be told from one that died. */
  readonly pid: number | null
  /** When it was told to stop and keep what it has learnt; null: it goes on to its end. */
  readonly finish_requested_at: number | null
}

export interface JobEventTable {
  /** Counts up over all jobs: the order of the events. */
  readonly sequence: Generated<number>
  readonly id: string
  readonly job_id: string
  readonly created_at: number
  readonly level: 'info' | 'warn' | 'error'
  readonly type: 'message' | 'metrics'
  readonly message: string
  readonly data_json: string | null
}

export interface JobCheckpointTable {
  readonly id: string
  readonly job_id: string
  readonly created_at: number
  readonly step: number
  /** The adapter's id under which it is served. */
  readonly adapter_id: string
  readonly metrics_json: string
}

/** A call that is owed to a webhook. */
export interface WebhookTable {
  readonly id: string
  readonly job_id: string
  readonly created_at: number
  readonly url: string
  readonly payload_json: string
  readonly attempts: number
  readonly next_attempt_at: number
  readonly delivered_at: number | null
  readonly error: string | null
}

/** An adapter that can be asked for by its id. */
export interface AdapterTable {
  readonly id: string
  readonly created_at: number
  /** Where its files are: a folder under one of the server's adapter roots. */
  readonly directory: string
  readonly rank: number
  /** Bytes of adapter_model.safetensors. */
  readonly bytes: number
  /** SHA-256 of adapter_model.safetensors. */
  readonly sha256: string
  readonly source: 'job' | 'checkpoint' | 'request' | 'command_line'
  readonly job_id: string | null
  /** The adapter that its training started from; null: the base. */
  readonly parent_id: string | null
  readonly pinned: Flag
  /** What was measured of it: {"eval/loss": …} */
  readonly metrics_json: string
}

export interface AliasTable {
  readonly name: string
  /** null: the base. */
  readonly adapter_id: string | null
  readonly updated_at: number
}

/** Every move of an alias; the first has no `previous_id`. */
export interface AliasMoveTable {
  readonly sequence: Generated<number>
  readonly alias: string
  readonly adapter_id: string | null
  readonly previous_id: string | null
  readonly created_at: number
  readonly reason: string
}

export interface KeyTable {
  readonly id: string
  readonly name: string
  /** SHA-256 of the whole key: a key has 256 random bits, so no slow hash is needed. */
  readonly hash: string
  /** The last four characters, to recognize it by. */
  readonly hint: string
  readonly scopes_json: string
  readonly created_at: number
  readonly expires_at: number | null
  readonly revoked_at: number | null
}

/** Who changed what. */
export interface AuditTable {
  readonly sequence: Generated<number>
  readonly created_at: number
  /** null: without a key, from loopback. */
  readonly key_id: string | null
  /** METHOD /path */
  readonly action: string
  readonly target: string
  readonly detail_json: string
}

export interface Tables {
  completions: CompletionTable
  choices: ChoiceTable
  feedback: FeedbackTable
  tags: TagTable
  datasets: DatasetTable
  dataset_rows: DatasetRowTable
  files: FileTable
  jobs: JobTable
  job_events: JobEventTable
  job_checkpoints: JobCheckpointTable
  webhooks: WebhookTable
  adapters: AdapterTable
  aliases: AliasTable
  alias_moves: AliasMoveTable
  keys: KeyTable
  audit: AuditTable
  suites: SuiteTable
  evaluations: EvaluationTable
  evaluation_items: EvaluationItemTable
}

export type Row<Table extends keyof Tables> = Selectable<Tables[Table]>
export type NewRow<Table extends keyof Tables> = Insertable<Tables[Table]>
