/** The support desk's log: summaries as they should be, and the kinds of bad ones that stand among them. */
import type { Random } from '../../src/random.ts'
import { pick } from '../make.ts'
import type { Issue, Remedy } from './products.ts'

/** What a complaint is about. */
export interface Case {
  readonly product: string
  readonly issue: Issue
  readonly remedy: Remedy
  /** The customer's sentence with the wish. */
  readonly wish: string
  /** A circumstance that the summary can do without. */
  readonly aside: string
}

type Summary = (about: Case) => string

/** One neutral sentence with the product, the issue and the remedy. */
const good: readonly Summary[] = [
  ({ issue, remedy }) => `Customer reports that ${issue.summary} and asks for ${remedy.summary}.`,
  ({ issue, remedy }) => `Customer says ${issue.summary}; wants ${remedy.summary}.`,
  ({ issue, remedy }) => `The customer complains that ${issue.summary} and requests ${remedy.summary}.`,
]

const bad: readonly (readonly Summary[])[] = [
  // An apology in place of a summary.
  [
    ({ issue }) => `We are very sorry to hear that ${issue.summary}. We will get back to you soon.`,
    ({ product }) => `We apologize for the trouble with your ${product}!`,
  ],
  // The customer's voice.
  [
    ({ product, issue, wish }) => `I am so angry about this ${product}! ${issue.told}. ${ended(wish, '!')}`,
    ({ issue }) => `${issue.told} and I am really fed up!`,
  ],
  // Nothing to act upon.
  [
    ({ product }) => `Customer has a problem with the ${product}.`,
    () => 'The customer is unhappy.',
  ],
  // The remedy is missing.
  [
    ({ issue }) => `Customer reports that ${issue.summary}.`,
    ({ issue }) => `The customer complains that ${issue.summary} and is upset.`,
  ],
  // Everything that was told.
  [
    ({ product, issue, remedy, aside }) =>
      `Customer wrote about ${article(product)} ${product}. ${aside} Then ${issue.summary}. The customer is angry. The customer wants ${remedy.summary}.`,
    ({ issue, aside }) => `A long message. ${aside} It seems that ${issue.summary}. It is not clear what to do.`,
  ],
]

export function goodSummary(random: Random, about: Case): string {
  return pick(random, good)(about)
}

export function badSummary(random: Random, about: Case): string {
  return pick(random, pick(random, bad))(about)
}

/** The indefinite article before a word that is spelled as it sounds. */
export function article(word: string): string {
  return /^[aeiou]/.test(word) ? 'an' : 'a'
}

/** A sentence with `mark` at its end, questions as they are. */
export function ended(sentence: string, mark: string): string {
  return sentence.endsWith('?') ? sentence : sentence + mark
}
