/** The facts of a complaint that a summary must keep. */
export interface Facts {
  readonly product: string
  /** Beginnings of words or phrases, of which one tells the issue; the same for the remedy. */
  readonly issue: readonly string[]
  readonly remedy: readonly string[]
}

const mostWords = 30

/**
 * What a summary is worth to the support desk, from 0 to 1: a fifth each for the product, the issue, the remedy, for
 * being one sentence of at most 30 words, and for a neutral voice. A program, so that nothing that is trained here judges itself.
 */
export function judgeSummary(summary: string, { product, issue, remedy }: Facts): number {
  const checks = [
    mentions(summary, [product]),
    mentions(summary, issue),
    mentions(summary, remedy),
    isOneSentence(summary),
    isNeutral(summary),
  ]
  return checks.filter(Boolean).length / checks.length
}

/** Whether one of the phrases begins at a word of the text. */
function mentions(text: string, phrases: readonly string[]): boolean {
  const words = ` ${text.toLowerCase().replaceAll(/[^a-z]+/g, ' ')}`
  return phrases.some((phrase) => words.includes(` ${phrase}`))
}

function isOneSentence(text: string): boolean {
  const trimmed = text.trim()
  return /^[^.!?\n]+\.$/.test(trimmed) && trimmed.split(/\s+/).length <= mostWords
}

/** Neither the customer's voice nor the shop's, no apology, no exclamation. */
function isNeutral(text: string): boolean {
  return text.trim() !== '' && !/\b(i|me|my|mine|we|us|our|you|your|sorry|apologi[sz]e|apology)\b|!/i.test(text)
}
