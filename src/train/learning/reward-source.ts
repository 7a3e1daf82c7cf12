import { openGrader, type Grader, type GraderOptions } from '../../evaluate/graders/index.ts'
import type { Recipe } from '../recipe.ts'

/** The graders of a recipe's `reward`. Functions are allowed: a recipe is a local file of the one who trains. */
export function openReward(spec: unknown, recipe: Recipe): Promise<Grader> {
  return openGrader(spec, graderOptions(recipe))
}

/** What a recipe's graders may use; files and folders are relative to the working directory, as in recipes. */
export function graderOptions({ model }: Recipe): GraderOptions {
  return { allowFunctions: true, baseDirectory: process.cwd(), model }
}
