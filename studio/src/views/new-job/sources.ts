/** What can be learned from: versions of datasets, and files that were uploaded. */
import type { WireDataset, WireFileRowPage, WireRowPage } from '../../../../src/server/routes/dataset-rows-wire.ts'
import { call } from '../../api/client.ts'
import { counted } from '../../format.ts'
import type { MethodName } from './draft.ts'

export type RowKind = WireDataset['kind']

export interface StoredFile {
  readonly id: string
  readonly filename: string
  readonly bytes: number
  readonly created_at: number
}

/** Something to choose. */
export interface Source {
  readonly reference: string
  readonly name: string
  readonly kind: RowKind
  readonly train: number
  /** undefined: it cannot bring any along. */
  readonly heldOut: number | undefined
  readonly labels?: { readonly up: number; readonly down: number } | undefined
  /** Its first row, for a look; undefined where it has none left. */
  readonly sample: unknown
}

export interface Sources {
  readonly datasets: readonly WireDataset[]
  readonly files: readonly StoredFile[]
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

/** `/v1/datasets/NAME/versions/N` of a reference, or the latest version's path. */
export function datasetPath(reference: string): string {
  const [name = '', version] = reference.slice('dataset:'.length).split('@')
  return `/v1/datasets/${encodeURIComponent(name)}${version === undefined ? '' : `/versions/${encodeURIComponent(version)}`}`
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

/** Of rows, what they are called by people. */
export const kindWords: Readonly<Record<RowKind, { readonly many: string; readonly about: string }>> = {
  sft: { many: 'demonstrations', about: 'questions with the answer as it should be' },
  pairs: { many: 'pairs', about: 'two answers to a prompt, one of them preferred' },
  labelled: { many: 'thumbs', about: 'answers with a thumb up or down' },
  prompts: { many: 'prompts', about: 'questions without an answer, with what a grader reads' },
}

/** The methods that learn from a kind of rows, the first being the one to begin with. */
export const methodsOfKind: Readonly<Record<RowKind, readonly MethodName[]>> = {
  sft: ['sft'], pairs: ['dpo'], labelled: ['kto'], prompts: ['grpo', 'ppo'],
}

/** "120 thumbs (80 up, 40 down), 14 held out" */
export function sizeText({ kind, train, heldOut, labels }: Pick<Source, 'kind' | 'train' | 'heldOut' | 'labels'>): string {
  const { many } = kindWords[kind]
  const sides = labels === undefined ? '' : ` (${labels.up} up, ${labels.down} down)`
  const held = heldOut === undefined ? '' : heldOut === 0 ? ', none held out' : `, ${heldOut} held out`
  return `${counted(train, many.replace(/s$/, ''), many)}${sides}${held}`
}

/** The fields of a row that a grader could compare with. */
export function graderFields(sample: unknown): string[] {
  if (typeof sample !== 'object' || sample === null) return []
  return Object.entries(sample).flatMap(([key, value]) =>
    (!['prompt', 'messages', 'tools'].includes(key) && ['string', 'number', 'boolean'].includes(typeof value) ? [key] : []))
}
