/** What to change after a run that has ended: from its folder to the recipe of the next one. */
import { stringify } from 'yaml'
import type { Recipe } from '../train/recipe.ts'
import { observations, verdictsOn, type RunVerdict } from '../train/report-advice.ts'
import type { TechniqueId } from './techniques.ts'
import { openFinishedRun } from './run-facts.ts'

export interface RunAdvice {
  readonly verdicts: readonly RunVerdict[]
  /** What of the table comes next, where the run says so. */
  readonly techniques: readonly TechniqueId[]
  /** The next run's recipe (YAML); null where it is another method's, or nothing is to be changed. */
  readonly recipe: string | null
}

/** @throws UserError where the folder holds no finished run */
export async function adviseRun(directory: string): Promise<RunAdvice> {
  const { recipe, summary } = await openFinishedRun(directory)
  const verdicts = [...observations(summary).map((text): RunVerdict => ({ kind: 'trouble', text })), ...verdictsOn(summary, recipe)]
  const next = nextRecipe(recipe, verdicts.map(({ kind }) => kind), summary.best?.step)
  return {
    verdicts,
    techniques: verdicts.some(({ kind }) => kind === 'plateau') ? ['grpo', 'rlhf'] : [],
    recipe: next === undefined ? null : stringify(next),
  }
}

/** The recipe with what the verdicts ask for; undefined where they ask for nothing that a recipe says. */
function nextRecipe(recipe: Recipe, kinds: readonly RunVerdict['kind'][], bestStep: number | undefined): Recipe | undefined {
  const output = `${recipe.output}-next`
  const { adapter, optimizer } = recipe
  if (kinds.includes('overfit')) {
    const { steps: _, epochs: __, ...rest } = recipe
    return { ...rest, steps: Math.max(1, bestStep ?? 1), keep: 'best', stop: { patience: 2 }, output } as Recipe
  }
  if (kinds.includes('harmed') || kinds.includes('forgets')) return { ...recipe, optimizer: { ...optimizer, lr: optimizer.lr / 2 }, output }
  if (kinds.includes('unfinished')) return { ...recipe, ...(recipe.steps === undefined ? { epochs: 2 * recipe.epochs! } : { steps: 2 * recipe.steps }), output }
  if (kinds.includes('underfit') && adapter.type === 'lora') {
    return { ...recipe, adapter: { ...adapter, rank: 2 * adapter.rank, alpha: 2 * adapter.alpha }, output }
  }
  return undefined
}
