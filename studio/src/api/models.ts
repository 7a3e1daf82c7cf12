import { namesAmong, shortText } from '../model-names.ts'
import { call } from './client.ts'

/** A model as /v1/models lists it. */
export interface Model {
  readonly id: string
  readonly posttrain?: { readonly kind: 'adapter' | 'alias'; readonly adapter?: string | null; readonly source?: string }
}

export interface ModelGroup {
  readonly title: string
  readonly models: readonly { readonly id: string; readonly label: string }[]
}

export async function listModels(signal: AbortSignal): Promise<readonly Model[]> {
  const { data } = await call<{ readonly data: readonly Model[] }>('/v1/models', { signal })
  return data
}

/** The models as they are offered: the base, aliases, adapters and checkpoints, the newest first. */
export function groupsOf(models: readonly Model[]): readonly ModelGroup[] {
  const names = namesAmong(models.map(({ id }) => id))
  const plain = (wanted: readonly Model[]) => wanted.map(({ id }) => ({ id, label: names.get(id)! }))
  const aliases = models.filter(({ posttrain }) => posttrain?.kind === 'alias')
  const adapters = models.filter(({ posttrain }) => posttrain?.kind === 'adapter').toReversed()
  return [
    { title: 'Base', models: plain(models.filter(({ posttrain }) => posttrain === undefined)) },
    { title: 'Aliases', models: aliases.map(({ id, posttrain }) => ({ id, label: `${id} (now ${posttrain?.adapter == null ? 'the base' : names.get(posttrain.adapter) ?? shortText(posttrain.adapter)})` })) },
    { title: 'Adapters', models: plain(adapters.filter(({ posttrain }) => posttrain?.source !== 'checkpoint')) },
    { title: 'Checkpoints', models: plain(adapters.filter(({ posttrain }) => posttrain?.source === 'checkpoint')) },
  ].filter(({ models }) => models.length > 0)
}

/** What is shown before anybody chose: the base, beside its newest adapter. */
export function firstModels(models: readonly Model[]): readonly string[] {
  const [base, ...others] = models
  const adapter = others.findLast(({ posttrain }) => posttrain?.kind === 'adapter' && posttrain.source !== 'checkpoint')
  return [base, adapter].flatMap((model) => model?.id ?? [])
}
