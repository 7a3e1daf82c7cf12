/** What the process of an evaluation is asked, and what it answers: plain data over its IPC channel. */
import type { DataKindName } from '../data/kinds.ts'
import type { Precision } from '../models/graph/parts.ts'
import type { Estimate } from './statistics.ts'

/** How answers are drawn, as requests and the database have it. */
export interface SuiteSampling {
  /** Answers to each prompt. */
  readonly samples: number
  readonly temperature: number
  readonly max_tokens: number
  /** Of the answers, and of which rows are taken where there are more than the limit. */
  readonly seed: number
}

/** Measures one model on one suite. */
export interface EvaluationRequest {
  /** Hugging Face id, path or package of the base. */
  readonly model: string
  /** Folder of the adapter; null: the base alone. */
  readonly adapter: string | null
  readonly precision: Precision
  readonly threads?: number | undefined
  readonly rows: SuiteFile
  /** JSON of a grader that names no file, function or model. */
  readonly grader: unknown
  readonly sampling: SuiteSampling
  /** The most prompts that are taken. */
  readonly limit: number
  /** What an earlier process has measured before it was interrupted, by position. */
  readonly measured: readonly ItemGrades[]
}

/** Grades of the answers to one prompt. */
export interface ItemGrades {
  readonly position: number
  readonly grades: readonly AnswerGrade[]
}

export interface SuiteFile {
  readonly path: string
  /** What the client calls it. */
  readonly name: string
  /** undefined: by the fields of its first row. */
  readonly kind?: DataKindName | undefined
  /** The rows' positions in what the file was made of; their numbers from 0 unless given. */
  readonly positions?: readonly number[] | undefined
}

export type EvaluationMessage =
  /** How many prompts there are, of what kind their rows are, and how many of `measured` count: all, or none. */
  | { readonly type: 'planned'; readonly total: number; readonly kind: DataKindName; readonly kept: number }
  | { readonly type: 'items'; readonly items: readonly MeasuredItem[] }
  | { readonly type: 'done'; readonly result: EvaluationResult }
  /** `stack` only where it is a fault of ours. */
  | { readonly type: 'failed'; readonly message: string; readonly stack?: string | undefined }

/** A prompt with the model's answers to it. */
export interface MeasuredItem {
  readonly position: number
  readonly prompt: readonly ItemMessage[]
  readonly reference: string | null
  readonly answers: readonly MeasuredAnswer[]
}

export interface ItemMessage {
  readonly role: string
  readonly content: string
}

export interface MeasuredAnswer extends AnswerGrade {
  readonly text: string
}

/** What remains of an answer when its text is deleted. */
export interface AnswerGrade {
  /** null: it could not be graded. */
  readonly reward: number | null
  readonly components: Readonly<Record<string, number | null>>
  readonly finish_reason: 'stop' | 'length'
}

export interface EvaluationResult {
  readonly prompts: number
  /** Mean reward over prompts. */
  readonly score: Estimate
  /** By name, each component's mean over prompts; none where the grader is not made of others. */
  readonly components: Readonly<Record<string, Estimate>>
  /** Shares of the answers: not ended before the limit; without a reward. */
  readonly cut: number
  readonly ungraded: number
  /** Of pairs: how often the chosen answer is likelier, per token, than the rejected one; null also where the model can read none. */
  readonly preferenceAccuracy: Estimate | null
}
