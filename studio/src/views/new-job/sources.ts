/** What can be learned from: versions of datasets, and files that were uploaded. */
import type { WireDataset } from '../../../../src/server/routes/dataset-rows-wire.ts'
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

/** `/v1/datasets/NAME/versions/N` of a reference, or the latest version's path. */
export function datasetPath(reference: string): string {
  const [name = '', version] = reference.slice('dataset:'.length).split('@')
  return `/v1/datasets/${encodeURIComponent(name)}${version === undefined ? '' : `/versions/${encodeURIComponent(version)}`}`
}

/** Where the data view shows it: `dataset/NAME/VERSION`, `file/ID`. */
export function dataPlace(reference: string): string[] {
  return reference.startsWith('dataset:') ? ['dataset', ...reference.slice('dataset:'.length).split('@')] : ['file', reference]
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

/** The method that was asked for, where it learns from such rows; else the one to begin with. */
export function methodFor(kind: RowKind, asked: MethodName | undefined): MethodName {
  const fit = methodsOfKind[kind]
  return fit.find((name) => name === asked) ?? fit[0]!
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
