/** What a version does not have, and why: counts from its report, examples from what is still stored. */
import type { Store } from '../store/index.ts'
import type { DatasetReport } from './dataset-report.ts'
import { candidates, type DropReason } from './dataset-rows.ts'
import { datasetBody, type DatasetSpec } from './dataset-spec.ts'
import type { Dataset } from './datasets.ts'
import type { ChatMessage } from './record.ts'
import type { Redactor } from './redact.ts'

/** A completion that was left out, as far as it is still stored. */
export interface DropExample {
  readonly completionId: string
  readonly feedbackId: string | null
  /** The last thing that the user said, and what was answered; shortened. Null: no longer stored, or no text. */
  readonly question: string | null
  readonly answer: string | null
}

export interface DatasetDrops {
  readonly reasons: readonly { readonly reason: keyof DatasetReport['dropped']; readonly rows: number; readonly examples: readonly DropExample[] }[]
  /** Some of the contradictions: what each of them is made of. */
  readonly conflicts: readonly (readonly DropExample[])[]
}

const examplesOfEach = 3
/** Events that are looked through for examples, the newest first. */
const mostLookedThrough = 5000
const shownConflicts = 10
const shownCharacters = 300

export async function datasetDrops(store: Store, dataset: Dataset, redactor: Redactor): Promise<DatasetDrops> {
  const { dropped, conflicts } = dataset.report
  const found = await findExamples(store, dataset, redactor)
  const listed = conflicts.first.slice(0, shownConflicts)
  const ids = [...[...found.values()].flat(), ...listed.flatMap(({ completions }) => completions.map((completionId) => ({ completionId })))]
  const texts = await textsOf(store, [...new Set(ids.map(({ completionId }) => completionId))])
  const example = (completionId: string, feedbackId: string | null): DropExample =>
    ({ completionId, feedbackId, ...texts.get(completionId) ?? { question: null, answer: null } })
  return {
    reasons: (Object.entries(dropped) as [keyof typeof dropped, number][]).toSorted(([, a], [, b]) => b - a).map(([reason, rows]) => ({
      reason, rows, examples: (found.get(reason as DropReason) ?? []).map(({ completionId, feedbackId }) => example(completionId, feedbackId)),
    })),
    conflicts: listed.filter(({ completions }) => completions.length > 0).map(({ completions, feedback }) => completions.map((id, i) => example(id, feedback[i] ?? null))),
  }
}

type Found = ReadonlyMap<DropReason, readonly Pick<DropExample, 'completionId' | 'feedbackId'>[]>

/** Goes the way again that made the version, with what is stored now. */
async function findExamples(store: Store, { name, kind, createdAt, spec: { edited: _, ...made }, report }: Dataset, redactor: Redactor): Promise<Found> {
  const found = new Map<DropReason, Pick<DropExample, 'completionId' | 'feedbackId'>[]>()
  const wanted = Object.keys(report.dropped).filter((reason) => reason !== 'completion_not_stored') as DropReason[]
  const parsed = datasetBody.safeParse({ ...made, name, kind })
  if (wanted.length === 0 || !parsed.success) return found
  const spec: DatasetSpec = { ...parsed.data, filter: upTo(parsed.data.filter, createdAt), options: { ...parsed.data.options, limit: mostLookedThrough } }
  for await (const page of candidates(store, spec, redactor)) {
    for (const outcome of page) {
      if (!('drop' in outcome)) continue
      const list = found.get(outcome.drop) ?? []
      if (list.length < examplesOfEach) found.set(outcome.drop, [...list, outcome])
    }
    if (wanted.every((reason) => found.get(reason)?.length === examplesOfEach)) break
  }
  return found
}

/** Completions that the version could have seen. */
function upTo(filter: DatasetSpec['filter'], milliseconds: number): DatasetSpec['filter'] {
  return filter.to === undefined ? { ...filter, to: milliseconds / 1000 } : filter
}

async function textsOf({ db }: Store, ids: readonly string[]): Promise<Map<string, Pick<DropExample, 'question' | 'answer'>>> {
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('completions')
    .leftJoin('choices', (join) => join.onRef('choices.completion_id', '=', 'completions.id').on('choices.position', '=', 0))
    .select(['completions.id', 'completions.prompt_json', 'choices.message_json']).where('completions.id', 'in', ids).execute()
  return new Map(rows.map(({ id, prompt_json: prompt, message_json: message }) => [id, {
    question: prompt === null ? null : excerpt((JSON.parse(prompt) as ChatMessage[]).findLast(({ role }) => role === 'user')),
    answer: message === null ? null : excerpt(JSON.parse(message) as ChatMessage),
  }]))
}

function excerpt(message: ChatMessage | undefined): string | null {
  if (typeof message?.content !== 'string') return null
  return message.content.length > shownCharacters ? `${message.content.slice(0, shownCharacters)}…` : message.content
}
