/** What the data view asks the server. */
import type {
  WireDataset, WireDatasetVersion, WireDrops, WireFileCheck, WireFileRowPage, WireLengths, WirePreview, WireRowPage, WireVersion,
} from '../../../../src/server/routes/dataset-rows-wire.ts'
import { call } from '../../api/client.ts'
import type { RowPlace } from './data-place.ts'

/** An uploaded file, as OpenAI's API has it. */
export interface UploadedFile {
  readonly id: string
  readonly filename: string
  readonly bytes: number
  readonly created_at: number
}

interface List<Item> {
  readonly data: readonly Item[]
}

export const rowsOfPage = 20

export async function latestDatasets(signal: AbortSignal): Promise<readonly WireDataset[]> {
  return (await call<List<WireDataset>>('/v1/datasets', { query: { latest: true }, signal })).data
}

export async function uploadedFiles(signal: AbortSignal): Promise<readonly UploadedFile[]> {
  return (await call<List<UploadedFile>>('/v1/files', { query: { purpose: 'fine-tune', limit: 200 }, signal })).data
}

function pathOf(name: string, version: number | undefined): string {
  return `/v1/datasets/${encodeURIComponent(name)}${version === undefined ? '' : `/versions/${version}`}`
}

export async function datasetVersion(name: string, version: number | undefined, signal: AbortSignal): Promise<WireDatasetVersion> {
  return call(pathOf(name, version), { signal })
}

export async function versionsOf(name: string, signal: AbortSignal): Promise<readonly WireVersion[]> {
  return (await call<List<WireVersion>>(`${pathOf(name, undefined)}/versions`, { signal })).data
}

/** One call looks through a part of the rows: on until a row is found, or there are no more. */
async function searchOn<Page extends { readonly data: readonly unknown[]; readonly searched_to: number | null }>(
  ask: (from: number | undefined) => Promise<Page>,
): Promise<Page> {
  let page = await ask(undefined)
  while (page.data.length === 0 && page.searched_to !== null) page = await ask(page.searched_to)
  return page
}

export async function datasetRows({ name, version }: WireDataset, place: RowPlace, signal: AbortSignal): Promise<WireRowPage> {
  const { split, search, maxLength } = place
  return searchOn((further) => {
    const start = place.before === undefined ? { from: further ?? place.from } : { before: further ?? place.before }
    return call(`${pathOf(name, version)}/rows`, { query: { view: true, limit: rowsOfPage, ...start, split, search, max_length: maxLength }, signal })
  })
}

export async function preview({ name, version }: WireDataset, position: number, row: object, maxLength: number): Promise<WirePreview> {
  const { data } = await call<List<WirePreview>>(`${pathOf(name, version)}/preview`, { body: { rows: [{ position, row }], max_length: maxLength } })
  return data[0]!
}

export async function saveEdits({ name, version }: WireDataset, changes: readonly object[], note: string): Promise<WireDataset> {
  return call(`${pathOf(name, version)}/edits`, { body: { changes, ...(note.trim() !== '' && { note: note.trim() }) } })
}

export async function lengths({ name, version }: WireDataset, maxLength: number, signal: AbortSignal): Promise<WireLengths> {
  return call(`${pathOf(name, version)}/lengths`, { query: { max_length: maxLength }, signal })
}

export async function dropped({ name, version }: WireDataset, signal: AbortSignal): Promise<WireDrops> {
  return call(`${pathOf(name, version)}/dropped`, { signal })
}

export async function fileRows(id: string, { from, search, maxLength }: RowPlace, signal: AbortSignal): Promise<WireFileRowPage> {
  return searchOn((further) =>
    call(`/v1/files/${encodeURIComponent(id)}/rows`, { query: { from: further ?? from ?? 0, limit: rowsOfPage, search, max_length: maxLength }, signal }))
}

export async function fileCheck(id: string, maxLength: number, signal: AbortSignal): Promise<WireFileCheck> {
  return call(`/v1/files/${encodeURIComponent(id)}/check`, { query: { max_length: maxLength }, signal })
}

export async function fileAbout(id: string, signal: AbortSignal): Promise<UploadedFile> {
  return call(`/v1/files/${encodeURIComponent(id)}`, { signal })
}

export async function upload(file: File): Promise<UploadedFile> {
  const form = new FormData()
  form.set('purpose', 'fine-tune')
  form.set('file', file)
  return call('/v1/files', { body: form })
}

/** Makes the next version of a dataset of all rows of a file. @param heldOut the share of them to measure by */
export async function datasetOfFile(id: string, name: string, heldOut: number): Promise<WireDataset> {
  const { kind } = await call<WireFileRowPage>(`/v1/files/${encodeURIComponent(id)}/rows`, { query: { limit: 1 } })
  return call('/v1/datasets', { body: { name, kind, file: id, eval_fraction: heldOut } })
}

/** A name that a dataset may have, after a file's. */
export function datasetNameOf(filename: string): string {
  const name = filename.replace(/\.[A-Za-z0-9]+$/, '').replaceAll(/[^A-Za-z0-9_-]+/g, '-').replaceAll(/^-+|-+$/g, '').slice(0, 60)
  return name === '' ? 'uploaded' : name
}

export async function removeFile(id: string): Promise<void> {
  await call(`/v1/files/${encodeURIComponent(id)}`, { method: 'DELETE' })
}
