import { openGrader, type Grader } from '../../evaluate/graders/index.ts'
import type { LearningContext } from './learning.ts'

/** The graders of a recipe's `reward`. Functions are allowed: a recipe is a local file of the one who trains. */
export function openReward(spec: unknown, _context: Pick<LearningContext, 'recipe'>): Promise<Grader> {
  return openGrader(spec, { allowFunctions: true, baseDirectory: process.cwd() })
}
