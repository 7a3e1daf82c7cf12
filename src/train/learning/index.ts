import type { Method, RowKind } from '../../methods/method.ts'
import { labelledLearning } from './labelled.ts'
import type { Learning, LearningContext } from './learning.ts'
import { pairLearning } from './pairs.ts'
import { rolloutLearning } from './rollouts.ts'
import { sftLearning } from './sft.ts'

type Opener = (method: Method, settings: Record<string, unknown>, context: LearningContext) => Learning | Promise<Learning>

/** How methods learn, by the kind of rows that they learn from. A method gets the context of its own kind's rows. */
const openers: Readonly<Record<RowKind, Opener>> = {
  sft: sftLearning as Opener,
  pairs: pairLearning as Opener,
  labelled: labelledLearning as Opener,
  prompts: rolloutLearning as Opener,
}

export function openLearning(method: Method, settings: Record<string, unknown>, context: LearningContext): Promise<Learning> {
  return Promise.resolve(openers[method.rows](method, settings, context))
}
