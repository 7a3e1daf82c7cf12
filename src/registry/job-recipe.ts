import { z } from 'zod'
import type { DataKindName } from '../data/kinds.ts'
import { methods } from '../methods/index.ts'
import type { Store } from '../store/index.ts'
import type { RecipeInput } from '../train/recipe.ts'
import type { AdapterRegistry } from './adapters.ts'
import { readJobData, type JobFolder } from './job-folder.ts'
import { adapterIdOf } from './job-result.ts'
import type { Job } from './job-states.ts'

/** What a job does, as its row has it. */
export interface JobPlan {
  /** With names in the place of paths: the base's, the adapter's to begin with, those of the files. */
  readonly recipe: RecipeInput
  /** What its adapter will be called. */
  readonly adapterId: string
  /** The adapter that it begins with; null: a new one. */
  readonly parentId: string | null
  /** The alias that is to point to its adapter if that is better. */
  readonly alias: string | undefined
  /** Whether the adapter is to be measured, where the server does that. */
  readonly evaluate: boolean
}

const requestSchema = z.object({
  suffix: z.string().nullish(),
  posttrain: z.object({ alias: z.string().optional(), evaluate: z.boolean().optional() }).nullish(),
})

export function planOf({ id, recipe_json, request_json }: Job): JobPlan {
  const recipe = JSON.parse(recipe_json) as RecipeInput
  const { suffix, posttrain } = requestSchema.parse(JSON.parse(request_json))
  return {
    recipe,
    adapterId: adapterIdOf(recipe.model, suffix ?? undefined, id),
    parentId: recipe.adapter?.init ?? null,
    alias: posttrain?.alias,
    evaluate: posttrain?.evaluate ?? true,
  }
}

/** The kind of rows that a job learns from. */
export function kindOfJob({ recipe_json }: Job): DataKindName {
  return methods[(JSON.parse(recipe_json) as RecipeInput).method]!.rows
}

/** How many adapters jobs have made over other bases than the one that is served, by the base's name. */
export async function adaptersOfOtherBases({ db }: Store, adapters: Pick<AdapterRegistry, 'base' | 'get'>): Promise<ReadonlyMap<string, number>> {
  const jobs = await db.selectFrom('jobs').select(['recipe_json', 'fine_tuned_model as adapter']).where('fine_tuned_model', 'is not', null).execute()
  const bases = jobs.filter(({ adapter }) => adapters.get(adapter!) !== undefined).map(({ recipe_json }) => (JSON.parse(recipe_json) as RecipeInput).model)
  return new Map([...Map.groupBy(bases.filter((base) => base !== adapters.base), (base) => base)].map(([base, { length }]) => [base, length]))
}

/** The recipe of a job with the paths of this machine. @param modelRef what the base is loaded from */
export async function runRecipe({ recipe }: JobPlan, folder: JobFolder, modelRef: string): Promise<RecipeInput> {
  const { train, eval: heldOut, parent } = await readJobData(folder)
  return {
    ...recipe,
    model: modelRef,
    data: train,
    ...(heldOut !== undefined && { eval: heldOut }),
    adapter: { ...recipe.adapter, ...(parent !== undefined && { init: parent }) },
    output: folder.run,
  }
}
