import { z } from 'zod'

import { messageOf, UserError } from '../../errors.ts'
import { defineGrader, scoreOfError } from './grader.ts'
import { parseTemplate } from './template.ts'
import type { MatchRequest } from './timed-service.ts'
import { TimedWorker } from './timed-worker.ts'

/**
 * `regex`: 1 where the pattern matches somewhere in the output (`^…$` for all of it). With `reference`, what its first
 * group matched (all of it where there is no group) must be the reference, white space around both aside. A pattern may have
 * places: what the row holds there is part of the pattern.
 */
export const regex = defineGrader({
  type: 'regex',
  schema: z.strictObject({
    pattern: z.string().min(1).max(4_000),
    flags: z.string().regex(/^[imsuv]*$/, { error: 'may hold i, m, s, u and v' }).default(''),
    reference: z.string().optional(),
    input: z.string().default('{{sample.output_text}}'),
    timeout_ms: z.int().min(1).max(60_000).default(2_000),
  }),
  prepare({ pattern, flags, timeout_ms, ...spec }, { place }) {
    const expression = parseTemplate(pattern, `${place}.pattern`)
    if (expression.fields.length === 0) checkPattern(pattern, flags, place)
    const input = parseTemplate(spec.input, `${place}.input`)
    const reference = spec.reference === undefined ? undefined : parseTemplate(spec.reference, `${place}.reference`)
    return {
      fields: [...expression.fields, ...input.fields, ...(reference?.fields ?? [])],
      open() {
        const worker = new TimedWorker(timeout_ms)
        return {
          score: samples => Promise.all(samples.map(async sample => {
            try {
              const wanted = reference?.render(sample).trim()
              const request: MatchRequest = { pattern: expression.render(sample), flags, text: input.render(sample) }
              const match = await worker.call<string | null>('match', request)
              return { value: Number(match !== null && (wanted === undefined || match.trim() === wanted)) }
            } catch (error) {
              return scoreOfError(error)
            }
          })),
          close: () => worker.close(),
        }
      },
    }
  },
})

function checkPattern(pattern: string, flags: string, place: string): void {
  try {
    new RegExp(pattern, flags)
  } catch (error) {
    throw new UserError(`${place}.pattern: ${messageOf(error)}.`, { exitCode: 2, cause: error })
  }
}
