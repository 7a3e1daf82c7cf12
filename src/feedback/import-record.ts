/** What the formats of logs have in common. */
import type { z } from 'zod'
import { describeIssues } from '../data/rows.ts'
import type { AnsweredRequest } from './record.ts'
import type { FeedbackBody } from './values.ts'

/** What one record of a log says. */
export interface Imported {
  readonly completions: readonly AnsweredRequest[]
  readonly feedback: readonly ImportedFeedback[]
}

export interface ImportedFeedback {
  readonly body: FeedbackBody
  /** Milliseconds since 1970. */
  readonly createdAt: number | undefined
  /** It speaks of a trace, of which another record may hold the completion: its `completion_id` is the trace's. */
  readonly ofTrace?: boolean
}

/** A record that has a known shape and cannot be used; the message says why. */
export class ImportFault extends Error {}

export interface ImportFormat {
  readonly name: string
  /** Fields by which a record is known; of several formats the first that fits reads it. */
  readonly fits: (record: LogRecord) => boolean
  /** @throws ImportFault */
  readonly read: (record: LogRecord, options: ImportOptions) => Imported
}

/** A record of a file: what a line of JSON or of a table holds. */
export type LogRecord = Readonly<Record<string, unknown>>

export interface ImportOptions {
  /** What other tools call our kinds of feedback: `user-feedback` is `thumbs`. */
  readonly names?: Readonly<Record<string, string>> | undefined
}

/** The value as `schema` has it. @throws ImportFault */
export function checkedBy<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value)
  if (!result.success) throw new ImportFault(describeIssues(result.error))
  return result.data
}

/** Seconds, milliseconds or a date, in milliseconds. */
export function timeOf(time: unknown): number | undefined {
  if (time === undefined || time === null || time === '') return undefined
  const number = Number(time)
  const value = Number.isNaN(number) ? Date.parse(String(time)) : number < 1e11 ? number * 1000 : number
  if (value >= 0 && value <= 1e14) return Math.round(value)
  throw new ImportFault(`the time ${JSON.stringify(time)} cannot be read; write seconds since 1970 or 2026-01-31T12:00:00Z`)
}

const thumbWords: Readonly<Record<string, boolean>> = {
  true: true, '1': true, up: true, yes: true, good: true, like: true, positive: true, '👍': true,
  false: false, '0': false, down: false, no: false, bad: false, dislike: false, negative: false, '-1': false, '👎': false,
}

/** Words for thumbs and texts of numbers, as tables have them. */
export function lenient<Body extends { readonly name?: unknown; readonly value?: unknown }>(body: Body): Body {
  const { name, value } = body
  if (name === 'thumbs') return { ...body, value: thumbWords[String(value).trim().toLowerCase()] ?? value }
  if (name === 'rating' && typeof value === 'string' && value.trim() !== '') return { ...body, value: Number(value) }
  return body
}

/** The body under our name for what it says. */
export function named<Body extends { readonly name?: unknown; readonly value?: unknown }>(body: Body, { names = {} }: ImportOptions): Body {
  const ours = typeof body.name === 'string' && Object.hasOwn(names, body.name) ? names[body.name] : undefined
  return ours === undefined ? body : lenient({ ...body, name: ours })
}
