/** What a job can start from. */
export interface WireModel {
  readonly id: string
  readonly created: number
  readonly parent: string | null
  readonly posttrain?:
    | { readonly kind: 'adapter'; readonly rank: number; readonly source: string }
    | { readonly kind: 'alias'; readonly adapter: string | null }
}

export interface Start {
  readonly id: string
  /** Of the adapter that it stands for; undefined: the base. */
  readonly rank: number | undefined
}

export interface Models {
  readonly base: string
  readonly adapters: readonly Start[]
  /** Adapters of checkpoints: many, and seldom what one goes on from. */
  readonly checkpoints: readonly Start[]
  readonly aliases: readonly (Start & { readonly adapter: string | null })[]
}

/** The newest first. */
export function modelsOf(data: readonly WireModel[]): Models {
  const newest = data.toSorted((a, b) => b.created - a.created)
  const ranks = new Map(data.flatMap(({ id, posttrain }) => (posttrain?.kind === 'adapter' ? [[id, posttrain.rank] as const] : [])))
  const adapters = newest.filter(({ posttrain }) => posttrain?.kind === 'adapter')
  const isCheckpoint = ({ posttrain }: WireModel): boolean => posttrain?.kind === 'adapter' && posttrain.source === 'checkpoint'
  const start = ({ id }: WireModel): Start => ({ id, rank: ranks.get(id) })
  return {
    base: data.find(({ parent }) => parent === null)!.id,
    adapters: adapters.filter((model) => !isCheckpoint(model)).map(start),
    checkpoints: adapters.filter(isCheckpoint).map(start),
    aliases: newest.flatMap(({ id, posttrain }) => (posttrain?.kind === 'alias'
      ? [{ id, adapter: posttrain.adapter, rank: posttrain.adapter === null ? undefined : ranks.get(posttrain.adapter) }] : [])),
  }
}

/** The rank that a job which starts there keeps; undefined: it makes a new adapter. */
export function keptRank({ adapters, checkpoints, aliases }: Models, model: string): number | undefined {
  return [...adapters, ...checkpoints, ...aliases].find(({ id }) => id === model)?.rank
}
