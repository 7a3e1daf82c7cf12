/** From what a team has to what it should do: a technique, recipes that run as they are, and the reasons. */
import { stringify } from 'yaml'
import type { RecipeInput } from '../train/recipe.ts'
import { decisionOf, type Decision } from './decision-table.ts'
import type { DatasetToMake, Facts } from './facts.ts'
import { headlinePath, type Stage } from './headline-path.ts'
import { planRuns } from './recipes.ts'
import { findSituation, type Finding } from './situation.ts'
import { warningsFor } from './warnings.ts'

export interface AdvisedRun {
  readonly title: string
  readonly recipe: RecipeInput
  /** The recipe as it is written to a file. */
  readonly yaml: string
  /** Datasets that are to be made of the store's feedback before. */
  readonly datasets: readonly DatasetToMake[]
}

export interface Advice {
  /** A row of the decision table; null: there is nothing to learn from yet. */
  readonly decision: Decision | null
  readonly stage: Stage['id'] | null
  readonly reasons: readonly string[]
  readonly warnings: readonly string[]
  /** In the order in which they are to be done. */
  readonly runs: readonly AdvisedRun[]
  /** Along the headline path. */
  readonly next: readonly string[]
}

export function advise(facts: Facts): Advice {
  const finding = findSituation(facts)
  const stage = stageOf(finding)
  const runs = planRuns(facts, finding)
  return {
    decision: finding.situation === null ? null : decisionOf(finding.situation),
    stage,
    reasons: finding.reasons,
    warnings: warningsFor(facts, finding, runs),
    runs: runs.map(({ title, recipe }) => ({ title, recipe, yaml: stringify(recipe), datasets: datasetsOf(finding, recipe) })),
    next: nextSteps(stage),
  }
}

function datasetsOf({ data }: Finding, recipe: RecipeInput): AdvisedRun['datasets'] {
  const named = [recipe.data].flat()
  return data.flatMap(({ name, toMake }) => (toMake !== undefined && named.includes(name) ? [toMake] : []))
}

function stageOf({ situation }: Finding): Stage['id'] | null {
  switch (situation) {
    case null: return null
    case 'pairs': case 'cold-start': case 'logs': return 'prefer'
    case 'safety': case 'reasoning': return 'reinforce'
    default: return 'demonstrate'
  }
}

function nextSteps(stage: Stage['id'] | null): string[] {
  if (stage === null) {
    return ['Collect: a hundred thumbs, of both kinds, are enough to begin with KTO; corrections and choices between two answers say more.']
  }
  const at = headlinePath.findIndex(({ id }) => id === stage)
  const following = headlinePath[at + 1]
  return [`This stage is done when: ${lowered(headlinePath[at]!.until)}`, ...(following === undefined ? [] : [`Then: ${following.title}. ${following.when}`])]
}

function lowered(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1)
}
