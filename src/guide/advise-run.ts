/** What to change after a run that has ended: from its folder to the recipe of the next one. */
import { stringify } from 'yaml'
import { UserError } from '../errors.ts'
import { methodSettings, type Recipe } from '../train/recipe.ts'
import { goesOn, observations, verdictsOn, type RunVerdict } from '../train/report-advice.ts'
import { glanceAt, type RunGlance } from '../train/run-glance.ts'
import type { RunSummary } from '../train/summary.ts'
import { openRunFolder } from './run-facts.ts'
import type { TechniqueId } from './techniques.ts'

export interface RunAdvice {
  readonly verdicts: readonly RunVerdict[]
  /** What of the table comes next, where the run says so. */
  readonly techniques: readonly TechniqueId[]
  /** The next run's recipe (YAML); null where it is another method's, or nothing is to be changed. */
  readonly recipe: string | null
}

/** @throws UserError where the folder holds no run, or one that has not ended */
export async function adviseRun(directory: string): Promise<RunAdvice> {
  const { recipe, summary } = openRunFolder(directory)
  const glance = await glanceAt(directory, recipe)
  const verdicts = glance.status === 'succeeded'
    ? [...observations(summary).map((text): RunVerdict => ({ kind: 'trouble', text })), ...verdictsOn(summary, recipe)]
    : [broken(directory, glance)]
  const next = nextRecipe(recipe, verdicts, summary.best)
  return {
    verdicts,
    techniques: verdicts.some(({ kind }) => kind === 'plateau') ? ['grpo', 'rlhf'] : [],
    recipe: next === undefined ? null : stringify(next),
  }
}

/** A run fails by itself only where a value is not finite any more; whatever else ends it, it can go on from there. */
function broken(directory: string, { status, step, steps, error }: RunGlance): RunVerdict {
  if (status === 'failed') return { kind: 'diverged', text: `${error} The steps are too large, or a row is broken: the next run takes a third of the learning rate.` }
  const place = `step ${step}${steps === undefined ? '' : ` of ${steps}`}`
  throw new UserError(status === 'running' ? `${directory}: the run is at ${place}. Ask again when it has ended.`
    : `${directory}: the run was interrupted at ${place}. Go on with it: posttrain train RECIPE.yaml --resume`, { exitCode: 2 })
}

/** The recipe with what the verdicts ask for; undefined where they ask for nothing that a recipe says. */
function nextRecipe(recipe: Recipe, verdicts: readonly RunVerdict[], best: RunSummary['best']): Recipe | undefined {
  const has = (...kinds: RunVerdict['kind'][]): boolean => verdicts.some(({ kind }) => kinds.includes(kind))
  const { adapter } = recipe
  const next = { ...recipe, output: `${recipe.output}-next` }
  if (has('diverged')) return atRate(next, 1 / 3)
  if (has('overfit')) {
    const { steps: _, epochs: __, ...rest } = next
    return { ...rest, steps: Math.max(1, best?.step ?? 1), keep: 'best', stop: { patience: 2 } } as Recipe
  }
  if (has('harmed', 'forgets')) return atRate(next, 1 / 2)
  if (has('drifted')) return { ...next, ...onShorterLeash(recipe) }
  if (has('unmoved')) return atRate(next, 3)
  if (has('unfinished')) return { ...next, ...(recipe.steps === undefined ? { epochs: 2 * recipe.epochs! } : { steps: 2 * recipe.steps }) }
  if (has('underfit') && adapter.type === 'lora') {
    return goesOn(adapter) ? atRate(next, 2) : { ...next, adapter: { ...adapter, rank: 2 * adapter.rank, alpha: 2 * adapter.alpha } }
  }
  return undefined
}

function atRate(recipe: Recipe, factor: number): Recipe {
  return { ...recipe, optimizer: { ...recipe.optimizer, lr: Number((factor * recipe.optimizer.lr).toPrecision(2)) } }
}

/** Weights of the KL to the policy of step 0 where there was none, as in TRL and in the paper of GRPO. */
const leash = { ppo: 0.05, grpo: 0.04 }

/** The method's block with twice the weight of the KL. */
function onShorterLeash(recipe: Recipe): Readonly<Record<string, unknown>> {
  const settings = methodSettings(recipe) as { readonly kl_coef?: number; readonly beta?: number }
  return recipe.method === 'ppo' ? { ppo: { ...settings, kl_coef: 2 * settings.kl_coef! || leash.ppo } } : { grpo: { ...settings, beta: 2 * settings.beta! || leash.grpo } }
}
