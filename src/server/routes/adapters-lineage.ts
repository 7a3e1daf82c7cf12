import type { Job } from '../../registry/job-states.ts'
import type { Lineage, LineageData, LineageStep } from '../../registry/lineage.ts'
import type { RecipeInput } from '../../train/recipe.ts'
import type { WireLineage, WireLineageData, WireLineageRun, WireLineageStep } from './adapters-wire.ts'

/** @param base the base's name */
export function wireLineage(adapter: string, base: string, { steps, aliases, children, siblings }: Lineage): WireLineage {
  return {
    object: 'adapter.lineage',
    adapter,
    base,
    steps: steps.map(wireStep),
    aliases: aliases.map(({ name, since, reason }) => ({ name, since: seconds(since), reason: reason ?? null })),
    children: children.map(({ id }) => id),
    siblings: siblings.map(({ id, source, createdAt }) => ({ id, source, created_at: seconds(createdAt) })),
  }
}

function wireStep({ id, adapter, job, data }: LineageStep): WireLineageStep {
  return {
    adapter: id,
    source: adapter?.source ?? null,
    created_at: adapter === undefined ? null : seconds(adapter.createdAt),
    run: job === undefined ? null : wireRun(job),
    data: data === undefined ? null : wireData(data),
  }
}

function wireRun({ id, status, finished_at: finishedAt, recipe_json: recipe, promotion_json: promotion }: Job): WireLineageRun {
  return {
    id,
    status,
    method: (JSON.parse(recipe) as RecipeInput).method,
    finished_at: finishedAt === null ? null : seconds(finishedAt),
    promotion: promotion === null ? null : told(JSON.parse(promotion) as NonNullable<WireLineageRun['promotion']>),
  }
}

/** Without the figures, which its reason has in words. */
function told({ alias, promote, reason }: NonNullable<WireLineageRun['promotion']>): WireLineageRun['promotion'] {
  return { alias, promote, reason }
}

function wireData({ reference, dataset, file }: LineageData): WireLineageData {
  return { reference, dataset: dataset ?? null, filename: file?.filename ?? null }
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}
