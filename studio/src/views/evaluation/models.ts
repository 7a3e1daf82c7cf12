/** What can be measured. */

/** Of `/v1/models`. */
export interface ModelEntry {
  readonly id: string
  /** null: the base. */
  readonly parent: string | null
  readonly posttrain?: { readonly kind: 'adapter' | 'alias'; readonly source?: string }
}

/** The base, adapters, then checkpoints, the newest first; an alias is another name of one of them. @param models the oldest first */
export function measurable(models: readonly ModelEntry[]): readonly ModelEntry[] {
  const base = models.filter(({ parent }) => parent === null)
  const adapters = models.filter(({ posttrain }) => posttrain?.kind === 'adapter').toReversed()
  const isCheckpoint = ({ posttrain }: ModelEntry): boolean => posttrain?.source === 'checkpoint'
  return [...base, ...adapters.filter((each) => !isCheckpoint(each)), ...adapters.filter(isCheckpoint)]
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
