import { z } from 'zod'

import { defineGrader, eachSample, Ungradable } from './grader.ts'
import { parseTemplate } from './template.ts'

/** A number as people write it: `-1,234.50`, `$18`, `.5`, `3e8`. A sign after a word or a number is a dash: `5-3`. */
const numbers = /(?<![\w.])([-−]?)(?:[$€£¥]\s?)?([-−]?)(?:(\d{1,3}(?:,\d{3})+(?!\d)|\d+)(\.\d+)?|(\.\d+))(e[+-]?\d+)?/gi

/** `number`: 1 where the output's final number is the reference's, as GSM8K is scored. */
export const number = defineGrader({
  type: 'number',
  schema: z.strictObject({
    reference: z.string(),
    input: z.string().default('{{sample.output_text}}'),
    /** How far apart the numbers may be. */
    tolerance: z.number().min(0).default(0),
  }),
  prepare(spec, { place }) {
    const input = parseTemplate(spec.input, `${place}.input`)
    const reference = parseTemplate(spec.reference, `${place}.reference`)
    return {
      fields: [...input.fields, ...reference.fields],
      open: () => eachSample(sample => {
        const wantedText = reference.render(sample)
        const wanted = finalNumber(wantedText)
        if (wanted === undefined) throw new Ungradable(`there is no number in the reference ${JSON.stringify(wantedText.slice(0, 60))}`)
        const found = finalNumber(input.render(sample))
        return Number(found !== undefined && isNear(found, wanted, spec.tolerance))
      }),
    }
  },
})

/** The last number of a text; where it has GSM8K's `####`, the first one after the last of them. */
export function finalNumber(text: string): number | undefined {
  const mark = text.lastIndexOf('####')
  const all = numbersIn(mark === -1 ? text : text.slice(mark + 4))
  return mark === -1 ? all.at(-1) : all[0]
}

function numbersIn(text: string): number[] {
  return Array.from(text.matchAll(numbers), ([, sign, innerSign, whole = '', fraction = '', bare = '', exponent = '']) => {
    const value = Number(`${whole.replaceAll(',', '')}${fraction}${bare}${exponent}`)
    return sign === '' && innerSign === '' ? value : -value
  })
}

/** Room for the rounding of the difference itself: 0.4 and 0.3 are 0.1 apart. */
function isNear(a: number, b: number, tolerance: number): boolean {
  return Math.abs(a - b) <= tolerance + 1e-12 * Math.abs(b)
}
