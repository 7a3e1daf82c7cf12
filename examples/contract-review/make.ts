/** Writes prompts.jsonl and heldout.jsonl beside itself: `node examples/contract-review/make.ts`. */
import { Random } from '../../src/random.ts'
import { distinct, type Files, pick, writeFiles } from '../make.ts'
import { heldOut, type Review, riskOf, trained, type Wording } from './clauses.ts'

const SYSTEM = 'Reply with JSON only: clause (termination, payment, delivery or renewal), ' +
  'party (customer, supplier or either), days, risk (high below 15 days, medium to 45, low above).'

/** Three reviews in the prompt, one for each risk: without them a model of this size hardly ever gives the form. */
const EXAMPLES: readonly (readonly [clause: string, review: Review])[] = [
  ['Rent is paid by the Customer within 30 days of the first of the month.',
    { clause: 'payment', party: 'customer', days: 30, risk: 'medium' }],
  ['The Supplier may terminate the lease upon five (5) days notice.',
    { clause: 'termination', party: 'supplier', days: 5, risk: 'high' }],
  ['Either party can stop the renewal 80 days before it.',
    { clause: 'renewal', party: 'either', days: 80, risk: 'low' }],
]

/** Days with their words, as contracts write them. */
const numbers: readonly (readonly [number, string])[] = [
  [3, 'three'], [5, 'five'], [7, 'seven'], [10, 'ten'], [14, 'fourteen'],
  [15, 'fifteen'], [20, 'twenty'], [28, 'twenty-eight'], [30, 'thirty'], [45, 'forty-five'],
  [60, 'sixty'], [75, 'seventy-five'], [90, 'ninety'], [120, 'one hundred and twenty'], [180, 'one hundred and eighty'],
]

const forms: readonly ((days: number, word: string) => string)[] = [
  days => `${days} days`,
  (days, word) => `${word} (${days}) days`,
]

const PROMPTS = 200
const HELD_OUT = 60

/** A prompt, and the review that the reward looks for. */
interface Row extends Review {
  readonly prompt: readonly { readonly role: string; readonly content: string }[]
}

function row(random: Random, wordings: readonly Wording[]): Row {
  const { clause, party, text } = pick(random, wordings)
  const [days, word] = pick(random, numbers)
  const messages = [
    { role: 'system', content: SYSTEM },
    ...EXAMPLES.flatMap(([asked, review]) => [
      { role: 'user', content: asked },
      { role: 'assistant', content: answer(review) },
    ]),
    { role: 'user', content: text(pick(random, forms)(days, word)) },
  ]
  return { prompt: messages, clause, party, days, risk: riskOf(days) }
}

/** The text that is to be reviewed. */
function clauseOf({ prompt }: Row): string {
  return prompt.at(-1)!.content
}

/** JSON as people write it, with a space after each colon and comma. */
function answer(review: Review): string {
  return `{${Object.entries(review).map(([key, value]) => `"${key}": ${JSON.stringify(value)}`).join(', ')}}`
}

/** Training prompts, and held-out ones in other wordings; no clause appears twice. */
export function makeFiles(): Files {
  const random = new Random(4)
  const taken = new Set<string>()
  return {
    'prompts.jsonl': distinct(PROMPTS, taken, () => row(random, trained), clauseOf),
    'heldout.jsonl': distinct(HELD_OUT, taken, () => row(random, heldOut), clauseOf),
  }
}

if (import.meta.main) writeFiles(import.meta.dirname, makeFiles())
