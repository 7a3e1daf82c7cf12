/** Adapters in words. */
import type { WireAdapter, WireLineageData, WireLineageRun } from '../../../../src/server/routes/adapters-wire.ts'
import { counted, figure, percent } from '../../format.ts'

const sources: Readonly<Record<WireAdapter['source'], string>> = {
  job: 'trained here', checkpoint: 'a checkpoint of a run here', request: 'loaded from a folder', command_line: 'given when the server was started',
}

export function sourceWords(source: WireAdapter['source']): string {
  return sources[source]
}

/** Where it is: in memory, kept there, or on the disk until it is asked for. */
export function stateWords({ in_memory: inMemory, pinned }: Pick<WireAdapter, 'in_memory' | 'pinned'>): string {
  if (pinned) return 'kept in memory'
  return inMemory ? 'in memory' : 'on the disk'
}

/** "DPO run", by its method's usual name. */
export function runWords({ method }: Pick<WireLineageRun, 'method'>): string {
  return method === 'reward' ? 'reward model' : method.toUpperCase()
}

export function dataWords({ reference, dataset, filename }: WireLineageData): string {
  if (dataset !== null) return `${dataset.name}, version ${dataset.version} (${counted(dataset.rows, 'row')})`
  return filename ?? `${reference}, deleted since`
}

/** Why an adapter cannot be deleted as things stand, and what stays or goes with it. */
export function deletionWords(
  { aliases, source, pinned }: Pick<WireAdapter, 'aliases' | 'source' | 'pinned'>, children: number,
): { readonly obstacle: string | undefined; readonly consequences: readonly string[] } {
  const files = source === 'job' || source === 'checkpoint'
    ? 'Its files are deleted from the disk. This cannot be undone: download it first if you may want it back.'
    : 'Its files stay where they are: it can be loaded again.'
  return {
    obstacle: aliases.length === 0 ? undefined : `Aliases that point to it: ${aliases.join(', ')}. Move them to another adapter, or to the base, first.`,
    consequences: [
      files,
      'Requests for it fail from then on.',
      ...(pinned ? ['It is kept in memory now, and leaves it.'] : []),
      ...(children > 0 ? [`What was trained from it (${counted(children, 'adapter')}) stays as it is.`] : []),
    ],
  }
}

/** The figure by which a run judges itself on its held-out rows: pairs ranked right, reward, or loss; undefined: there were none. */
export function ownMeasure(metrics: Readonly<Record<string, number>>): { readonly value: string; readonly what: string } | undefined {
  const { 'eval/rewards/accuracies': pairs, 'eval/reward': reward, 'eval/loss': loss } = metrics
  if (pairs !== undefined) return { value: percent(pairs), what: 'of held-out pairs ranked right' }
  if (reward !== undefined) return { value: figure(reward), what: 'held-out reward' }
  return loss === undefined ? undefined : { value: figure(loss), what: 'held-out loss' }
}
