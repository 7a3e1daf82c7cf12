import type { WireEvaluation } from '../../../../src/server/routes/evaluations-wire.ts'
import { call } from '../../api/client.ts'
import { live, type Live } from '../../api/live.svelte.ts'

export interface List<Item> {
  readonly data: readonly Item[]
  readonly has_more: boolean
}

export function isActive({ status }: Pick<WireEvaluation, 'status'>): boolean {
  return status === 'queued' || status === 'running'
}

/** The latest evaluations, the newest first; asked for often while one of them goes on. To be called while a component is set up. */
export function recentEvaluations(): Live<List<WireEvaluation>> {
  return live(
    (signal) => call<List<WireEvaluation>>('/v1/evaluations', { query: { limit: 50 }, signal }),
    { every: (list) => (list?.data.some(isActive) === true ? 1500 : 10_000) },
  )
}

/** Changes when an evaluation has ended: for whatever shows results to ask for them again. */
export function endedKey(list: List<WireEvaluation> | undefined): string {
  return list?.data.filter((each) => !isActive(each)).map(({ id }) => id).join(' ') ?? ''
}
