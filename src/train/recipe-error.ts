import { UserError } from '../errors.ts'

/** Where in the user's hands a value comes from. */
export interface Place {
  /** Prefix of a message: `recipe.yaml:7`. */
  readonly name: string
  /** In a text, from 1. */
  readonly line?: number
  readonly column?: number
}

/** A fault of a recipe. */
export interface RecipeIssue {
  readonly place: Place
  /** The key that is wrong, `optimizer.lr`; '' for the recipe as a whole. */
  readonly key: string
  /** Names the key, and says what to do. */
  readonly message: string
}

/** A recipe that cannot be used, with all that is wrong with it. */
export class RecipeError extends UserError {
  readonly issues: readonly RecipeIssue[]

  constructor(issues: readonly RecipeIssue[], options: { cause?: unknown } = {}) {
    super(issues.map(({ place, message }) => `${place.name}: ${message}`).join('\n'), { exitCode: 2, ...options })
    this.issues = issues
  }
}
