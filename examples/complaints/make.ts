/** Writes the example's JSONL files beside itself: `node examples/complaints/make.ts`. */
import { Random } from '../../src/random.ts'
import { distinct, type Files, pick, writeFiles } from '../make.ts'
import { heldOut, orderIssues, type Product, remedies, trained } from './products.ts'
import { article, badSummary, type Case, ended, goodSummary } from './summaries.ts'

const SYSTEM = 'Summarize the complaint for the support desk.'

/** Share of good summaries in the log that supervised fine-tuning learns from. */
const GOOD_PERCENT = 40

const openings = [
  '', '', 'Hello,', 'Good morning,', 'To whom it may concern,', 'This is unbelievable!', 'I am really disappointed.',
  'I never write such messages, but this is too much.', 'Third time I write to you!!', 'Sorry to bother you.',
]
const purchases: readonly ((product: string) => string)[] = [
  product => `I bought ${article(product)} ${product} from you.`,
  product => `I ordered ${article(product)} ${product} in your shop two weeks ago.`,
  product => `The ${product} from my last order is a joke.`,
  product => `My ${product} came on Monday.`,
  product => `It is about the ${product} that I got for my birthday.`,
]
const asides = [
  'It was meant as a gift.', 'The whole family was waiting for it.', 'The box itself looked fine.', 'My neighbour has the same one.',
  'I have been a customer for ten years.', 'The manual was of no help.', 'I waited on hold for an hour.', 'It was not cheap.',
]
const closings = ['', '', 'Thanks.', 'I am waiting.', 'Otherwise this was my last order.', 'Kind regards', 'Please hurry.']

function drawCase(random: Random, products: readonly Product[]): Case {
  const { name, issues } = pick(random, products)
  const issue = random.below(4) === 0 ? pick(random, orderIssues(name)) : pick(random, issues)
  const remedy = pick(random, remedies)
  return { product: name, issue, remedy, wish: pick(random, remedy.told), aside: pick(random, asides) }
}

/** The customer's message: what happened and what is wanted, in a tone, with more or fewer sentences around it. */
function complaint(random: Random, { product, issue, wish, aside }: Case): string {
  const mark = pick(random, ['.', '.', '!', '!!'])
  const told = ended(issue.told, mark)
  const wanted = ended(wish, pick(random, ['.', mark]))
  const asked = random.below(5) === 0 ? [wanted, told] : [told, wanted]
  const around = random.below(3) > 0 ? [aside] : []
  const text = [pick(random, openings), pick(random, purchases)(product), ...around, ...asked, pick(random, closings)]
  return text.filter(part => part !== '').join(' ')
}

function prompt(text: string): { role: string; content: string }[] {
  return [{ role: 'system', content: SYSTEM }, { role: 'user', content: text }]
}

/** Complaints that no file has yet, each with what it is about. */
function complaints(random: Random, count: number, taken: Set<string>, products: readonly Product[]): { about: Case; text: string }[] {
  return distinct(count, taken, () => {
    const about = drawCase(random, products)
    return { about, text: complaint(random, about) }
  }, ({ text }) => text)
}

function sftRow(random: Random, about: Case, text: string): object {
  const summary = random.below(100) < GOOD_PERCENT ? goodSummary : badSummary
  return { messages: [...prompt(text), { role: 'assistant', content: summary(random, about) }] }
}

interface Pair {
  readonly prompt: object
  readonly chosen: string
  readonly rejected: string
}

function pair(random: Random, about: Case, text: string): Pair {
  return { prompt: prompt(text), chosen: goodSummary(random, about), rejected: badSummary(random, about) }
}

/** A prompt with what the judge looks for. */
function judgedPrompt({ product, issue, remedy }: Case, text: string): object {
  return { prompt: prompt(text), product, issue: issue.keys, remedy: remedy.keys }
}

/** Each pair's two sides as rows of their own, in another order: what a product hears that only has thumbs. */
function thumbs(random: Random, pairs: readonly Pair[]): object[] {
  return random.shuffle(pairs.flatMap(({ prompt, chosen, rejected }) => [
    { prompt, completion: chosen, label: true },
    { prompt, completion: rejected, label: false },
  ]))
}

/** All files; no complaint appears in two of them. */
export function makeFiles(): Files {
  const random = new Random(5)
  const taken = new Set<string>()
  const draw = (count: number, products = trained) => complaints(random, count, taken, products)
  const everything = [...trained, ...heldOut, ...heldOut, ...heldOut]
  const pairs = draw(240).map(({ about, text }) => pair(random, about, text))
  return {
    'sft.jsonl': draw(400).map(({ about, text }) => sftRow(random, about, text)),
    'pairs.jsonl': pairs,
    'thumbs.jsonl': thumbs(random, pairs),
    'reward-pairs.jsonl': draw(240).map(({ about, text }) => pair(random, about, text)),
    'prompts.jsonl': draw(240).map(({ about, text }) => judgedPrompt(about, text)),
    'heldout-pairs.jsonl': draw(100, everything).map(({ about, text }) => pair(random, about, text)),
    'heldout.jsonl': draw(80, everything).map(({ about, text }) => judgedPrompt(about, text)),
    'sft-heldout.jsonl': draw(80, everything).map(({ about, text }) => sftRow(random, about, text)),
  }
}

if (import.meta.main) writeFiles(import.meta.dirname, makeFiles())
