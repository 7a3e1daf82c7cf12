/**
 * Graders: what an output is worth, in OpenAI's JSON forms and in some of our own (docs/graders.md).
 * A new one is a file with a `defineGrader`, and a line in this list.
 */
import type { GraderKind } from './grader.ts'
import { functionGrader } from './function.ts'
import { jsonSchema } from './json-schema.ts'
import { length } from './length.ts'
import { multi } from './multi.ts'
import { number } from './number.ts'
import { open, prepare } from './prepare.ts'
import { regex } from './regex.ts'
import { rewardModel } from './reward-model.ts'
import { scoreModel } from './score-model.ts'
import { stringCheck } from './string-check.ts'
import { textSimilarity } from './text-similarity.ts'
import type { Grader, GraderOptions } from './grader.ts'

export type { Complete, Grade, GradedSample, Grader, GraderOptions } from './grader.ts'

const kinds: readonly GraderKind[] = [
  stringCheck, textSimilarity, scoreModel, multi,
  number, jsonSchema, regex, length, functionGrader, rewardModel,
]

/**
 * Opens a grader.
 * @param spec a grader's JSON, the path of a file that holds it, or a list of `{grader, weight}`: their weighted sum
 * @throws UserError (exit code 2) that names the key at fault and the nearest known one
 */
export async function openGrader(spec: unknown, options: GraderOptions = {}): Promise<Grader> {
  return open(prepare(spec, options, kinds))
}

/** What is known of a grader before it is opened. */
export type GraderOutline = Pick<Grader, 'names' | 'fields'>

/** Checks a grader without opening anything: throws the UserErrors that `openGrader` would. */
export function checkGrader(spec: unknown, options: GraderOptions = {}): GraderOutline {
  const { name, parts, fields } = prepare(spec, options, kinds)
  return { names: parts ?? [name], fields: [...new Set(fields)] }
}
