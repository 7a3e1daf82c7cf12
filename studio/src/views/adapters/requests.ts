/** The server's calls about adapters, aliases and merged models. */
import type {
  MergeDtype, MergeFormat, TrafficPeriod, WireAdapter, WireAdapterPage, WireAlias, WireAliasMove, WireLineage, WireMerge, WireTraffic,
} from '../../../../src/server/routes/adapters-wire.ts'
import type { WireEvaluation } from '../../../../src/server/routes/evaluations-wire.ts'
import { call, send } from '../../api/client.ts'

interface List<Item> {
  readonly data: readonly Item[]
}

interface PageQuery {
  readonly search: string
  readonly checkpoints: boolean
  readonly after: string | undefined
}

export const pageSize = 50

export function listAdapters({ search, checkpoints, after }: PageQuery, signal: AbortSignal): Promise<WireAdapterPage> {
  return call('/v1/adapters', { signal, query: { order: 'desc', limit: pageSize, search: search === '' ? undefined : search, checkpoints, after } })
}

export function adapterPath(id: string, rest = ''): string {
  return `/v1/adapters/${encodeURIComponent(id)}${rest}`
}

export function findAdapter(id: string, signal: AbortSignal): Promise<WireAdapter> {
  return call(adapterPath(id), { signal })
}

export function lineageOf(id: string, signal: AbortSignal): Promise<WireLineage> {
  return call(adapterPath(id, '/lineage'), { signal })
}

export function trafficOf(period: TrafficPeriod, signal: AbortSignal): Promise<WireTraffic> {
  return call('/v1/adapters/traffic', { signal, query: { period } })
}

/** Measurements, the newest first. @param model only of this one */
export async function evaluationsOf(model: string | undefined, signal: AbortSignal): Promise<readonly WireEvaluation[]> {
  const { data } = await call<List<WireEvaluation>>('/v1/evaluations', { signal, query: { model, limit: model === undefined ? 200 : 20 } })
  return data
}

export async function setPinned(id: string, pinned: boolean): Promise<void> {
  await call(adapterPath(id, pinned ? '/pin' : '/unpin'), { method: 'POST' })
}

export async function loadAdapter(name: string, path: string): Promise<void> {
  await send('/v1/load_lora_adapter', { body: { lora_name: name, lora_path: path } })
}

export async function deleteAdapter(id: string): Promise<void> {
  await call(`/v1/models/${encodeURIComponent(id)}`, { method: 'DELETE' })
}

export async function listAliases(signal: AbortSignal): Promise<readonly WireAlias[]> {
  const { data } = await call<List<WireAlias>>('/v1/aliases', { signal })
  return data
}

function aliasPath(name: string, rest = ''): string {
  return `/v1/aliases/${encodeURIComponent(name)}${rest}`
}

export async function historyOf(alias: string, signal: AbortSignal): Promise<readonly WireAliasMove[]> {
  const { data } = await call<List<WireAliasMove>>(aliasPath(alias, '/history'), { signal })
  return data
}

/** @param reason for the history; empty: none is given */
export async function moveAlias(name: string, adapter: string | null, reason: string): Promise<void> {
  await call(aliasPath(name), { method: 'PUT', body: { adapter, ...(reason.trim() !== '' && { reason }) } })
}

export async function rollBack(name: string, reason: string): Promise<void> {
  await call(aliasPath(name, '/rollback'), { body: reason.trim() === '' ? {} : { reason } })
}

export async function deleteAlias(name: string): Promise<void> {
  await call(aliasPath(name), { method: 'DELETE' })
}

export async function listMerged(signal: AbortSignal): Promise<readonly WireMerge[]> {
  const { data } = await call<List<WireMerge>>('/v1/merged', { signal })
  return data
}

export async function startMerge(id: string, format: MergeFormat, dtype: MergeDtype | undefined): Promise<void> {
  await call(adapterPath(id, '/merge'), { body: { format, dtype, wait: false } })
}

export function mergedPath(name: string, rest = ''): string {
  return `/v1/merged/${encodeURIComponent(name)}${rest}`
}

export async function deleteMerged(name: string): Promise<void> {
  await call(mergedPath(name), { method: 'DELETE' })
}
