/** Redaction: personal data and secrets are taken out before anything is stored. */
import { createHash } from 'node:crypto'
import { TimedWorker } from '../evaluate/graders/timed-worker.ts'
import { siblingModule } from '../runtime/worker.ts'
import { messageOf, UserError } from '../errors.ts'
import type { PatternRequest } from './pattern-service.ts'
import { detectors, type Span } from './redact-patterns.ts'

/** A pattern of the team's own: `{mark: 'PATIENT', pattern: 'P-\\d{6}'}` writes `[PATIENT]` in place of its matches. */
export interface CustomPattern {
  readonly mark: string
  readonly pattern: string
  /** JavaScript's, of which `i`, `m`, `s`, `u` and `v` are taken. */
  readonly flags?: string | undefined
}

export interface RedactionOptions {
  /** false: texts are stored as they are. On unless given. */
  readonly enabled?: boolean | undefined
  readonly patterns?: readonly CustomPattern[] | undefined
  /** Milliseconds that the team's own patterns may take with one text; 200 unless given. */
  readonly patternTimeLimit?: number | undefined
}

/** What stands for a text on which a pattern took too long: it might hold what the pattern was to find. */
export const unreadable = '[REDACTED]'

const longestId = 128

/** Takes out of texts what is not to be stored, each kind by a mark: `[EMAIL]`, `[PHONE]`, `[CARD]`, `[KEY]`, `[IBAN]`. */
export class Redactor {
  readonly enabled: boolean
  readonly #patterns: readonly PatternRequest['patterns'][number][]
  readonly #worker: TimedWorker
  /** Texts that were replaced as a whole, since a pattern took too long. */
  overruns = 0

  /** @throws UserError (exitCode 2) for a pattern that is not one */
  constructor({ enabled = true, patterns = [], patternTimeLimit = 200 }: RedactionOptions = {}) {
    this.enabled = enabled
    this.#patterns = patterns.map(checkPattern)
    this.#worker = new TimedWorker(patternTimeLimit, siblingModule(import.meta, './pattern-service'))
  }

  /** A text without what is not to be stored. */
  async text(text: string): Promise<string> {
    if (!this.enabled) return text
    const redacted = redactKnown(text)
    if (this.#patterns.length === 0 || redacted === '') return redacted
    try {
      return await this.#worker.call<string>('replace', { text: redacted, patterns: this.#patterns } satisfies PatternRequest)
    } catch {
      this.overruns++
      return unreadable
    }
  }

  /** The same value with every string in it redacted, keys of objects too. */
  async value<Value>(value: Value): Promise<Value> {
    return (this.enabled ? await this.#deep(value) : value) as Value
  }

  /**
   * An id that a client chose, such as its user's. It has to tell one from another, so one that says too much (an
   * e-mail address), or is too long for an index, becomes its hash; the same id always the same.
   */
  identifier(id: string): string {
    if (id.length <= longestId && (!this.enabled || redactKnown(id) === id)) return id
    return `sha256-${createHash('sha256').update(id).digest('hex').slice(0, 32)}`
  }

  async close(): Promise<void> {
    await this.#worker.close()
  }

  async #deep(value: unknown): Promise<unknown> {
    if (typeof value === 'string') return this.text(value)
    if (Array.isArray(value)) return Promise.all(value.map((element) => this.#deep(element)))
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).map(async ([key, part]) => [await this.text(key), await this.#deep(part)] as const)
    return Object.fromEntries(await Promise.all(entries))
  }
}

function redactKnown(text: string): string {
  let redacted = text
  for (const { mark, find } of detectors) redacted = replaceSpans(redacted, find(redacted), mark)
  return redacted
}

function replaceSpans(text: string, spans: Iterable<Span>, mark: string): string {
  const ordered = [...spans].sort(([a], [b]) => a - b)
  if (ordered.length === 0) return text
  const parts: string[] = []
  let at = 0
  for (const [start, end] of ordered) {
    if (start >= at) parts.push(text.slice(at, start), `[${mark}]`)
    at = Math.max(at, end)
  }
  return parts.join('') + text.slice(at)
}

/** A pattern as command lines have it: `PATIENT=P-\\d{6}`. @throws UserError (exitCode 2) */
export function parsePattern(text: string): CustomPattern {
  const at = text.indexOf('=')
  if (at <= 0) throw new UserError(`A redaction pattern is written MARK=REGEX, got ${text}`, { exitCode: 2 })
  return { mark: text.slice(0, at), pattern: text.slice(at + 1) }
}

function checkPattern({ mark, pattern, flags = '' }: CustomPattern): PatternRequest['patterns'][number] {
  const fault = (problem: string): UserError =>
    new UserError(`The redaction pattern ${JSON.stringify(pattern)}: ${problem}.`, { exitCode: 2 })
  if (!/^[A-Z][A-Z0-9_]{0,31}$/.test(mark)) throw fault(`its mark ${JSON.stringify(mark)} must be capitals, digits and underscores, at most 32`)
  if (!/^[imsuv]*$/.test(flags)) throw fault('its flags may be i, m, s, u and v')
  try {
    if (new RegExp(pattern, flags).test('')) throw fault('it matches the empty text, which is everywhere')
  } catch (error) {
    throw error instanceof UserError ? error : fault(messageOf(error))
  }
  return { mark, pattern, flags: `${flags}g` }
}
