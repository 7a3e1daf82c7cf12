/** What the guide asks of the server: itself, and what this team has. */
import type { WireDataset, WireFileRowPage } from '../../../../src/server/routes/dataset-rows-wire.ts'
import type { WireAdvice, WireGuide } from '../../../../src/server/routes/guide-wire.ts'
import type { WireInboxCounts } from '../../../../src/server/routes/inbox-wire.ts'
import { call } from '../../api/client.ts'
import type { Rows } from './decisions.ts'

export async function loadGuide(signal: AbortSignal): Promise<WireGuide> {
  return call('/v1/guide', { signal })
}

/** Files whose rows are looked at: the newest, and none that takes long. */
const filesSeen = 5
const largestSeen = 20e6

/** Datasets, then files, the newest first. */
export async function loadRows(signal: AbortSignal): Promise<Rows[]> {
  const [datasets, files] = await Promise.all([
    call<{ data: WireDataset[] }>('/v1/datasets', { query: { latest: true }, signal }),
    call<{ data: { id: string; filename: string; bytes: number }[] }>('/v1/files', { query: { purpose: 'fine-tune', limit: filesSeen }, signal }),
  ])
  const seen = await Promise.all(files.data.filter(({ bytes }) => bytes <= largestSeen).map(async ({ id, filename }): Promise<Rows[]> => {
    const page = await call<WireFileRowPage>(`/v1/files/${encodeURIComponent(id)}/rows`, { query: { limit: 1 }, signal }).catch(() => undefined)
    return page === undefined ? [] : [{ reference: id, name: filename, kind: page.kind, count: page.total }]
  }))
  return [
    ...datasets.data.map(({ reference, name, version, kind, report }) => ({ reference, name: `${name}@${version}`, kind, count: report.splits.train })),
    ...seen.flat(),
  ]
}

export interface Standing {
  readonly counts: WireInboxCounts
  /** Methods of runs that succeeded, the oldest first. */
  readonly trained: readonly string[]
}

export async function loadStanding(signal: AbortSignal): Promise<Standing> {
  const [counts, runs] = await Promise.all([
    call<WireInboxCounts>('/v1/inbox/counts', { signal }),
    call<{ data: { method: string; status: string }[] }>('/v1/runs', { query: { limit: 100 }, signal }),
  ])
  return { counts, trained: runs.data.filter(({ status }) => status === 'succeeded' || status === 'finished').map(({ method }) => method).toReversed() }
}

/** Of all that the store has. */
export async function loadAdvice(signal: AbortSignal): Promise<WireAdvice> {
  return call('/v1/advise', { body: {}, signal })
}
