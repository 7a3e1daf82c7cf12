/** What can be measured. */

/** Of `/v1/models`. */
export interface ModelEntry {
  readonly id: string
  /** null: the base. */
  readonly parent: string | null
  readonly posttrain?: { readonly kind: 'adapter' | 'alias' }
}

/** The base and adapters, the newest adapters first; an alias is another name of one of them. */
export function measurable(models: readonly ModelEntry[]): readonly ModelEntry[] {
  const base = models.filter(({ parent }) => parent === null)
  return [...base, ...models.filter(({ posttrain }) => posttrain?.kind === 'adapter').toReversed()]
}

/** Of `/v1/datasets`. */
export interface DatasetEntry {
  readonly reference: string
  readonly report: { readonly splits: { readonly eval: number } }
}

/** Of `/v1/files`. */
export interface FileEntry {
  readonly id: string
  readonly filename: string
  readonly purpose: string
}
