import { z } from 'zod'

import { UserError } from '../../errors.ts'
import { componentNames, openCombined } from './combine.ts'
import type { GraderContext, PreparedGrader } from './grader.ts'

/** The short form of a weighted sum: a list, each with a weight. */
export const weightedSchema = z
  .array(z.strictObject({
    grader: z.unknown().refine(grader => grader !== undefined, 'is missing'),
    weight: z.number().default(1),
    name: z.string().min(1).optional(),
  }))
  .min(1, 'is empty')
  .max(32, 'has more than 32 graders')

/** The sum of the graders' scores, each times its weight; its components are the scores before that. */
export function prepareWeighted(spec: z.output<typeof weightedSchema>, { place, child }: GraderContext): PreparedGrader {
  const parts = spec.map(({ grader, weight, name }, i) => {
    const prepared = child(grader, `[${i}].grader`)
    return { ...prepared, name: name ?? prepared.name, weight }
  })
  const twice = parts.find(({ name }, i) => parts.findIndex(part => part.name === name) !== i)
  if (twice !== undefined) {
    throw new UserError(`${place}: two graders are called "${twice.name}"; give each a name of its own.`, { exitCode: 2 })
  }
  return {
    parts: componentNames(parts),
    fields: parts.flatMap(({ fields }) => fields),
    open: () => openCombined(parts, scores => parts.reduce((sum, { name, weight }) => sum + weight * scores[name]!, 0)),
  }
}
