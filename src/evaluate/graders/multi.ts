import { z } from 'zod'

import { UserError } from '../../errors.ts'
import { componentNames, openCombined } from './combine.ts'
import { parseFormula } from './formula.ts'
import { defineGrader } from './grader.ts'

const MAX_GRADERS = 32

/** OpenAI's `multi`: several graders, and a formula over their names. It is parsed, never evaluated as code. */
export const multi = defineGrader({
  type: 'multi',
  schema: z.strictObject({
    graders: z.record(z.string(), z.unknown()),
    calculate_output: z.string(),
  }),
  prepare({ graders, calculate_output: formulaText }, { place, child }) {
    const names = Object.keys(graders)
    if (names.length === 0 || names.length > MAX_GRADERS) {
      throw new UserError(`${place}.graders: has ${names.length} graders; there may be 1 to ${MAX_GRADERS}.`, { exitCode: 2 })
    }
    for (const name of names) {
      if (/^[A-Za-z_]\w*$/.test(name)) continue
      throw new UserError(
        `${place}.graders: a formula cannot name "${name}"; use letters, digits and _, a letter first.`,
        { exitCode: 2 },
      )
    }
    const parts = names.map(name => ({ ...child(graders[name], `graders.${name}`), name }))
    const formula = parseFormula(formulaText, names, `${place}.calculate_output`)
    return {
      parts: componentNames(parts),
      fields: parts.flatMap(({ fields }) => fields),
      open: () => openCombined(parts, scores => formula.evaluate(scores)),
    }
  },
})
