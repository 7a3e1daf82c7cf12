/** What the view asks of the server. */
import type { WireDataset, WireFileRowPage, WireRowPage } from '../../../../src/server/routes/dataset-rows-wire.ts'
import { call } from '../../api/client.ts'
import { modelsOf, type Models, type WireModel } from './models.ts'
import { datasetPath, type Source, type Sources, type StoredFile } from './sources.ts'

export async function loadModels(signal: AbortSignal): Promise<Models> {
  return modelsOf((await call<{ data: WireModel[] }>('/v1/models', { signal })).data)
}

/** Files are many where a program uploads them: the newest are what one looks for. */
const newestFiles = 100

export async function loadSources(signal: AbortSignal): Promise<Sources> {
  const [datasets, files] = await Promise.all([
    call<{ data: WireDataset[] }>('/v1/datasets', { query: { latest: true }, signal }),
    call<{ data: StoredFile[] }>('/v1/files', { query: { purpose: 'fine-tune', limit: newestFiles }, signal }),
  ])
  return { datasets: datasets.data, files: files.data }
}

/** What a reference stands for. @throws CallError where it is not there, or cannot be read */
export async function loadSource(reference: string, signal: AbortSignal): Promise<Source> {
  return reference.startsWith('dataset:') ? await loadDataset(reference, signal) : await loadFile(reference, signal)
}

async function loadDataset(reference: string, signal: AbortSignal): Promise<Source> {
  const path = datasetPath(reference)
  const [dataset, rows] = await Promise.all([
    call<WireDataset & { readonly sizes: { readonly train: number; readonly eval: number } }>(path, { signal }),
    call<WireRowPage>(`${path}/rows`, { query: { split: 'train', limit: 1 }, signal }),
  ])
  const { kind, sizes, report } = dataset
  return {
    reference, name: `${dataset.name}, version ${dataset.version}`, kind, train: sizes.train, heldOut: sizes.eval, labels: report.labels?.train,
    sample: rows.data[0]?.row,
  }
}

async function loadFile(id: string, signal: AbortSignal): Promise<Source> {
  const path = `/v1/files/${encodeURIComponent(id)}`
  const [file, rows] = await Promise.all([call<StoredFile>(path, { signal }), call<WireFileRowPage>(`${path}/rows`, { query: { limit: 1 }, signal })])
  return { reference: id, name: file.filename, kind: rows.kind, train: rows.total, heldOut: undefined, sample: rows.data[0]?.row }
}

/** Uploads a file to learn from. @returns its id @throws CallError */
export async function upload(file: File): Promise<string> {
  const form = new FormData()
  form.set('purpose', 'fine-tune')
  form.set('file', file)
  return (await call<StoredFile>('/v1/files', { body: form })).id
}
