/** The judge's rule as a grader's JSON: what the server measures models by, and says why. */
import type { Facts } from './judge.ts'

/** The same points as `judgeSummary` gives; rows carry patterns of their facts. */
export const pointsGrader = {
  type: 'multi',
  name: 'points of the support desk',
  graders: {
    product: { type: 'regex', pattern: '{{item.product}}', flags: 'i' },
    issue: { type: 'regex', pattern: '{{item.issue}}', flags: 'i' },
    remedy: { type: 'regex', pattern: '{{item.remedy}}', flags: 'i' },
    one_sentence: { type: 'regex', pattern: String.raw`^(?=\s*\S+(?:\s+\S+){0,29}\s*$)\s*[^.!?\s][^.!?\n]*\.\s*$` },
    neutral: {
      type: 'regex', flags: 'is',
      pattern: String.raw`^(?=.*\S)(?!.*(?:\b(?:i|me|my|mine|we|us|our|you|your|sorry|apologi[sz]e|apology)\b|!))`,
    },
  },
  calculate_output: '(product + issue + remedy + one_sentence + neutral) / 5',
} as const

/** The facts of a complaint as patterns that find them in a summary. */
export function factPatterns({ product, issue, remedy }: Facts): Readonly<Record<'product' | 'issue' | 'remedy', string>> {
  return { product: beginningOfWord([product]), issue: beginningOfWord(issue), remedy: beginningOfWord(remedy) }
}

/** One of the phrases, of letters and spaces, where a word begins; anything but letters may stand between its words. */
function beginningOfWord(phrases: readonly string[]): string {
  return `(?<![a-z])(?:${phrases.map((phrase) => phrase.replaceAll(' ', '[^a-z]+')).join('|')})`
}
