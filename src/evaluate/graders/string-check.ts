import { z } from 'zod'

import { defineGrader, eachSample } from './grader.ts'
import { parseTemplate } from './template.ts'

const operations = {
  eq: (input: string, reference: string) => input === reference,
  ne: (input: string, reference: string) => input !== reference,
  like: (input: string, reference: string) => input.includes(reference),
  ilike: (input: string, reference: string) => input.toLowerCase().includes(reference.toLowerCase()),
} as const

/** OpenAI's `string_check`: 1 where the texts are equal (`eq`), differ (`ne`), or the reference is in the input (`like`, `ilike`). */
export const stringCheck = defineGrader({
  type: 'string_check',
  schema: z.strictObject({
    input: z.string(),
    reference: z.string(),
    operation: z.enum(['eq', 'ne', 'like', 'ilike']),
  }),
  prepare(spec, { place }) {
    const input = parseTemplate(spec.input, `${place}.input`)
    const reference = parseTemplate(spec.reference, `${place}.reference`)
    const holds = operations[spec.operation]
    return {
      fields: [...input.fields, ...reference.fields],
      open: () => eachSample(sample => Number(holds(input.render(sample), reference.render(sample)))),
    }
  },
})
