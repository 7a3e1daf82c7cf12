import { z } from 'zod'

import { defineGrader, eachSample } from './grader.ts'
import { parseTemplate } from './template.ts'

/** `length`: 1 for a text within bounds; outside, linearly down to 0 at `falloff` beyond the bound. */
export const length = defineGrader({
  type: 'length',
  schema: z
    .strictObject({
      unit: z.enum(['words', 'characters']),
      min: z.int().min(0).default(0),
      max: z.int().min(1).optional(),
      /** Where the score reaches 0, in units from the bound; the bound itself unless given. */
      falloff: z.number().positive().optional(),
      input: z.string().default('{{sample.output_text}}'),
    })
    .refine(({ min, max }) => min > 0 || max !== undefined, { path: ['max'], error: 'is missing: give min, max or both' })
    .refine(({ min, max = Infinity }) => min <= max, { path: ['min'], error: 'must not be greater than max' }),
  prepare({ unit, min, max = Infinity, falloff, ...spec }, { place }) {
    const input = parseTemplate(spec.input, `${place}.input`)
    return {
      fields: input.fields,
      open: () => eachSample(sample => {
        const size = unit === 'words' ? countWords(input.render(sample)) : [...input.render(sample)].length
        const bound = size < min ? min : max
        const beyond = Math.max(min - size, size - max, 0)
        return beyond === 0 ? 1 : Math.max(0, 1 - beyond / (falloff ?? bound))
      }),
    }
  },
})

function countWords(text: string): number {
  return text.match(/\S+/gu)?.length ?? 0
}
