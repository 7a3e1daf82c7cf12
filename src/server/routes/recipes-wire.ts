/** Recipes that are written for jobs, as clients read them. */
import type { Recipe } from '../../train/recipe.ts'
import type { JobRequest } from './jobs-request.ts'

/** The answer to `POST /v1/recipes/check`: what a recipe would be as a job, or what is wrong with it. */
export type RecipeCheck = RecipeAccepted | RecipeRefused

export interface RecipeAccepted {
  readonly object: 'recipe.check'
  /** The body for `POST /v1/fine_tuning/jobs`. */
  readonly request: JobRequest
  /** Every default filled in. */
  readonly recipe: Recipe
  readonly issues?: undefined
}

export interface RecipeRefused {
  readonly object: 'recipe.check'
  readonly issues: readonly RecipeFault[]
}

export interface RecipeFault {
  /** From 1; null where no place in the text is at fault. */
  readonly line: number | null
  readonly column: number | null
  /** `optimizer.lr`; '' for the recipe as a whole. */
  readonly key: string
  /** Names the key, and says what to do. */
  readonly message: string
}

/** The answer to `POST /v1/recipes/render`. */
export interface RecipeText {
  readonly object: 'recipe.text'
  readonly yaml: string
  /** Every default filled in. */
  readonly recipe: Recipe
}
