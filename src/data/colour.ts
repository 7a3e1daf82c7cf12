import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { RenderedRow } from './render.ts'

const style = { loss: '\x1b[32m', context: '\x1b[2m', reset: '\x1b[0m' } as const

/**
 * A row for a terminal: what carries loss in green, the rest dimmed; without colour (by default where NO_COLOR is
 * set) what carries loss stands in ⟦ ⟧. Control tokens are written out, and characters that steer a terminal are
 * shown as escapes, since the text is not ours.
 */
export function colourRow(
  { ids, mask }: RenderedRow,
  tokenizer: Pick<Tokenizer, 'decode'>,
  options: { readonly colour?: boolean } = {},
): string {
  const colour = options.colour ?? !process.env['NO_COLOR']
  let text = ''
  for (let start = 0, end = 0; start < ids.length; start = end) {
    while (end < ids.length && mask[end] === mask[start]) end++
    const run = visible(tokenizer.decode([...ids.subarray(start, end)], { control: true }))
    const loss = mask[start] === 1
    if (colour) text += (loss ? style.loss : style.context) + run + style.reset
    else text += loss ? `⟦${run}⟧` : run
  }
  return text
}

/** Control characters but line breaks and tabs as `\x1b`, and what turns the direction of text as `\u202e`. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, character => {
    if (character === '\n' || character === '\t') return character
    const code = character.codePointAt(0)!
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
