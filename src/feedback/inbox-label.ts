/** One word said of many answers: all that a filter lets through. */
import { UserError } from '../errors.ts'
import type { Store } from '../store/index.ts'
import type { CompletionFilter } from './completion-filter.ts'
import type { FeedbackLog } from './feedback.ts'
import { findIds } from './inbox.ts'
import { mostCounted } from './inbox-counts.ts'
import { sha256 } from './record.ts'
import type { Redactor } from './redact.ts'
import type { FeedbackBody } from './values.ts'

/** Most completions that one call labels. */
export const mostLabelled = mostCounted

/** Completions of one commit. */
const batch = 500

export interface Labelling {
  readonly filter: CompletionFilter
  /** What is said of the first answer of each. */
  readonly say: Omit<FeedbackBody, 'completion_id' | 'idempotency_key'>
  /** How many the caller has seen that there are; where there are more by now, nothing is labelled. */
  readonly expected: number
  /** The same again labels nothing twice, and goes on where the first call was cut off. */
  readonly key: string
}

export interface Labelled {
  readonly matched: number
  readonly created: number
  /** Labelled before, under the same key. */
  readonly existing: number
}

/** @throws UserError where more match than may be labelled at once, or more than the caller has seen */
export async function labelAll(store: Store, redactor: Redactor, log: FeedbackLog, { filter, say, expected, key }: Labelling): Promise<Labelled> {
  const { ids } = await findIds(store, redactor, { filter, limit: mostLabelled + 1 })
  if (ids.length > mostLabelled) throw new UserError(`More than ${mostLabelled} completions match; narrow the filter, for instance by its times`)
  if (ids.length > expected) {
    throw new UserError(`${ids.length} completions match by now, not ${expected}; nothing was labelled. Look at them, then send it again`)
  }
  let created = 0
  for (let start = 0; start < ids.length; start += batch) {
    const outcomes = await log.addAll(ids.slice(start, start + batch).map((id) => ({
      ...say, completion_id: id, idempotency_key: sha256(JSON.stringify([key, id])),
    })))
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') throw outcome.reason
      created += Number(outcome.value.created)
    }
  }
  return { matched: ids.length, created, existing: ids.length - created }
}
