/**
 * What a summary is worth to the support desk, from 0 to 1: a fifth each for the product, the issue, the remedy, for
 * being one sentence of at most 30 words, and for a neutral voice. A program, so that nothing that is trained here judges itself.
 */
interface Item {
  readonly product: string
  /** Beginnings of words or phrases, of which one tells the issue; the same for the remedy. */
  readonly issue: readonly string[]
  readonly remedy: readonly string[]
}

const MOST_WORDS = 30

export default function judge({ output_text: output }: { readonly output_text: string }, item: Item): number {
  const checks = [
    mentions(output, [item.product]),
    mentions(output, item.issue),
    mentions(output, item.remedy),
    isOneSentence(output),
    isNeutral(output),
  ]
  return checks.filter(Boolean).length / checks.length
}

/** Whether one of the phrases begins at a word of the text. */
function mentions(text: string, phrases: readonly string[]): boolean {
  const words = ` ${text.toLowerCase().replaceAll(/[^a-z]+/g, ' ')}`
  return phrases.some(phrase => words.includes(` ${phrase}`))
}

function isOneSentence(text: string): boolean {
  const trimmed = text.trim()
  return /^[^.!?\n]+\.$/.test(trimmed) && trimmed.split(/\s+/).length <= MOST_WORDS
}

/** Neither the customer's voice nor the shop's, no apology, no exclamation. */
function isNeutral(text: string): boolean {
  return text.trim() !== '' && !/\b(i|me|my|mine|we|us|our|you|your|sorry|apologi[sz]e|apology)\b|!/i.test(text)
}
